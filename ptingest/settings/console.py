"""What the console offers beside its pages."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import parse_qsl, urlsplit

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


def _usable_address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("it is no address; write http(s)://host:port, with Kibana's path if any")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("it holds more than an address; leave out login, query and fragment")
    return url.rstrip("/")


class ConsoleSettings(StrictSettings):
    """The console in the browser; who may use it is set under ``api``."""

    kibana_url: Annotated[str, AfterValidator(_usable_address)] | None = None
    """Address at which browsers reach Kibana; Explore then links to the same query and time in
    Kibana's Discover, on the data view that ``ptingest setup --kibana`` makes."""
    searches: tuple[SavedSearch, ...] = ()
    """Saved searches, which Explore offers to everybody. The page shows the lines to add here."""
