"""Logs on standard error: one line a record; repeats are counted and not shown.

`setup_logs` installs one handler on the root logger; this module has no other global state.
Records are repeats of each other when logger and template are the same, whatever their
arguments are: a thousand Beats that break the same rule cause a few lines and a count. Text
from peers cannot forge a line: line breaks are indented, control characters are escaped.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple, Protocol, TextIO

REPEATS = 5
"""Records of one kind shown in a window; the rest are counted."""
WINDOW_SECONDS = 60.0
KINDS = 1000
"""Kinds of records that are tracked at the same time; the oldest is forgotten first."""

PACKAGE = "ptingest"

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_Kind = tuple[str, int, str]
Reword = Callable[[str], str]
"""Changes a message before it is written, such as the commands in its advice."""


class Repeated(NamedTuple):
    """A window that ended with suppressed records."""

    logger: str
    level: int
    template: str
    held_back: int


class Repeats:
    """Decides which records are shown; time is an argument."""

    def __init__(
        self, *, allowed: int = REPEATS, window_seconds: float = WINDOW_SECONDS, kinds: int = KINDS
    ) -> None:
        self._allowed, self._window, self._limit = allowed, window_seconds, kinds
        # Ordered by the beginning of the window, so that the first entry ends first.
        self._seen: dict[_Kind, tuple[float, int]] = {}

    def shows(self, logger: str, level: int, template: str, now: float) -> bool:
        """Count one record and return whether it is shown; call `ended` first."""
        kind = (logger, level, template)
        began, count = self._seen.get(kind, (now, 0))
        self._seen[kind] = (began, count + 1)
        return count < self._allowed

    def ended(self, now: float) -> list[Repeated]:
        """Forget every window that has ended; return those that suppressed records."""
        ended = []
        while self._seen:
            kind, (began, count) = next(iter(self._seen.items()))
            if now - began < self._window and len(self._seen) < self._limit:
                break
            del self._seen[kind]
            if count > self._allowed:
                ended.append(Repeated(*kind, count - self._allowed))
        return ended

    @property
    def next_end(self) -> float | None:
        """When the first window with suppressed records ends, None when there is none."""
        held = (began for began, count in self._seen.values() if count > self._allowed)
        began = next(held, None)
        return None if began is None else began + self._window


class RepeatHandler(logging.StreamHandler[TextIO]):
    """Writes records to a stream, and one line for the records that `Repeats` suppressed."""

    def __init__(
        self,
        stream: TextIO,
        repeats: Repeats,
        *,
        window_seconds: float = WINDOW_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(stream)
        self._repeats, self._window, self._monotonic = repeats, window_seconds, monotonic
        self._timer: threading.Timer | None = None
        # A template alone may be as short as "%s: %s".
        self._last: dict[_Kind, str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        now = self._monotonic()
        self._tell(now)
        if self._repeats.shows(record.name, record.levelno, str(record.msg), now):
            super().emit(record)
            return
        self._last[record.name, record.levelno, str(record.msg)] = record.getMessage()
        if self._timer is None:
            self._wait(now)

    def close(self) -> None:
        """Write the counts of suppressed records, then release the stream (which stays open)."""
        self.acquire()
        try:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._tell(float("inf"))
        finally:
            self.release()
        super().close()

    def _wait(self, now: float) -> None:
        """Schedule the count for the end of the window, so that it is written without a further
        record."""
        end = self._repeats.next_end
        if end is not None:
            self._timer = threading.Timer(max(0.0, end - now), self._on_time)
            self._timer.daemon = True
            self._timer.start()

    def _on_time(self) -> None:
        self.acquire()
        try:
            if self._timer is not threading.current_thread():
                return  # closed, or replaced by another handler with its own timer
            self._timer = None
            now = self._monotonic()
            self._tell(now)
            self._wait(now)
        finally:
            self.release()

    def _tell(self, now: float) -> None:
        for repeated in self._repeats.ended(now):
            kind = (repeated.logger, repeated.level, repeated.template)
            last = self._last.pop(kind, repeated.template)
            count = f"… and {repeated.held_back} more like it in {self._window:g} s"
            text = f"{count}, the last: {last}"
            record = logging.LogRecord(
                repeated.logger, repeated.level, __file__, 0, text, None, None
            )
            super().emit(record)


class ConsoleFormatter(logging.Formatter):
    """``time level name message``, for people; with several processes each line names its
    process."""

    def __init__(self, process: str | None = None, reword: Reword = str) -> None:
        super().__init__()
        self._process = f"[{process}] " if process else ""
        self._reword = reword

    def format(self, record: logging.LogRecord) -> str:
        name = record.name.removeprefix(f"{PACKAGE}.")
        message = self._reword(record.getMessage())
        if record.exc_info:
            message += f"\n{self.formatException(record.exc_info)}"
        opening = f"{_timestamp(record)} {record.levelname.lower():7} {self._process}"
        return f"{opening}{name}: {_one_record(message)}"


class JsonFormatter(logging.Formatter):
    """One JSON object a line, with the field names of the Elastic Common Schema."""

    def __init__(self, process: str | None = None, reword: Reword = str) -> None:
        super().__init__()
        self._process = process
        self._reword = reword

    def format(self, record: logging.LogRecord) -> str:
        import orjson

        fields: dict[str, object] = {
            "@timestamp": _timestamp(record),
            "log.level": record.levelname.lower(),
            "log.logger": record.name,
            "message": self._reword(record.getMessage()),
            "process.pid": record.process,
            "service.name": PACKAGE,
        }
        if self._process:
            fields["process.title"] = f"{PACKAGE} {self._process}"
        if record.exc_info and record.exc_info[0] is not None:
            fields["error.type"] = record.exc_info[0].__qualname__
            fields["error.message"] = str(record.exc_info[1])
            fields["error.stack_trace"] = self.formatException(record.exc_info)
        # Lone surrogates (bytes of a file name) are not valid UTF-8; a log line must not fail
        # on them.
        known = {
            key: value.encode("utf-8", "backslashreplace").decode()
            if isinstance(value, str)
            else value
            for key, value in fields.items()
        }
        return orjson.dumps(known).decode()


def _timestamp(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{int(record.msecs):03d}Z"


def _one_record(message: str) -> str:
    """Keep a message recognisable as one record on a terminal."""
    shown = _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", message)
    return shown.replace("\n", "\n    ")


class LogChoices(Protocol):
    """The part of the settings that this module needs; `LogSettings` implements it."""

    @property
    def level(self) -> str:
        """debug, info, warning or error."""
        ...

    @property
    def format(self) -> str:
        """console or json."""
        ...


def setup_logs(
    settings: LogChoices,
    stream: TextIO | None = None,
    *,
    process: str | None = None,
    reword: Reword = str,
) -> RepeatHandler:
    """Send all logs to ``stream`` (standard error) as the settings say.

    ``process`` names one of several processes that write there, ``worker 2``.

    It may be called again, as after a reload: the new settings replace the old ones. Other
    libraries log warnings and errors only, whatever our own level is.
    """
    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler, RepeatHandler):
            root.removeHandler(handler)
            handler.close()
    handler = RepeatHandler(stream or sys.stderr, Repeats())
    formatter = JsonFormatter if settings.format == "json" else ConsoleFormatter
    handler.setFormatter(formatter(process, reword))
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger(PACKAGE).setLevel(settings.level.upper())
    return handler
