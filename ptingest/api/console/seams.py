"""What the console shows and cannot know itself; `ptingest.runtime` implements it.

Each page module names the Protocol it needs beside its routes. Where a seam is None its page
is not there, and the navigation does not name it.
"""

from __future__ import annotations

from dataclasses import dataclass

from ptingest.api.console.dead_letters import LettersShelf
from ptingest.api.console.explore import Explorer
from ptingest.api.console.failures import Trial


@dataclass(frozen=True, slots=True)
class Seams:
    """Handed to the API when it starts."""

    trial: Trial | None = None
    shelf: LettersShelf | None = None
    explorer: Explorer | None = None
    """None where no store is kept; the page is there and says so."""
