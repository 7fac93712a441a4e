"""Remote procedure calls between two of our processes, over one socket.

    request(request, body)       --> one response, or an error    either end may do any of these
    notify(notification, body)   --> nothing comes back
    stream(stream, body)         --> item, item, ... end          the reader may cancel it

A frame is four bytes of length and a MessagePack array (`RpcFrame`); bodies are typed by the
`Request`, `Notification` or `Stream` they belong to, so they are validated before any handler
sees them. Everything is bounded: a frame, the bytes waiting to be written, the items waiting
to be read. Items of a stream that find no room are left out and counted, and a stream that
is not read never blocks its producer.

Only our own processes hold the other end, so a frame that breaks the format is a bug: it is
logged and the connection closes.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar, cast

import msgspec

from ptingest.errors import PtingestError, RpcClosed, RpcRefused

log = logging.getLogger(__name__)

FRAME_BYTES = 32 << 20
"""A settings file or a snapshot is some kilobytes; more than this is a bug."""
NOTIFICATION_BYTES = 4 << 20
"""With more bytes waiting to be written, notifications are not sent; the next one replaces them."""
STREAM_BYTES = 256 << 10
"""With more bytes waiting to be written, items of streams are left out."""
STREAMS = 64
"""Streams produced for the other end at one time."""
STREAM_ITEMS = 1024
"""Items that wait for their reader."""

Body = TypeVar("Body")
Response = TypeVar("Response")
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Request(Generic[Body, Response]):
    """A call that has one response."""

    name: str
    body: type[Body]
    response: type[Response]


@dataclass(frozen=True, slots=True)
class Notification(Generic[Body]):
    """A message without a response."""

    name: str
    body: type[Body]


@dataclass(frozen=True, slots=True)
class Stream(Generic[Body, Item]):
    """A call that has many items as its response, until the reader cancels it."""

    name: str
    body: type[Body]
    item: type[Item]


class Nothing(msgspec.Struct, frozen=True):
    """An empty body."""


NOTHING = Nothing()

Kind = Literal["request", "response", "error", "notify", "open", "item", "end", "cancel"]


class RpcFrame(msgspec.Struct, array_like=True):
    """One frame: its kind, the request or stream it belongs to, and its body."""

    kind: Kind
    number: int
    name: str = ""
    body: msgspec.Raw = msgspec.Raw(b"\xc0")
    lost: int = 0
    """Items of this stream that were left out before this one."""


class RpcError(msgspec.Struct):
    """Why a request failed: the name of the error's class, and its message."""

    kind: str
    text: str


_decode_frame = msgspec.msgpack.Decoder(RpcFrame).decode
_decode_error = msgspec.msgpack.Decoder(RpcError).decode
_encode = msgspec.msgpack.Encoder().encode
_RequestHandler = tuple[type[Any], Callable[[Any], Awaitable[object]]]
_NotificationHandler = tuple[type[Any], Callable[[Any], None]]
_StreamHandler = tuple[type[Any], Callable[[Any], AsyncIterator[object]]]


class OpenStream(Generic[Item]):
    """The items of a stream as they arrive; made by `RpcConnection.stream`, ended by ``close``."""

    def __init__(self, rpc: RpcConnection, number: int, item: type[Item], room: int) -> None:
        self._rpc, self._number, self._item, self._room = rpc, number, item, room
        self._waiting: deque[Item] = deque()
        self._changed = asyncio.Event()
        self._is_over = False
        self._error: RpcRefused | None = None
        self.lost = 0
        """Items left out so far, for lack of room at either end."""

    def __aiter__(self) -> OpenStream[Item]:
        return self

    async def __anext__(self) -> Item:
        """Wait for the next item.

        Raises:
            StopAsyncIteration: the other end has no more, or is gone.
            RpcRefused: the other end failed; it says why.
        """
        while not self._waiting:
            if self._error is not None:
                raise self._error
            if self._is_over:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        return self._waiting.popleft()

    def close(self) -> None:
        """Cancel the stream; a second call does nothing."""
        if not self._is_over:
            self.end(None)
            self._rpc.cancel(self._number)

    def put(self, frame: RpcFrame) -> None:
        """Add an item that has arrived."""
        self.lost += frame.lost
        if len(self._waiting) >= self._room:
            self.lost += 1
            return
        self._waiting.append(msgspec.msgpack.decode(frame.body, type=self._item))
        self._changed.set()

    def end(self, error: RpcRefused | None) -> None:
        """No more items arrive."""
        self._is_over, self._error = True, error
        self._changed.set()


class RpcConnection:
    """One end; `run` reads until the other end is gone, then everything open ends."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, name: str
    ) -> None:
        self._reader, self._writer, self.name = reader, writer, name
        self._numbers = itertools.count(1)
        self._calls: dict[int, asyncio.Future[msgspec.Raw]] = {}
        self._streams: dict[int, OpenStream[Any]] = {}
        self._request_handlers: dict[str, _RequestHandler] = {}
        self._notification_handlers: dict[str, _NotificationHandler] = {}
        self._stream_handlers: dict[str, _StreamHandler] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._producers: dict[int, asyncio.Task[None]] = {}
        self.is_closed = False

    # -- handlers of this end; register them before `run` -----------------------------------

    def on_request(
        self, request: Request[Body, Response], handler: Callable[[Body], Awaitable[Response]]
    ) -> None:
        """Answer a request with ``handler``; an exception of ours that it raises is sent back."""
        self._request_handlers[request.name] = (request.body, handler)

    def on_notification(
        self, notification: Notification[Body], handler: Callable[[Body], None]
    ) -> None:
        """Call ``handler`` for each of these notifications."""
        self._notification_handlers[notification.name] = (notification.body, handler)

    def on_stream(
        self, kind: Stream[Body, Item], handler: Callable[[Body], AsyncIterator[Item]]
    ) -> None:
        """Produce the items of a stream with ``handler``, an async generator; it is closed when
        the reader cancels."""
        self._stream_handlers[kind.name] = (kind.body, handler)

    # -- calls of this end ------------------------------------------------------------------

    async def request(
        self, request: Request[Body, Response], body: Body, *, seconds: float
    ) -> Response:
        """Send a request and wait for the response.

        Raises:
            RpcClosed: the other end is gone, or closed before it answered.
            RpcRefused: it could not answer; ``text`` is its own message.
            TimeoutError: no response within ``seconds``.
        """
        if self.is_closed:
            raise RpcClosed(name=self.name)
        number = next(self._numbers)
        future: asyncio.Future[msgspec.Raw] = asyncio.get_running_loop().create_future()
        self._calls[number] = future
        try:
            self._write(RpcFrame("request", number, request.name, msgspec.Raw(_encode(body))))
            async with asyncio.timeout(seconds):
                answer = await future
        finally:
            self._calls.pop(number, None)
        return msgspec.msgpack.decode(answer, type=request.response)

    def notify(self, notification: Notification[Body], body: Body) -> bool:
        """Send a notification; False when it was not sent, since the other end does not read."""
        if self.is_closed or self._unwritten() > NOTIFICATION_BYTES:
            return False
        self._write(RpcFrame("notify", 0, notification.name, msgspec.Raw(_encode(body))))
        return True

    def stream(
        self, kind: Stream[Body, Item], body: Body, *, room: int = STREAM_ITEMS
    ) -> OpenStream[Item]:
        """Ask for items; at most ``room`` of them wait for their reader.

        Raises:
            RpcClosed: the other end is gone.
        """
        if self.is_closed:
            raise RpcClosed(name=self.name)
        number = next(self._numbers)
        stream = OpenStream(self, number, kind.item, room)
        self._streams[number] = stream
        self._write(RpcFrame("open", number, kind.name, msgspec.Raw(_encode(body))))
        return stream

    def cancel(self, number: int) -> None:
        """Cancel a stream; for `OpenStream.close`."""
        self._streams.pop(number, None)
        if not self.is_closed:
            self._write(RpcFrame("cancel", number))

    # -- the wire ---------------------------------------------------------------------------

    async def run(self) -> None:
        """Read and answer until the other end closes; then everything open ends."""
        try:
            while (frame := await self._next_frame()) is not None:
                self._take(frame)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the other end died; `close` ends what waits for it
        except Exception:
            # A caller that waits for this task (a supervisor, for all its workers) must not fail.
            log.exception("a bug: a frame of %s cannot be handled; closing", self.name)
        finally:
            self.close()

    async def finish(self) -> None:
        """Wait for responses under way, then close."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        self.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    def close(self) -> None:
        """Close; every request and stream ends."""
        self.is_closed = True
        self._writer.close()
        for task in (*self._tasks, *self._producers.values()):
            if task is not asyncio.current_task():
                task.cancel()
        for future in self._calls.values():
            if not future.done():
                future.set_exception(RpcClosed(name=self.name))
        for stream in self._streams.values():
            stream.end(None)
        self._streams.clear()

    async def _next_frame(self) -> RpcFrame | None:
        try:
            head = await self._reader.readexactly(4)
        except asyncio.IncompleteReadError:
            return None
        size = int.from_bytes(head, "big")
        if size > FRAME_BYTES:
            raise ValueError(f"a frame of {size} bytes, at most {FRAME_BYTES} are allowed")
        return _decode_frame(await self._reader.readexactly(size))

    def _write(self, frame: RpcFrame) -> None:
        data = _encode(frame)
        if len(data) > FRAME_BYTES:
            raise ValueError(f"a frame of {len(data)} bytes, at most {FRAME_BYTES} are allowed")
        if not self._writer.is_closing():
            self._writer.write(len(data).to_bytes(4, "big") + data)

    def _unwritten(self) -> int:
        return self._writer.transport.get_write_buffer_size()

    def _take(self, frame: RpcFrame) -> None:
        match frame.kind:
            case "request":
                self._spawn(self._answer(frame))
            case "notify":
                kind, handler = self._notification_handlers[frame.name]
                handler(msgspec.msgpack.decode(frame.body, type=kind))
            case "open":
                self._producers[frame.number] = asyncio.create_task(self._produce(frame))
            case "cancel":
                self._cancel_producer(frame.number)
            case _:
                self._take_reply(frame)

    def _take_reply(self, frame: RpcFrame) -> None:
        """Handle a response or an item for a call of this end."""
        if frame.kind == "item":
            if (stream := self._streams.get(frame.number)) is not None:
                stream.put(frame)
            return
        error = None
        if frame.kind == "error":
            failed = _decode_error(frame.body)
            error = RpcRefused(kind=failed.kind, text=failed.text)
        if (stream := self._streams.pop(frame.number, None)) is not None:
            stream.end(error)
        else:
            self._settle(frame.number, frame.body, error)

    def _cancel_producer(self, number: int) -> None:
        if (task := self._producers.get(number)) is not None:
            task.cancel()

    def _settle(self, number: int, body: msgspec.Raw, error: RpcRefused | None) -> None:
        future = self._calls.get(number)
        if future is None or future.done():
            return  # its caller has given up
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(body)

    def _spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, frame: RpcFrame) -> None:
        try:
            found = self._request_handlers.get(frame.name)
            if found is None:
                self._send_error(
                    frame, "LookupError", f"this end has no handler for {frame.name!r}"
                )
                return
            kind, handler = found
            answer = await handler(msgspec.msgpack.decode(frame.body, type=kind))
            self._write(RpcFrame("response", frame.number, "", msgspec.Raw(_encode(answer))))
        except (PtingestError, OSError, BaseExceptionGroup) as error:
            self._send_error(frame, type(error).__name__, str(error))
        except Exception as error:
            log.exception("a bug: %s was asked %r", self.name, frame.name)
            self._send_error(frame, type(error).__name__, f"a bug: {error!r}; the log says where")

    async def _produce(self, frame: RpcFrame) -> None:
        """Produce the items of one stream until it ends or its reader cancels."""
        try:
            found = self._stream_handlers.get(frame.name)
            if found is None or len(self._producers) > STREAMS:
                seen = "too many streams are open" if found else f"no stream {frame.name!r} here"
                self._send_error(frame, "LookupError", seen)
                return
            kind, handler = found
            await self._send_items(
                handler(msgspec.msgpack.decode(frame.body, type=kind)), frame.number
            )
            self._write(RpcFrame("end", frame.number))
        except (PtingestError, OSError) as error:
            self._send_error(frame, type(error).__name__, str(error))
        except Exception as error:
            log.exception("a bug: the stream %r of %s died", frame.name, self.name)
            self._send_error(frame, type(error).__name__, f"a bug: {error!r}; the log says where")
        finally:
            self._producers.pop(frame.number, None)

    async def _send_items(self, items: AsyncIterator[object], number: int) -> None:
        lost = 0
        async with contextlib.aclosing(cast(Any, items)) as source:
            async for item in source:
                if self._unwritten() > STREAM_BYTES:
                    lost += 1
                    continue
                self._write(RpcFrame("item", number, "", msgspec.Raw(_encode(item)), lost))
                lost = 0

    def _send_error(self, frame: RpcFrame, kind: str, text: str) -> None:
        body = msgspec.Raw(_encode(RpcError(kind, text)))
        self._write(RpcFrame("error", frame.number, "", body))


async def open_rpc(socket: Any, *, name: str) -> RpcConnection:
    """Return an rpc connection on a connected socket, which it owns from now on."""
    reader, writer = await asyncio.open_unix_connection(sock=socket)
    return RpcConnection(reader, writer, name=name)
