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
