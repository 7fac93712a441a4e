"""One result of looking at something: how it is, and what to do about it."""

from __future__ import annotations

from typing import Literal, NamedTuple

Mark = Literal["ok", "note", "warning", "problem"]


class Finding(NamedTuple):
    """What `check`, `doctor`, `top`, the console and the sinks report.

    A problem keeps documents from where they belong, or keeps a config from being used. A
    warning needs a look soon. A note is worth knowing; nothing has to be done.
    """

    mark: Mark
    subject: str
    found: str
    cure: str = ""
    looked_at: str = ""
    """Where it was seen: a request, a file, a metric."""
    stops_all: bool = False
    """A sink's problem that lets no document at all be written."""

    @property
    def is_ok(self) -> bool:
        """Whether nothing is kept from being used or written."""
        return self.mark != "problem"

    @property
    def sentence(self) -> str:
        """The subject and what was found, as every report shows them."""
        return f"{self.subject}: {self.found}"
