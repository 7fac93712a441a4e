"""What the console offers beside its pages."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import parse_qsl

from pydantic import AfterValidator, Field

from ptingest.settings.strict import StrictSettings


def _part_of_an_address(text: str) -> str:
    try:
        parse_qsl(text, strict_parsing=True, keep_blank_values=True)
    except ValueError:
        raise ValueError(
            f"{text!r} is no view; copy what stands behind the ? in the address of Explore, such "
            "as q=log_level%3AERROR&since=24h"
        ) from None
    return text


class SavedSearch(StrictSettings):
    """One view of Explore under a name."""

    name: Annotated[str, Field(min_length=1, max_length=80)]
    """What the page Explore shows."""
    view: Annotated[str, Field(min_length=1), AfterValidator(_part_of_an_address)]
    """What stands behind the ``?`` in the address of the view: query, times, columns, sort."""


class ConsoleSettings(StrictSettings):
    """The console in the browser; who may use it is set under ``api``."""

    searches: tuple[SavedSearch, ...] = ()
    """Saved searches, which Explore offers to everybody. The page shows the lines to add here."""
