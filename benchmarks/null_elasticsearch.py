"""An Elasticsearch that stores nothing and costs next to nothing.

It answers `_bulk` item by item with 201, as `filter_path` asks, inflates what came
compressed, counts documents, and says what it counted at `GET /_null/counts`. It runs in
its own process, so that its cost stays out of the server's books.

With --remember it keeps every `_id` and answers 409 for one it has seen, which is what a
resend meets in a real write index.

    python -m benchmarks.null_elasticsearch --port 9200

prints one line of JSON with its port and process id when it listens.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import zlib
from typing import cast
from urllib.parse import parse_qs, urlsplit

from isal import isal_zlib

_ROOT = (
    b'{"name":"null","cluster_name":"null","cluster_uuid":"AAAAAAAAAAAAAAAAAAAAAA","version":'
    b'{"number":"8.19.0","build_flavor":"default","lucene_version":"9.12.2",'
    b'"minimum_wire_compatibility_version":"7.17.0",'
    b'"minimum_index_compatibility_version":"7.0.0"},"tagline":"You Know, for Search"}'
)
_REASONS = {200: b"OK", 404: b"Not Found", 501: b"Not Implemented"}


class Counts:
    """What came in, over all connections."""

    def __init__(self, *, remember: bool) -> None:
        self.requests = 0
        self.documents = 0
        self.doubles = 0
        self.body_bytes = 0
        self.wire_bytes = 0
        self.seen: set[bytes] | None = set() if remember else None

    def as_json(self) -> bytes:
        facts = {name: value for name, value in vars(self).items() if name != "seen"}
        return json.dumps(facts).encode()


def _field(line: bytes, name: bytes) -> bytes | None:
    """The string value of a key in an action line; our action lines escape nothing."""
    start = line.find(b'"' + name + b'":')
    if start < 0:
        return None
    start = line.index(b'"', start + len(name) + 3) + 1
    return line[start : line.index(b'"', start)]


def _items(body: bytes, path: str, with_index: bool, counts: Counts) -> tuple[list[bytes], bool]:
    actions = body.split(b"\n")[0:-1:2]
    target = path.split("/")[1].encode() if path.count("/") > 1 else b"logs-null-pt"
    items, any_error = [], False
    for line in actions:
        status = b"201"
        if counts.seen is not None and (key := _field(line, b"_id")) is not None:
            if key in counts.seen:
                status, any_error = b"409", True
                counts.doubles += 1
            counts.seen.add(key)
        item = b'{"create":{'
        if with_index:
            item += b'"_index":".ds-%b-2026.01.01-000001",' % (_field(line, b"_index") or target)
        item += b'"status":' + status
        if status == b"409":
            item += b',"error":{"type":"version_conflict_engine_exception","reason":"seen"}'
        items.append(item + b"}}")
    return items, any_error


def answer_bulk(body: bytes, path: str, filter_path: str, counts: Counts) -> bytes:
    """The answer to one bulk request whose body is plain NDJSON of create actions."""
    with_index = not filter_path or "_index" in filter_path
    if counts.seen is None and not with_index:
        # The common case costs two counts and one multiplication, whatever the size.
        number = body.count(b"\n") // 2
        items, any_error = [b'{"create":{"status":201}}'] * number, False
    else:
        items, any_error = _items(body, path, with_index, counts)
    counts.documents += len(items)
    head = b'{"errors":' + (b"true" if any_error else b"false")
    if not filter_path:
        head += b',"took":1'
    return head + b',"items":[' + b",".join(items) + b"]}"


class Conversation(asyncio.Protocol):
    """One HTTP/1.1 connection with Content-Length bodies."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._received = bytearray()
        self._wanted = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        self._received += data
        while len(self._received) >= self._wanted:
            if not self._take_request():
                return

    def _take_request(self) -> bool:
        """Answer one complete request; False when more bytes are needed."""
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return False
        request, *fields = bytes(self._received[:end]).decode("latin-1").split("\r\n")
        headers = {}
        for line in fields:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        self._wanted = end + 4 + int(headers.get("content-length", "0"))
        if len(self._received) < self._wanted:
            return False
        body = bytes(self._received[end + 4 : self._wanted])
        del self._received[: self._wanted]
        self._wanted = 0
        method, target, _ = request.split(" ", 2)
        self._answer(method, target, headers, body)
        return True

    def _answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> None:
        parts = urlsplit(target)
        status, out = 200, b"{}"
        if parts.path.endswith("/_bulk"):
            self._counts.requests += 1
            self._counts.wire_bytes += len(body)
            if headers.get("content-encoding") == "gzip":
                body = isal_zlib.decompress(body, wbits=zlib.MAX_WBITS | 16)
            self._counts.body_bytes += len(body)
            filter_path = parse_qs(parts.query).get("filter_path", [""])[0]
            out = answer_bulk(body, parts.path, filter_path, self._counts)
        elif parts.path.endswith("/_mget"):
            ids = json.loads(body).get("ids", json.loads(body).get("docs", []))
            out = json.dumps({"docs": [{"found": False} for _ in ids]}).encode()
        elif parts.path == "/_null/counts":
            out = self._counts.as_json()
        elif parts.path == "/":
            out = _ROOT
        else:
            status, out = 404, b'{"error":{"type":"not_here","reason":"null"},"status":404}'
        kind = b"application/vnd.elasticsearch+json;compatible-with=8"
        self._transport.write(
            b"HTTP/1.1 %d %b\r\nX-Elastic-Product: Elasticsearch\r\nContent-Type: %b\r\n"
            b"Content-Length: %d\r\n\r\n"
            % (status, _REASONS[status], kind, len(out))
            + (b"" if method == "HEAD" else out)
        )


async def serve(port: int, *, remember: bool) -> None:
    """Serve on loopback until SIGINT or SIGTERM."""
    counts, loop, stop = Counts(remember=remember), asyncio.get_running_loop(), asyncio.Event()
    server = await loop.create_server(lambda: Conversation(counts), "127.0.0.1", port)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    listening = server.sockets[0].getsockname()[1]
    print(json.dumps({"port": listening, "pid": os.getpid()}), flush=True)
    await stop.wait()
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="An Elasticsearch that stores nothing.")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--remember", action="store_true", help="answer 409 for a known _id")
    arguments = parser.parse_args()
    import uvloop

    uvloop.run(serve(arguments.port, remember=arguments.remember))


if __name__ == "__main__":
    main()
