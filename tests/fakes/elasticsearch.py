"""Elasticsearch's bulk side over real HTTP, with scripted misbehaviour.

    async with FakeElasticsearch() as es:
        settings = ElasticsearchSettings(hosts=(es.url,))
        es.script(Reply(status=429, headers={"retry-after": "2"}), Reply(then="drop"))
        ...                                # the third bulk and later ones go well
        es.documents("logs-django-pt")     # what is stored, over all backing indices
        es.requests[-1].actions            # what was asked

Unscripted, it does as a real node does with the pt template: 201 into the write index,
409 for an id the write index has, ``rollover`` begins a new one that has none. It is a
stranger to ptingest's code: it reads the wire and nothing else.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import itertools
import socket
import struct
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any, Literal, Self
from urllib.parse import parse_qs, urlsplit

import orjson

from benchmarks.processes import free_port

Then = Literal["answer", "drop", "reset", "cut", "short"]


@dataclass(frozen=True, slots=True)
class Reply:
    """How one bulk is treated; the default is a node in good health."""

    status: int = 200
    """Anything else is the whole request's status and nothing is stored."""
    items: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    """Position -> outcome instead of storing, e.g. ``{1: {"status": 429}}``."""
    every_item: Mapping[str, Any] | None = None
    """One outcome for all of them."""
    body: bytes | None = None
    """Sent instead of the JSON that belongs to the status."""
    headers: Mapping[str, str] = field(default_factory=dict)
    product: bool = True
    """Whether the answer carries ``X-Elastic-Product``."""
    stores: bool = True
    """Whether documents are kept although the answer says nothing or nonsense."""
    applies: bool = False
    """Stored although the status says otherwise, as behind a gateway that lost its patience."""
    refuses: Callable[[bytes], Mapping[str, Any] | None] | None = None
    """Looks at a source that is not stored yet: the outcome instead, or None to store it."""
    delay_seconds: float = 0.0
    is_late: bool = False
    """The delay comes before storing: what the client gave up is applied all the same."""
    gate: asyncio.Event | None = None
    """Stored, but not answered before this is set."""
    then: Then = "answer"
    """``drop`` closes without an answer, ``reset`` sends half of it and RST, ``cut``
    sends JSON that ends in the middle, ``short`` leaves the last item out."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came, body inflated."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes
    wire_bytes: int

    @property
    def actions(self) -> list[dict[str, Any]]:
        """The action lines of a bulk, decoded."""
        return [orjson.loads(line)["create"] for line in self.body.split(b"\n")[:-1:2]]


GOOD = Reply()


class FakeElasticsearch:
    """One node on 127.0.0.1; as a context manager it listens and lets go."""

    def __init__(
        self,
        *,
        login: tuple[str, str] | None = None,
        may_read: bool = True,
        max_content_length: int = 100 << 20,
        version: str = "8.19.0",
        keep: Callable[[bytes], bytes] | None = None,
        remembers_requests: bool = True,
    ) -> None:
        self.login, self.may_read = login, may_read
        self.max_content_length, self.version = max_content_length, version
        self.always: Reply | Callable[[Request], Reply] = GOOD
        """The treatment of every bulk that no script is left for, or who decides it."""
        self.has_template = True
        self.requests: list[Request] = []
        self.failure_stored: list[bytes] = []
        """Sources that a scripted ``failure_store: used`` redirected."""
        self.may_monitor = True
        self.unsynced = 0
        """How many operations its global checkpoints are behind."""
        self.on_shards: Callable[[], None] = lambda: None
        """Called when it is asked for the state of shards, before it answers."""
        self._keep = keep
        """What is kept of a source; all of it where nobody says."""
        self._remembers_requests = remembers_requests
        self.bulk_started = asyncio.Event()
        """Set whenever a bulk has been read; clear it to wait for the next."""
        self.port = 0
        self._scripts: deque[Reply] = deque()
        self._indices: dict[str, list[tuple[str, dict[str, bytes]]]] = {}
        self._serial = itertools.count(1)
        self._server: asyncio.Server | None = None
        self._conversations: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    # --- what a test says and sees ------------------------------------------------------

    @property
    def url(self) -> str:
        """Where it listens; stays the same over ``stop`` and ``start``."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def bulks(self) -> list[Request]:
        """The bulk requests, in order."""
        return [request for request in self.requests if request.path == "/_bulk"]

    def beside(self) -> FakeElasticsearch:
        """Another node of the same cluster: one sees what the other stores."""
        other = FakeElasticsearch()
        other._indices = self._indices
        return other

    def script(self, *replies: Reply) -> None:
        """Treat the next bulks like this, one reply each; then ``always`` again."""
        self._scripts.extend(replies)

    def documents(self, data_stream: str) -> list[dict[str, Any]]:
        """Return what is stored, oldest backing index first."""
        return [orjson.loads(source) for _, source in self.stored(data_stream)]

    def stored(self, data_stream: str) -> list[tuple[str, bytes]]:
        """Return (id, source) of everything stored; a double shows twice."""
        generations = self._indices.get(data_stream, [])
        return [pair for _, documents in generations for pair in documents.items()]

    @property
    def data_streams(self) -> list[str]:
        """Names of all streams that were written to."""
        return sorted(self._indices)

    @property
    def count(self) -> int:
        """Documents stored in all streams."""
        return sum(len(self.stored(name)) for name in self._indices)

    def forget(self, stream: str, key: str) -> None:
        """Lose a document, as a node that dies loses what was not synced."""
        del self._indices[stream][-1][1][key]

    def rollover(self, data_stream: str) -> str:
        """Begin a new write index, which knows no id, and return its name."""
        generations = self._indices.setdefault(data_stream, [])
        name = f".ds-{data_stream}-2026.11.23-{len(generations) + 1:06}"
        generations.append((name, {}))
        return name

    # --- life ---------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen, on the port of last time if there was one; nobody is given it meanwhile."""
        self.port = self.port or free_port()
        self._server = await asyncio.start_server(
            self._accept, "127.0.0.1", self.port, limit=1 << 20
        )

    async def stop(self) -> None:
        """Refuse connections and cut the open ones; what is stored stays."""
        if self._server is not None:
            self._server.close()
            for writer in list(self._writers):
                _reset(writer)
            await self._server.wait_closed()
            self._server = None
        for task in self._conversations:
            task.cancel()
        await asyncio.gather(*self._conversations, return_exceptions=True)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # --- HTTP ---------------------------------------------------------------------------

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._server is None:  # accepted in the last moment
            _reset(writer)
            return
        self._writers.add(writer)
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._conversations.add(task)
        task.add_done_callback(partial(self._end, writer))

    def _end(self, writer: asyncio.StreamWriter, task: asyncio.Task[None]) -> None:
        """Close in any case: a task that is cancelled at once never begins."""
        self._conversations.discard(task)
        self._writers.discard(writer)
        writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (request := await _read_request(reader)) is not None:
                if self._remembers_requests:
                    self.requests.append(request)
                if not await self._answer(request, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError, gzip.BadGzipFile):
            pass  # a client that leaves, or a body that lies: a node hangs up as well

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        if len(request.body) > self.max_content_length:
            return await _send(writer, 413, b"", {}, product=False)
        if not self._is_logged_in(request):
            return await _send(writer, 401, _error("security_exception", "unable to authenticate"))
        match request.path.split("/")[1:]:
            case ["_bulk"]:
                return await self._bulk(request, writer)
            case ["_mget"]:
                return await _send(writer, *self._mget(request))
            case [names, "_stats", "get"]:
                return await _send(writer, *self._shards(names.split(",")))
            case [""]:
                page: dict[str, Any] = {
                    "version": {"number": self.version},
                    "tagline": "You Know, for Search",
                }
                return await _send(writer, 200, orjson.dumps(page))
            case ["_security", "user", "_has_privileges"]:
                return await _send(writer, 200, self._privileges(request))
            case ["_index_template", "_simulate_index", _]:
                template = {
                    "template": {
                        "mappings": {
                            "_data_stream_timestamp": {"enabled": True},
                            "date_detection": False,
                        }
                    }
                }
                return await _send(writer, 200, orjson.dumps(template if self.has_template else {}))
            case _:
                return await _send(writer, 404, _error("not_found", request.path))

    def _is_logged_in(self, request: Request) -> bool:
        if self.login is None:
            return True
        pair = base64.b64encode(":".join(self.login).encode()).decode()
        return request.headers.get("authorization") == f"Basic {pair}"

    def _privileges(self, request: Request) -> bytes:
        asked = orjson.loads(request.body)["index"][0]
        may = {"read": self.may_read, "monitor": self.may_monitor}
        granted = {name: may.get(name, True) for name in asked["privileges"]}
        return orjson.dumps({"username": "pt", "index": {asked["names"][0]: granted}})

    # --- bulk ---------------------------------------------------------------------------

    async def _bulk(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        always = self.always
        if self._scripts:
            reply = self._scripts.popleft()
        else:
            reply = always if isinstance(always, Reply) else always(request)
        self.bulk_started.set()
        if reply.is_late:
            await asyncio.sleep(reply.delay_seconds)  # no race: as slow as it is told to be
        status, body = reply.status, reply.body
        items = self._store(request, reply) if _is_stored(reply) else []
        if status == 200 and reply.stores:
            body = body if body is not None else _items_body(items, request, reply)
        elif body is None:
            body = _error("scripted_exception", f"scripted {status}") if status != 413 else b""
        if reply.delay_seconds and not reply.is_late:
            await asyncio.sleep(reply.delay_seconds)  # no race: as slow as it is told to be
        if reply.gate is not None:
            await reply.gate.wait()
        if reply.then == "drop":
            return False
        if reply.then == "reset":
            writer.write(_head(200, len(body), {}, product=True) + body[: len(body) // 2])
            await writer.drain()
            _reset(writer)
            return False
        if reply.then == "cut":
            body = body[: len(body) // 2]
        return await _send(writer, status, body, reply.headers, product=reply.product)

    def _store(self, request: Request, reply: Reply) -> list[dict[str, Any]]:
        lines = request.body.split(b"\n")
        items = []
        for position, (action, source) in enumerate(zip(lines[::2], lines[1::2], strict=False)):
            create = orjson.loads(action)["create"]
            scripted = reply.items.get(position, reply.every_item)
            if scripted is None and reply.refuses is not None and not self._has(create):
                scripted = reply.refuses(source)
            if scripted is not None:
                items.append({"_index": create["_index"], **scripted})
                if scripted.get("failure_store") == "used":
                    self.failure_stored.append(self._kept(source))
            else:
                items.append(self._create(create["_index"], create.get("_id"), source))
        return items

    def _has(self, create: Mapping[str, Any]) -> bool:
        """Whether the write index has this id: then 409 comes before any other refusal."""
        generations = self._indices.get(create["_index"])
        return generations is not None and create.get("_id") in generations[-1][1]

    def _kept(self, source: bytes) -> bytes:
        return source if self._keep is None else self._keep(source)

    def _create(self, name: str, key: str | None, source: bytes) -> dict[str, Any]:
        if not self.has_template and name not in self._indices:
            reason = (
                f"no such index [{name}] and the index creation request requires a data stream, "
                "but no matching index template with data stream template was found for it"
            )
            error = {"type": "index_not_found_exception", "reason": reason}
            return {"_index": name, "status": 404, "error": error}
        if name not in self._indices:
            self.rollover(name)
        index, documents = self._indices[name][-1]
        if key is None:
            key = f"auto-{next(self._serial)}"
        if key in documents:
            error = {
                "type": "version_conflict_engine_exception",
                "reason": f"[{key}]: version conflict, document already exists",
                "index": index,
                "shard": "0",
            }
            return {"_index": index, "status": 409, "error": error}
        documents[key] = self._kept(source)
        return {"_index": index, "status": 201}

    def _mget(self, request: Request) -> tuple[int, bytes]:
        if not self.may_read:
            return 403, _error("security_exception", "action [indices:data/read/mget] unauthorized")
        indices = {name: docs for runs in self._indices.values() for name, docs in runs}
        numbers: dict[str, dict[str, int]] = {}
        replies: list[dict[str, Any]] = []
        for asked in orjson.loads(request.body)["docs"]:
            index, key = asked["_index"], asked["_id"]
            if index not in indices:
                replies.append({"error": {"type": "index_not_found_exception"}})
            elif key not in indices[index]:
                replies.append({"found": False})
            else:
                if index not in numbers:
                    numbers[index] = {key: number for number, key in enumerate(indices[index])}
                replies.append({"found": True, "_seq_no": numbers[index][key]})
        return 200, orjson.dumps({"docs": replies})

    def _shards(self, names: list[str]) -> tuple[int, bytes]:
        self.on_shards()
        if not self.may_monitor:
            return 403, _error("security_exception", "action [indices:monitor/stats] unauthorized")
        indices = {name: docs for runs in self._indices.values() for name, docs in runs}
        found: dict[str, Any] = {}
        for name in names:
            last = len(indices[name]) - 1
            state = {"max_seq_no": last, "global_checkpoint": last - self.unsynced}
            found[name] = {"shards": {"0": [{"routing": {"primary": True}, "seq_no": state}]}}
        return 200, orjson.dumps({"indices": found})


def _is_stored(reply: Reply) -> bool:
    return reply.applies or (reply.status == 200 and reply.stores)


def _items_body(items: list[dict[str, Any]], request: Request, reply: Reply) -> bytes:
    """Return the answer as ``filter_path`` wants it; without one, whole."""
    wanted = {
        path.rpartition(".")[2]
        for path in ",".join(request.query.get("filter_path", [])).split(",")
        if path
    }
    if reply.then == "short":
        items = items[:-1]
    shown = [{k: v for k, v in item.items() if not wanted or k in wanted} for item in items]
    has_errors = any("error" in item for item in items)
    return orjson.dumps({"errors": has_errors, "items": [{"create": item} for item in shown]})


def _error(kind: str, reason: str) -> bytes:
    return orjson.dumps({"error": {"type": kind, "reason": reason}})


async def _read_request(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    method, target, _ = first.split(" ", 2)
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    wire = await reader.readexactly(int(headers.get("content-length", "0")))
    body = gzip.decompress(wire) if headers.get("content-encoding") == "gzip" else wire
    url = urlsplit(target)
    return Request(method, url.path, parse_qs(url.query), headers, body, len(wire))


def _head(status: int, length: int, headers: Mapping[str, str], *, product: bool) -> bytes:
    lines = {"content-type": "application/json", "content-length": str(length), **headers}
    if product:
        lines["X-elastic-product"] = "Elasticsearch"
    text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{text}\r\n".encode()


async def _send(
    writer: asyncio.StreamWriter,
    status: int,
    body: bytes,
    headers: Mapping[str, str] | None = None,
    *,
    product: bool = True,
) -> bool:
    writer.write(_head(status, len(body), headers or {}, product=product) + body)
    await writer.drain()
    return True


def _reset(writer: asyncio.StreamWriter) -> None:
    """Leave with RST, as a process that dies with unread input does."""
    connection = writer.get_extra_info("socket")
    if connection is not None and connection.fileno() >= 0:
        linger = struct.pack("ii", 1, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()
