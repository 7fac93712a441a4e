"""The interfaces between rooms: what a source, a sink and a clock must be able to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ptingest.model.document import Document
from ptingest.model.finding import Finding
from ptingest.model.origin import Origin
from ptingest.model.outcome import Processed, WriteResult
from ptingest.model.receipt import Receipt


class Clock(Protocol):
    """Time as an argument, so that no room reads the machine's clock itself."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never decreases."""
        ...

    def time_ns(self) -> int:
        """Nanoseconds since the epoch, as the machine's clock has them."""
        ...


class Checkpoint(Protocol):
    """Shares the event loop between tasks that compute for milliseconds."""

    async def __call__(self, size: int) -> None:
        """Return once the current turn of the loop has room for work as large as putting
        ``size`` bytes of payloads through the pipeline; it waits for turns of the loop and for
        nothing else."""
        ...


class Admit(Protocol):
    """How a source hands payloads to the flow.

    Returns when every payload is in a lane, dead-lettered or dropped; waits while the
    budget or a lane is full. It calls ``receipt.expect`` for what it takes and never
    ``seal``: a window may come in several parts.
    """

    async def __call__(
        self, payloads: Sequence[bytes], receipt: Receipt, origin: Origin
    ) -> None: ...


class Source(Protocol):
    """Where events come from: it admits them, and answers for them when they are safe.

    It is stopped in steps, in the order of travel, with the sinks still at work.
    """

    name: str
    """As /status names it."""

    async def run(self) -> None:
        """Read and admit until cancelled; errors propagate."""
        ...

    def stop_reading(self) -> None:
        """First step of a stop: nothing more is taken; what came in so far is finished."""
        ...

    async def finish_admitting(self, deadline: float) -> None:
        """Second step: return when all that was taken is admitted, or at ``deadline``,
        monotonic."""
        ...

    async def close(self, deadline: float) -> None:
        """Last step: answer for what is safe, and close, until ``deadline``."""
        ...

    def troubles(self) -> list[str]:
        """Why nothing is read, a sentence each; empty where all is well."""
        ...

    def status(self) -> dict[str, object]:
        """The part of /status about it."""
        ...


class Buffer(Protocol):
    """Where events wait between their ack and the sinks; a window is safe when it has it."""

    async def admit(self, payloads: Sequence[bytes], receipt: Receipt, origin: Origin) -> None:
        """Take payloads of one window; see ``Admit``."""
        ...

    async def look_again(self) -> None:
        """Ask what may be appended: an operator says that a cause was fixed."""
        ...

    async def run(self) -> None:
        """Append until cancelled; errors propagate."""
        ...

    async def drain(self, deadline: float) -> int:
        """Return when everything admitted is safe, or at ``deadline``, monotonic; how many
        events were not."""
        ...

    async def close(self) -> None:
        """Close connections; nothing is admitted any more."""
        ...

    def troubles(self) -> list[str]:
        """Why windows wait, a sentence each; empty where all is well."""
        ...

    def status(self) -> dict[str, object]:
        """The part of /status about it."""
        ...


class ChunkObserver(Protocol):
    """Observes events after the pipeline; it changes nothing."""

    def saw(
        self,
        payloads: Sequence[bytes],
        processed: Processed,
        cost: int,
        receipt: Receipt,
        origin: Origin,
        now_ns: int,
    ) -> None:
        """One chunk was processed at ``now_ns``; its documents cost the budget ``cost`` bytes
        for each sink."""
        ...


class Sink(Protocol):
    """Where documents end. ``write`` returns outcomes and raises only when there is a bug."""

    name: str
    """The key under ``sinks:``, also the metric label."""

    async def write(
        self, documents: Sequence[Document], doubtful: frozenset[Document]
    ) -> WriteResult:
        """Write one batch, in order.

        ``doubtful`` are those of ``documents`` whose earlier attempt may have stored
        them. Unreachable is a WriteResult with everything busy or doubtful and a
        ``trouble``, never an exception.
        """
        ...

    async def check(self) -> Sequence[Finding]:
        """Ask the sink whether it would accept documents (login, rights, template)."""
        ...

    async def close(self) -> None:
        """Close connections and files; no write follows."""
        ...
