"""The steps in Kibana: data views by their API, searches and dashboard by an import.

Shapes as documented for Kibana 8 and 9: `GET`/`POST /api/data_views/data_view`,
`POST /api/saved_objects/_export` and `POST /api/saved_objects/_import`.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import orjson
from pydantic import SecretStr

from ptingest.errors import SinkUnavailable
from ptingest.model.redirect import is_redirect, redirect_sentence
from ptingest.sinks.elasticsearch.answer import Answer
from ptingest.sinks.elasticsearch.answer_memory import AnswerMemory, AnswerTooLarge
from ptingest.sinks.elasticsearch.inspection import object_in
from ptingest.tools.setup.compare import holds
from ptingest.tools.setup.elasticsearch import Done
from ptingest.tools.setup.plan import Part, Step

if TYPE_CHECKING:
    import aiohttp

REQUEST_SECONDS = 60.0
HEADERS = {"kbn-xsrf": "ptingest", "accept": "application/json"}
IMPORT = "/api/saved_objects/_import?overwrite=true"
EXPORT = "/api/saved_objects/_export"


class KibanaClient:
    """Client of one Kibana; each of about a dozen requests opens its own connection."""

    def __init__(self, url: str, *, login: tuple[str, SecretStr] | None, ca_file: str | None):
        self._url = url.rstrip("/")
        self._authorization: dict[str, str] = {}
        if login is not None:
            pair = f"{login[0]}:{login[1].get_secret_value()}".encode()
            self._authorization["authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        self._ca_file = ca_file
        self._memory = AnswerMemory()

    async def request(
        self, method: str, path: str, body: bytes | None = None, *, file_name: str | None = None
    ) -> Answer:
        """Send one request, the body as JSON or as the file of a form."""
        import aiohttp

        headers = {**HEADERS, **self._authorization}
        data: Any = body
        if file_name is not None:
            data = aiohttp.FormData()
            data.add_field(
                "file", body, filename=file_name, content_type="application/octet-stream"
            )
        elif body is not None:
            headers["content-type"] = "application/json"
        timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.request(
                    method,
                    self._url + path,
                    data=data,
                    headers=headers,
                    ssl=self._trust(),
                    allow_redirects=False,
                ) as response,
            ):
                return self._answer(response, await self._memory.read(response), path)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, AnswerTooLarge) as error:
            return Answer(None, failure=f"no answer from {self._url}: {error or 'timed out'}")

    def _answer(self, response: aiohttp.ClientResponse, body: bytes, path: str) -> Answer:
        found = {name.lower(): value for name, value in response.headers.items()}
        failure = ""
        if is_redirect(response.status):
            failure = redirect_sentence(
                response.status, found.get("location"), url=self._url, target=path,
                setting="--kibana",
            )  # fmt: skip
        return Answer(response.status, found, body, failure)

    def _trust(self) -> Any:
        import ssl

        return True if self._ca_file is None else ssl.create_default_context(cafile=self._ca_file)


async def version_of(client: KibanaClient) -> str:
    """Return Kibana's version.

    Raises:
        SinkUnavailable: no answer, the login is refused, or it is not ready yet.
    """
    answer = await client.request("GET", "/api/status")
    version = object_in(answer).get("version")
    if answer.status == 200 and isinstance(version, dict):
        return str(version.get("number", "unknown"))
    if answer.status is None or answer.is_redirect:
        cause = answer.failure
    elif answer.status in (401, 403):
        cause = f"Kibana refuses this login ({answer.status})"
    elif answer.status == 503:
        cause = "Kibana is not ready yet; wait for /api/status to answer 200"
    else:
        cause = f"something else answers there (status {answer.status})"
    raise SinkUnavailable(sink="kibana", cause=cause)


async def make_views(client: KibanaClient, steps: Iterable[Step]) -> AsyncIterator[Done]:
    """Create the data views that are missing, update those that differ."""
    for step in steps:
        looked = await client.request("GET", step.look)
        wanted = step.body["data_view"]
        if looked.status == 404:
            answer = await client.request(step.method, step.path, orjson.dumps(step.body))
            yield _done("created", step.subject, answer)
        elif looked.status == 200:
            found = object_in(looked).get("data_view") or {}
            if holds(wanted, found):
                yield Done("unchanged", step.subject)
                continue
            changed = {name: value for name, value in wanted.items() if name != "id"}
            body = orjson.dumps({"data_view": changed})
            yield _done("updated", step.subject, await client.request("POST", step.look, body))
        else:
            yield _done("updated", step.subject, looked)


async def import_objects(
    client: KibanaClient, part: Part, objects: Sequence[dict[str, Any]]
) -> AsyncIterator[Done]:
    """Import the saved objects of a part, unless all of them exist as in the file."""
    names = [{"type": one["type"], "id": one["id"]} for one in objects]
    asked = orjson.dumps({"objects": names, "excludeExportDetails": True})
    there = _by_name((await client.request("POST", EXPORT, asked)).body)
    old = [_name(one) for one in objects if _name(one) in there]
    same = [name for name in old if _is_same(_by_object(objects)[name], there[name])]
    subjects = {_name(one): f"{one['type']} {one['attributes']['title']}" for one in objects}
    if len(same) == len(objects):
        for subject in subjects.values():
            yield Done("unchanged", subject)
        return
    body = b"".join(orjson.dumps(one) + b"\n" for one in objects)
    answer = await client.request("POST", IMPORT, body, file_name=f"{part}.ndjson")
    errors = {_name(error): error.get("error") for error in object_in(answer).get("errors") or []}
    for name, subject in subjects.items():
        if answer.status != 200 or name in errors:
            reported = errors.get(name) or object_in(answer).get("message") or answer.failure
            yield Done("refused", subject, f"{answer.status}: {_error_text(reported)}")
        elif name in same:
            yield Done("unchanged", subject)
        else:
            yield Done("updated" if name in old else "created", subject)


Name = tuple[str, str]


def _name(one: dict[str, Any]) -> Name:
    return str(one.get("type")), str(one.get("id"))


def _by_object(objects: Iterable[dict[str, Any]]) -> dict[Name, dict[str, Any]]:
    return {_name(one): one for one in objects}


def _by_name(exported: bytes) -> dict[Name, dict[str, Any]]:
    """Read an export; an error in its place contains no objects."""
    found = []
    for line in exported.splitlines():
        try:
            one = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        if isinstance(one, dict) and "attributes" in one:
            found.append(one)
    return _by_object(found)


def _is_same(wanted: dict[str, Any], found: dict[str, Any]) -> bool:
    """Compare the parts that we wrote; Kibana may have added newer attributes."""
    parts = ("attributes", "references")
    return holds({part: wanted[part] for part in parts}, found)


def _done(mark: str, subject: str, answer: Answer) -> Done:
    if answer.status == 200:
        return Done("created" if mark == "created" else "updated", subject)
    reported = object_in(answer).get("message") or answer.failure or "no reason given"
    return Done("refused", subject, f"{answer.status}: {reported}")


def _error_text(error: object) -> str:
    if isinstance(error, dict):
        return str(error.get("message") or error.get("type") or error)
    return str(error or "no reason given")
