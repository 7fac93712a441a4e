"""One result of a check: what was found, how severe it is, and what to do about it."""

from __future__ import annotations

from typing import Literal, NamedTuple

Mark = Literal["ok", "note", "warning", "problem"]


class Finding(NamedTuple):
    """What `check`, `doctor`, `top`, the console and the sinks report.

    A problem prevents documents from being written or a config from being used. A warning needs
    attention soon. A note is information; no action is needed.
    """

    mark: Mark
    subject: str
    found: str
    cure: str = ""
    """What to do; several cures stand on a line each."""
    looked_at: str = ""
    """Where it was found: a request, a file, a metric."""
    stops_all: bool = False
    """A problem of a sink that prevents it from writing any document."""

    @property
    def is_ok(self) -> bool:
        """Whether it prevents nothing."""
        return self.mark != "problem"

    @property
    def cures(self) -> list[str]:
        """Each cure, where there are several."""
        return self.cure.split("\n") if self.cure else []

    @property
    def sentence(self) -> str:
        """The subject and what was found, in the form that every report shows."""
        return f"{self.subject}: {self.found}"
