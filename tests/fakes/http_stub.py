"""An HTTP server that gives every request the same answer, whatever it asks.

    with HttpStub(301, {"Location": "https://elsewhere/"}) as stub:
        ...                       # stub.url, stub.requests

In a thread of its own, so that a test may ask it from blocking code as well.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self


class Got(NamedTuple):
    """One request as it came."""

    line: str
    headers: Mapping[str, str]
    body: bytes


class HttpStub:
    """As a context manager it listens on 127.0.0.1 and lets go."""

    def __init__(
        self,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        keeps_path: bool = False,
    ) -> None:
        """With ``keeps_path`` the path that was asked for is put behind ``Location``."""
        self.status, self.headers, self.body = status, dict(headers or {}), body
        self.keeps_path = keeps_path
        self.by_path: dict[str, tuple[int, bytes]] = {}
        """Status and body for a path without its query, where they differ from the usual."""
        self.requests: list[Got] = []
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                return None

            def answer(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                read = self.rfile.read(length)
                stub.requests.append(Got(self.requestline, dict(self.headers), read))
                path = self.path.partition("?")[0]
                status, body = stub.by_path.get(path, (stub.status, stub.body))
                self.send_response(status)
                for name, value in stub.headers.items():
                    is_location = name.lower() == "location" and stub.keeps_path
                    self.send_header(name, value + self.path if is_location else value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                # Whoever has read enough hangs up.
                try:
                    self.wfile.write(body)
                except OSError:
                    self.close_connection = True

        for method in ("GET", "POST", "PUT", "DELETE", "HEAD"):
            setattr(Handler, f"do_{method}", Handler.answer)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
