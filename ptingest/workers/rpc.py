"""What two of our processes say to each other: questions, news and streams over one socket.

    ask(question, body)  --> answer, or a refusal        either end may do any of these
    tell(news, body)     --> nothing comes back
    stream(feed, body)   --> item, item, ... end         the reader may leave at any time

A frame is four bytes of length and a MessagePack array (`Frame`); bodies are typed by the
`Question`, `News` or `Feed` they belong to, so that what arrives is checked before anybody
sees it. Everything is bounded: a frame, the bytes waiting to be written, the items waiting
to be read. Items of a stream that find no room are left out and counted, and a stream that
nobody reads never holds up the one who makes it.

Only our own processes hold the other end, so a frame that breaks the format is a bug: it is
logged and the channel closes.
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

from ptingest.errors import ChannelClosed, ChannelRefused, PtingestError

log = logging.getLogger(__name__)

FRAME_BYTES = 32 << 20
"""A settings file or a snapshot is some kilobytes; more than this is a bug."""
NEWS_BYTES = 4 << 20
"""With more waiting to be written, news are not sent: the next ones say it anew."""
STREAM_BYTES = 256 << 10
"""With more waiting to be written, items of streams are left out."""
STREAMS = 64
"""Streams made for the other end at one time."""
STREAM_ITEMS = 1024
"""Items that wait for their reader."""

Body = TypeVar("Body")
Answer = TypeVar("Answer")
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Question(Generic[Body, Answer]):
    """Something that is answered once."""

    name: str
    body: type[Body]
    answer: type[Answer]


@dataclass(frozen=True, slots=True)
class News(Generic[Body]):
    """Something that is told, and not answered."""

    name: str
    body: type[Body]


@dataclass(frozen=True, slots=True)
class Feed(Generic[Body, Item]):
    """Something that is answered with items, as long as the reader wants them."""

    name: str
    body: type[Body]
    item: type[Item]


class Nothing(msgspec.Struct, frozen=True):
    """The body of what needs none."""


NOTHING = Nothing()

Kind = Literal["ask", "answer", "refuse", "tell", "open", "item", "end", "leave"]


class Frame(msgspec.Struct, array_like=True):
    """One frame: what it is, which question or stream it belongs to, and its body."""

    kind: Kind
    number: int
    name: str = ""
    body: msgspec.Raw = msgspec.Raw(b"\xc0")
    lost: int = 0
    """Items of this stream that were left out before this one."""


class Refused(msgspec.Struct):
    """Why a question was not answered: the name of the error's class, and its sentence."""

    kind: str
    text: str


_decode_frame = msgspec.msgpack.Decoder(Frame).decode
_decode_refused = msgspec.msgpack.Decoder(Refused).decode
_encode = msgspec.msgpack.Encoder().encode
_Answering = tuple[type[Any], Callable[[Any], Awaitable[object]]]
_Hearing = tuple[type[Any], Callable[[Any], None]]
_Feeding = tuple[type[Any], Callable[[Any], AsyncIterator[object]]]


class Stream(Generic[Item]):
    """Items as they come; leave it with ``close``. Made by `Channel.stream`."""

    def __init__(self, channel: Channel, number: int, item: type[Item], room: int) -> None:
        self._channel, self._number, self._item, self._room = channel, number, item, room
        self._waiting: deque[Item] = deque()
        self._changed = asyncio.Event()
        self._is_over = False
        self._refusal: ChannelRefused | None = None
        self.lost = 0
        """Items left out so far, since there was no room on the way or here."""

    def __aiter__(self) -> Stream[Item]:
        return self

    async def __anext__(self) -> Item:
        """Wait for the next item.

        Raises:
            StopAsyncIteration: the other end has no more, or is gone.
            ChannelRefused: the other end could not go on, and says why.
        """
        while not self._waiting:
            if self._refusal is not None:
                raise self._refusal
            if self._is_over:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        return self._waiting.popleft()

    def close(self) -> None:
        """Want no more; closing again does nothing."""
        if not self._is_over:
            self.end(None)
            self._channel.leave(self._number)

    def put(self, frame: Frame) -> None:
        """Take an item from the wire."""
        self.lost += frame.lost
        if len(self._waiting) >= self._room:
            self.lost += 1
            return
        self._waiting.append(msgspec.msgpack.decode(frame.body, type=self._item))
        self._changed.set()

    def end(self, refusal: ChannelRefused | None) -> None:
        """Nothing more comes."""
        self._is_over, self._refusal = True, refusal
        self._changed.set()


class Channel:
    """One end; `run` reads until the other end is gone, and everything open ends then."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, name: str
    ) -> None:
        self._reader, self._writer, self.name = reader, writer, name
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[msgspec.Raw]] = {}
        self._streams: dict[int, Stream[Any]] = {}
        self._answering: dict[str, _Answering] = {}
        self._hearing: dict[str, _Hearing] = {}
        self._feeding: dict[str, _Feeding] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._made: dict[int, asyncio.Task[None]] = {}
        self.is_closed = False

    # -- what this end answers; say it before `run` -----------------------------------------

    def answers(
        self, question: Question[Body, Answer], how: Callable[[Body], Awaitable[Answer]]
    ) -> None:
        """Answer a question with ``how``; what it raises of ours becomes a refusal."""
        self._answering[question.name] = (question.body, how)

    def hears(self, news: News[Body], how: Callable[[Body], None]) -> None:
        """Call ``how`` whenever these news come."""
        self._hearing[news.name] = (news.body, how)

    def feeds(self, feed: Feed[Body, Item], how: Callable[[Body], AsyncIterator[Item]]) -> None:
        """Make the items of a stream with ``how``, an async generator; it is closed when the
        reader leaves."""
        self._feeding[feed.name] = (feed.body, how)

    # -- what this end wants ----------------------------------------------------------------

    async def ask(self, question: Question[Body, Answer], body: Body, *, seconds: float) -> Answer:
        """Ask, and wait for the answer.

        Raises:
            ChannelClosed: the other end is gone, or goes before it answers.
            ChannelRefused: it could not answer; its own words are in ``text``.
            TimeoutError: no answer for so long.
        """
        if self.is_closed:
            raise ChannelClosed(name=self.name)
        number = next(self._numbers)
        future: asyncio.Future[msgspec.Raw] = asyncio.get_running_loop().create_future()
        self._asked[number] = future
        try:
            self._write(Frame("ask", number, question.name, msgspec.Raw(_encode(body))))
            async with asyncio.timeout(seconds):
                answer = await future
        finally:
            self._asked.pop(number, None)
        return msgspec.msgpack.decode(answer, type=question.answer)

    def tell(self, news: News[Body], body: Body) -> bool:
        """Tell something; False when it was not sent, since the other end does not read."""
        if self.is_closed or self._unwritten() > NEWS_BYTES:
            return False
        self._write(Frame("tell", 0, news.name, msgspec.Raw(_encode(body))))
        return True

    def stream(
        self, feed: Feed[Body, Item], body: Body, *, room: int = STREAM_ITEMS
    ) -> Stream[Item]:
        """Ask for items; at most ``room`` of them wait for their reader.

        Raises:
            ChannelClosed: the other end is gone.
        """
        if self.is_closed:
            raise ChannelClosed(name=self.name)
        number = next(self._numbers)
        stream = Stream(self, number, feed.item, room)
        self._streams[number] = stream
        self._write(Frame("open", number, feed.name, msgspec.Raw(_encode(body))))
        return stream

    def leave(self, number: int) -> None:
        """Want no more of a stream; for `Stream.close`."""
        self._streams.pop(number, None)
        if not self.is_closed:
            self._write(Frame("leave", number))

    # -- the wire ---------------------------------------------------------------------------

    async def run(self) -> None:
        """Read and answer until the other end closes; then everything open ends."""
        try:
            while (frame := await self._next_frame()) is not None:
                self._take(frame)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the other end died; what waits for it is told below
        except Exception:
            # Whoever waits for this task (a supervisor, for all its workers) must not fall.
            log.exception("a bug: %s sent what cannot be read or taken; closing", self.name)
        finally:
            self.close()

    async def finish(self) -> None:
        """Send what is answered already, and let go of the other end."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        self.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    def close(self) -> None:
        """Let go of the other end; every question and stream ends."""
        self.is_closed = True
        self._writer.close()
        for task in (*self._tasks, *self._made.values()):
            if task is not asyncio.current_task():
                task.cancel()
        for future in self._asked.values():
            if not future.done():
                future.set_exception(ChannelClosed(name=self.name))
        for stream in self._streams.values():
            stream.end(None)
        self._streams.clear()

    async def _next_frame(self) -> Frame | None:
        try:
            head = await self._reader.readexactly(4)
        except asyncio.IncompleteReadError:
            return None
        size = int.from_bytes(head, "big")
        if size > FRAME_BYTES:
            raise ValueError(f"a frame of {size} bytes, at most {FRAME_BYTES} are allowed")
        return _decode_frame(await self._reader.readexactly(size))

    def _write(self, frame: Frame) -> None:
        data = _encode(frame)
        if len(data) > FRAME_BYTES:
            raise ValueError(f"a frame of {len(data)} bytes, at most {FRAME_BYTES} are allowed")
        if not self._writer.is_closing():
            self._writer.write(len(data).to_bytes(4, "big") + data)

    def _unwritten(self) -> int:
        return self._writer.transport.get_write_buffer_size()

    def _take(self, frame: Frame) -> None:
        match frame.kind:
            case "ask":
                self._spawn(self._answer(frame))
            case "tell":
                kind, how = self._hearing[frame.name]
                how(msgspec.msgpack.decode(frame.body, type=kind))
            case "open":
                self._made[frame.number] = asyncio.create_task(self._make(frame))
            case "leave":
                self._stop_making(frame.number)
            case _:
                self._take_answer(frame)

    def _take_answer(self, frame: Frame) -> None:
        """Something that this end asked for, or wanted once."""
        if frame.kind == "item":
            if (stream := self._streams.get(frame.number)) is not None:
                stream.put(frame)
            return
        refusal = None
        if frame.kind == "refuse":
            refused = _decode_refused(frame.body)
            refusal = ChannelRefused(kind=refused.kind, text=refused.text)
        if (stream := self._streams.pop(frame.number, None)) is not None:
            stream.end(refusal)
        else:
            self._settle(frame.number, frame.body, refusal)

    def _stop_making(self, number: int) -> None:
        if (task := self._made.get(number)) is not None:
            task.cancel()

    def _settle(self, number: int, body: msgspec.Raw, refusal: ChannelRefused | None) -> None:
        future = self._asked.get(number)
        if future is None or future.done():
            return  # nobody waits for it any more
        if refusal is not None:
            future.set_exception(refusal)
        else:
            future.set_result(body)

    def _spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, frame: Frame) -> None:
        try:
            found = self._answering.get(frame.name)
            if found is None:
                self._refuse(frame, "LookupError", f"nobody here answers {frame.name!r}")
                return
            kind, how = found
            answer = await how(msgspec.msgpack.decode(frame.body, type=kind))
            self._write(Frame("answer", frame.number, "", msgspec.Raw(_encode(answer))))
        except (PtingestError, OSError, BaseExceptionGroup) as error:
            self._refuse(frame, type(error).__name__, str(error))
        except Exception as error:
            log.exception("a bug: %s was asked %r", self.name, frame.name)
            self._refuse(frame, type(error).__name__, f"a bug: {error!r}; the log says where")

    async def _make(self, frame: Frame) -> None:
        """Make the items of one stream until it ends or its reader leaves."""
        try:
            found = self._feeding.get(frame.name)
            if found is None or len(self._made) > STREAMS:
                seen = "too many streams are open" if found else f"no stream {frame.name!r} here"
                self._refuse(frame, "LookupError", seen)
                return
            kind, how = found
            await self._pour(how(msgspec.msgpack.decode(frame.body, type=kind)), frame.number)
            self._write(Frame("end", frame.number))
        except (PtingestError, OSError) as error:
            self._refuse(frame, type(error).__name__, str(error))
        except Exception as error:
            log.exception("a bug: the stream %r of %s died", frame.name, self.name)
            self._refuse(frame, type(error).__name__, f"a bug: {error!r}; the log says where")
        finally:
            self._made.pop(frame.number, None)

    async def _pour(self, items: AsyncIterator[object], number: int) -> None:
        lost = 0
        async with contextlib.aclosing(cast(Any, items)) as source:
            async for item in source:
                if self._unwritten() > STREAM_BYTES:
                    lost += 1
                    continue
                self._write(Frame("item", number, "", msgspec.Raw(_encode(item)), lost))
                lost = 0

    def _refuse(self, frame: Frame, kind: str, text: str) -> None:
        body = msgspec.Raw(_encode(Refused(kind, text)))
        self._write(Frame("refuse", frame.number, "", body))


async def open_channel(socket: Any, *, name: str) -> Channel:
    """Return the channel on a connected socket, which it owns from now on."""
    reader, writer = await asyncio.open_unix_connection(sock=socket)
    return Channel(reader, writer, name=name)
