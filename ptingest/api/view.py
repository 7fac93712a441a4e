"""What a server shows of itself over HTTP."""

from __future__ import annotations

from typing import Any, Protocol


class StatusView(Protocol):
    """One process, or a supervisor for all of them."""

    async def refresh(self) -> None:
        """Bring the other methods up to date; called once before each answer.

        With several processes it asks them all, within a bounded time.
        """
        ...

    def readiness(self) -> list[str]:
        """Reasons why no new Beat should be sent here; empty when ready."""
        ...

    def status(self) -> dict[str, Any]:
        """Everything worth seeing, as JSON-ready values, without secrets."""
        ...
