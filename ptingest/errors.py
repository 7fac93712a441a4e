"""Every exception that ptingest raises on purpose, on one page.

Errors carry facts as attributes; the sentence is made late, in ``__str__``, and says
what was seen, what was allowed, which setting, and what happens now. ``retryable`` is
on the class, so that callers ask the error and need no lists.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar


class PtingestError(Exception):
    """Root of all errors raised on purpose; everything else is a bug."""

    retryable: ClassVar[bool] = False


# --- lumberjack -------------------------------------------------------------------------


class ProtocolError(PtingestError):
    """The peer broke the wire format; close the connection and ack nothing more.

    ``reason`` is a short fixed label for metrics; ``detail`` says what was seen.
    """

    def __init__(self, *, reason: str, detail: str) -> None:
        self.reason, self.detail = reason, detail
        super().__init__(reason, detail)

    def __str__(self) -> str:
        return f"{self.detail}; closing without ack, the Beat will resend"


class FrameTooLarge(ProtocolError):
    """A frame, window or count announces or inflates to more than the limit."""

    def __init__(
        self, *, reason: str, what: str, declared: int, limit: int, setting: str, cure: str = ""
    ) -> None:
        self.what, self.declared, self.limit, self.setting = what, declared, limit, setting
        super().__init__(
            reason=reason,
            detail=f"{what} is {declared}, limit is {limit} ({setting}{cure and '; '}{cure})",
        )


class PeerClosed(PtingestError):
    """The other end closed the connection before all was acked."""

    retryable = True


# --- settings ---------------------------------------------------------------------------


class ConfigProblem(PtingestError):
    """One thing wrong in a config file.

    ``path`` is the dotted place of the value, ``cure`` what to write instead.
    """

    def __init__(
        self, *, file: str, path: str, seen: str, cure: str, line: int | None = None
    ) -> None:
        self.file, self.line, self.path, self.seen, self.cure = file, line, path, seen, cure
        super().__init__(file, path, seen, cure, line)

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        what = f"{self.path} {self.seen}" if self.path else self.seen
        return f"{place}: {what}; {self.cure}"


class ConfigInvalid(PtingestError):
    """A config cannot be used; ``problems`` lists everything found, in file order."""

    def __init__(self, problems: tuple[ConfigProblem, ...]) -> None:
        self.problems = problems
        super().__init__(problems)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


# --- ports ------------------------------------------------------------------------------


class TlsUnusable(PtingestError):
    """A certificate, key or authority file cannot be used; ``setting`` names it."""

    def __init__(self, *, setting: str, file: str, seen: str, cure: str) -> None:
        self.setting, self.file, self.seen, self.cure = setting, file, seen, cure
        super().__init__(setting, file, seen, cure)

    def __str__(self) -> str:
        return f"{self.setting}: {self.file} {self.seen}; {self.cure}"


class ConnectionRejected(PtingestError):
    """A connection ended before its first frame; ``reason`` is a fixed label for metrics."""

    is_silent: bool
    """Not a byte came: a port probe, not logged as a warning."""

    def __init__(self, *, reason: str, detail: str, is_silent: bool = False) -> None:
        self.reason, self.detail, self.is_silent = reason, detail, is_silent
        super().__init__(reason, detail)

    def __str__(self) -> str:
        return self.detail


# --- delivery ---------------------------------------------------------------------------


class DeadLettersFull(PtingestError):
    """The dead letters may not take more; the receipt must fail, nothing is acked."""

    def __init__(self, *, wanted: int, limit: int, setting: str) -> None:
        self.wanted, self.limit, self.setting = wanted, limit, setting
        super().__init__(wanted, limit, setting)

    def __str__(self) -> str:
        return (
            f"dead letters would hold {self.wanted} bytes, limit is {self.limit} bytes "
            f"({self.setting}); not acked, the Beat will resend: requeue or purge some, raise the "
            "limit, or set dead_letters.when_full to drop_oldest"
        )


class DeadLettersShareFull(DeadLettersFull):
    """One peer's letters may not take more; its receipts fail, those of others do not."""

    def __init__(self, *, peer: str, wanted: int, limit: int) -> None:
        self.peer = peer
        super().__init__(wanted=wanted, limit=limit, setting="dead_letters.max_bytes")

    def __str__(self) -> str:
        return (
            f"dead letters of {self.peer or 'no peer'} would hold {self.wanted} bytes, more than "
            f"the {self.limit} bytes left for all others (of {self.setting}); not acked, this "
            "Beat alone will resend: see what it sends, requeue or purge some, or raise the limit"
        )


class DeadLettersUnwritable(PtingestError):
    """The dead letters cannot be written (disk full, no permission); nothing is acked."""

    retryable = True

    def __init__(self, *, path: str, cause: str) -> None:
        self.path, self.cause = path, cause
        super().__init__(path, cause)

    def __str__(self) -> str:
        return f"cannot write dead letters to {self.path}: {self.cause}; not acked, will be resent"


class DataDirLocked(PtingestError):
    """Another ptingest serves from this data directory."""

    def __init__(self, *, path: str) -> None:
        self.path = path
        super().__init__(path)

    def __str__(self) -> str:
        return (
            f"{self.path} is in use by another ptingest; stop it, or give this one its own data_dir"
        )


class DataDirUnusable(PtingestError):
    """The data directory cannot be made, or its lock cannot be written."""

    def __init__(self, *, path: str, cause: str) -> None:
        self.path, self.cause = path, cause
        super().__init__(path, cause)

    def __str__(self) -> str:
        return (
            f"data_dir {self.path} cannot be used: {self.cause}; nothing was started: name "
            "another folder, or make this one writable"
        )


# --- kafka ------------------------------------------------------------------------------


class KafkaUnusable(PtingestError):
    """The Kafka client is not installed, or takes no such properties."""

    def __init__(self, detail: str) -> None:
        self.detail = detail
        super().__init__(detail)

    def __str__(self) -> str:
        return self.detail

    def in_config(self, path: str) -> ConfigInvalid:
        """Return it as what is wrong with the section ``path`` of the config."""
        cure = "correct it, or remove the section"
        return ConfigInvalid((ConfigProblem(file="", path=path, seen=self.detail, cure=cure),))


class KafkaFailed(PtingestError):
    """Kafka did not do what was asked.

    ``name`` is the error's name in the Kafka protocol, with an underscore before it where the
    client library gives it by itself (``_PURGE_QUEUE``).
    """

    retryable = True

    def __init__(self, name: str, detail: str) -> None:
        self.name, self.detail = name, detail
        super().__init__(name, detail)

    def __str__(self) -> str:
        return f"{self.name}: {self.detail}"


class NotAppended(KafkaFailed):
    """No broker confirmed a record; it may have been written."""


class KafkaReadFailed(KafkaFailed):
    """A Kafka consumer can read nothing any more; another one must take its place."""


class KafkaLeaderless(KafkaReadFailed):
    """No broker can answer for a partition now; ask again."""

    retryable = True


# --- several processes ------------------------------------------------------------------


class RpcClosed(PtingestError):
    """The process at the other end is gone."""

    retryable = True

    def __init__(self, *, name: str) -> None:
        self.name = name
        super().__init__(name)

    def __str__(self) -> str:
        return f"{self.name} is gone"


class RpcRefused(PtingestError):
    """The process at the other end could not do what was requested.

    ``text`` is its own message, ``kind`` the name of the error's class there.
    """

    def __init__(self, *, kind: str, text: str) -> None:
        self.kind, self.text = kind, text
        super().__init__(kind, text)

    def __str__(self) -> str:
        return self.text


class WorkersDidNotStart(PtingestError):
    """No worker came up when the server started; ``cause`` is the error of the first one."""

    def __init__(self, *, cause: str) -> None:
        self.cause = cause
        super().__init__(cause)

    def __str__(self) -> str:
        return f"no worker started: {self.cause}"


class WorkersRefusedConfig(WorkersDidNotStart):
    """As above, since the worker cannot use config, profile or certificates."""


class ReloadRefused(PtingestError):
    """A worker cannot use a new config; ``worker`` says which, ``cause`` why."""

    def __init__(self, *, worker: str, cause: str) -> None:
        self.worker, self.cause = worker, cause
        super().__init__(worker, cause)

    def __str__(self) -> str:
        return f"{self.worker} does not take it: {self.cause}"


# --- orders -----------------------------------------------------------------------------


class JobRefused(PtingestError):
    """A requeue or purge cannot begin now; ``why`` is a sentence without its full stop."""

    retryable = True
    ADVICE: ClassVar[str] = "nothing was begun, try again later"

    def __init__(self, *, why: str) -> None:
        self.why = why
        super().__init__(why)

    def __str__(self) -> str:
        return f"{self.why}; {self.ADVICE}"


class TapsBusy(PtingestError):
    """As many taps are open as may be."""

    retryable = True

    def __init__(self, *, limit: int) -> None:
        self.limit = limit
        super().__init__(limit)

    def __str__(self) -> str:
        return f"{self.limit} taps are open, which is the limit; end one, then try again"


class BenchFailed(PtingestError):
    """A measurement of a user's own events makes no sense; ``why`` is a whole sentence."""

    def __init__(self, *, why: str) -> None:
        self.why = why
        super().__init__(why)

    def __str__(self) -> str:
        return self.why


# --- sinks ------------------------------------------------------------------------------


class QueryInvalid(PtingestError):
    """A search query cannot be read; ``column`` counts from 1."""

    def __init__(self, *, query: str, column: int, seen: str, expected: str) -> None:
        self.query, self.column, self.seen, self.expected = query, column, seen, expected
        super().__init__(query, column, seen, expected)

    def __str__(self) -> str:
        return (
            f"query column {self.column}: {self.seen}, expected {self.expected}\n"
            f"  {self.query}\n  {' ' * (self.column - 1)}^"
        )


class RequestInvalid(PtingestError):
    """What was asked of a running server makes no sense; ``why`` says what."""

    def __init__(self, *, why: str) -> None:
        self.why = why
        super().__init__(why)

    def __str__(self) -> str:
        return self.why


class SinkUnavailable(PtingestError):
    """A sink cannot be reached or opened at all."""

    retryable = True

    def __init__(self, *, sink: str, cause: str) -> None:
        self.sink, self.cause = sink, cause
        super().__init__(sink, cause)

    def __str__(self) -> str:
        return f"{self.sink}: {self.cause}"


class NoFailureStores(SinkUnavailable):
    """This version of the server has no failure stores."""

    retryable = False


class StoreMissing(SinkUnavailable):
    """There is no embedded store yet: the first document makes it."""

    def __init__(self, *, path: Path) -> None:
        super().__init__(
            sink="store", cause=f"{path} does not exist; nothing has been stored there yet"
        )


class DocumentMissing(SinkUnavailable):
    """The sink answers, and has no such document any more."""


class ReplayRefused(PtingestError):
    """A replay cannot begin, or cannot go on where one stopped; nothing was read."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)

    def __str__(self) -> str:
        return self.why


class ReplayFailed(ReplayRefused):
    """A replay ended early; the position of what is safe is saved."""


class ServerUnreachable(PtingestError):
    """No ptingest server answers at an address; ``cause`` says where and what was seen.

    ``cure`` is what to do about it, empty where the cause says all.
    """

    retryable = True

    def __init__(self, *, cause: str, cure: str = "") -> None:
        self.cause, self.cure = cause, cure
        super().__init__(cause, cure)

    def __str__(self) -> str:
        return f"{self.cause}; {self.cure}" if self.cure else self.cause


class TokenRefused(ServerUnreachable):
    """A server answers, but not without its ``api.token``: none was given, or another."""
