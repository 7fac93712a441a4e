"""What the HTTP port shows in tests: a status as a test wants it, and facts of no real server."""

from __future__ import annotations

from dataclasses import dataclass, field

from ptingest.api.logstash import NodeFacts
from ptingest.errors import JobRefused
from ptingest.model.letters import Order

NODE = NodeFacts(
    name="host-1",
    id="7e40c8b9-e586-4c2c-909f-4036b23134f5",
    ephemeral_id="43fe1e91-e998-42d8-8e7b-4b342ec44304",
    version="0.1.0",
    workers=1,
    batch_size=4096,
    batch_delay_ms=100,
    hash="18318658a1566ee1",
    sinks=("elasticsearch",),
    dead_letters_max_bytes=1 << 30,
    dead_letters_when_full="refuse",
)


@dataclass
class View:
    """A status as a test wants it."""

    reasons: list[str] = field(default_factory=list)
    shown: dict[str, object] = field(default_factory=dict)

    async def refresh(self) -> None: ...

    def readiness(self) -> list[str]:
        return self.reasons

    def status(self) -> dict[str, object]:
        return self.shown


@dataclass
class DeadLetterJobs:
    """Takes orders down and carries nothing out."""

    orders: list[Order] = field(default_factory=list)
    refuses: str = ""

    def begin(self, order: Order) -> dict[str, object]:
        if self.refuses:
            raise JobRefused(why=self.refuses)
        self.orders.append(order)
        return self.progress()

    def progress(self) -> dict[str, object]:
        return {"number": len(self.orders), "finished": True}
