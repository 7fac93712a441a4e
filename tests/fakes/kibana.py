"""The part of Kibana that `ptingest setup` speaks to, in the shapes its documentation gives.

Strict where the real one is: a request without `kbn-xsrf` is refused, an import must be a
form with a file whose name ends in `.ndjson`, references must lead somewhere. It holds what
it was given in memory. No Kibana was at hand to compare it with.
"""

from __future__ import annotations

import base64
from typing import Any, Self

import orjson
from aiohttp import web

Key = tuple[str, str]


class FakeKibana:
    """Listens on 127.0.0.1 while it is entered."""

    def __init__(self, *, login: tuple[str, str] = ("elastic", "secret")) -> None:
        self.login = login
        self.is_starting = False
        self.objects: dict[Key, dict[str, Any]] = {}
        self.writes: list[str] = []
        """Paths of all requests that could change something."""
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        app = web.Application(middlewares=[self._guard])
        app.router.add_get("/api/status", self._status)
        app.router.add_post("/api/data_views/data_view", self._make_view)
        app.router.add_get("/api/data_views/data_view/{id}", self._show_view)
        app.router.add_post("/api/data_views/data_view/{id}", self._change_view)
        app.router.add_post("/api/saved_objects/_export", self._export)
        app.router.add_post("/api/saved_objects/_import", self._import)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if self.is_starting:
            return web.Response(status=503, text="Kibana server is not ready yet")
        if request.headers.get("authorization") != self._authorization():
            return _error(401, "Unauthorized")
        if request.method != "GET" and "kbn-xsrf" not in request.headers:
            return _error(400, "Request must contain a kbn-xsrf header.")
        response: web.StreamResponse = await handler(request)
        return response

    async def _status(self, _: web.Request) -> web.Response:
        return _json({"version": {"number": "8.19.0"}, "status": {"overall": {"level": "ok"}}})

    async def _make_view(self, request: web.Request) -> web.Response:
        self.writes.append(request.path)
        body = orjson.loads(await request.read())
        assert body.keys() <= {"data_view", "override", "refresh_fields"}, body
        view = body["data_view"]
        assert view.keys() <= {"id", "title", "name", "timeFieldName"}, view
        key = ("index-pattern", view["id"])
        if key in self.objects and not body.get("override"):
            return _error(400, f"Duplicate data view: {view['name']}")
        attributes = {name: value for name, value in view.items() if name != "id"}
        self.objects[key] = {"type": key[0], "id": key[1], "attributes": attributes}
        return _json({"data_view": self._view(view["id"])})

    async def _show_view(self, request: web.Request) -> web.Response:
        identity = request.match_info["id"]
        if ("index-pattern", identity) not in self.objects:
            return _error(404, f"Saved object [index-pattern/{identity}] not found")
        return _json({"data_view": self._view(identity)})

    async def _change_view(self, request: web.Request) -> web.Response:
        self.writes.append(request.path)
        identity = request.match_info["id"]
        body = orjson.loads(await request.read())
        assert "id" not in body["data_view"]
        self.objects["index-pattern", identity]["attributes"] |= body["data_view"]
        return _json({"data_view": self._view(identity)})

    def _authorization(self) -> str:
        return "Basic " + base64.b64encode(":".join(self.login).encode()).decode()

    def _view(self, identity: str) -> dict[str, Any]:
        attributes: dict[str, Any] = self.objects["index-pattern", identity]["attributes"]
        added = {"version": "WzEsMV0=", "fields": {}, "namespaces": ["default"]}
        return {"id": identity, **added, **attributes}

    async def _export(self, request: web.Request) -> web.Response:
        body = orjson.loads(await request.read())
        keys = [(one["type"], one["id"]) for one in body["objects"]]
        if any(key not in self.objects for key in keys):
            return _error(400, "Error fetching objects to export")
        lines = [orjson.dumps({**self.objects[key], "version": "WzEsMV0="}) for key in keys]
        return web.Response(body=b"\n".join(lines), content_type="application/ndjson")

    async def _import(self, request: web.Request) -> web.Response:
        self.writes.append(request.path_qs)
        form = await request.post()
        file = form["file"]
        assert isinstance(file, web.FileField)
        if not file.filename.endswith(".ndjson"):
            return _error(400, "Invalid file extension")
        objects = [orjson.loads(line) for line in file.file.read().splitlines() if line]
        known = {*self.objects, *((one["type"], one["id"]) for one in objects)}
        errors = []
        for one in objects:
            lost = [r for r in one["references"] if (r["type"], r["id"]) not in known]
            if lost:
                error = {"type": "missing_references", "references": lost}
                errors.append({"id": one["id"], "type": one["type"], "error": error})
            else:
                self.objects[one["type"], one["id"]] = one
        answer: dict[str, Any] = {
            "success": not errors,
            "successCount": len(objects) - len(errors),
        }
        return _json(answer | ({"errors": errors} if errors else {}))


def _json(body: object, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")


def _error(status: int, message: str) -> web.Response:
    return _json({"statusCode": status, "error": "Error", "message": message}, status)
