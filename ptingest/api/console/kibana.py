"""The address of a view in Kibana's Discover: the same query, time, order and columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import quote

from ptingest.kql import times
from ptingest.model.explore import View
from ptingest.sinks.elasticsearch.names import VIEW

_RELATIVE = re.compile(r"now(?:[+-]\d{1,9}[smhdw])?")
_AGE = re.compile(r"\d{1,9}[smhdw]")
BEGINNING = "1970-01-01T00:00:00.000Z"
"""Where Kibana looks from for all times: it has no word for them."""
KEPT = "!'(),:*"
"""What stands in a fragment as it is."""


def discover_address(base: str, view: View, columns: Sequence[str], now: datetime) -> str:
    """Return the address; ``base`` is Kibana's. A time that cannot be read is left out."""
    since = _time(view.since, now) or BEGINNING
    until = _time(view.until, now, is_end=True) or "now"
    order = "asc" if view.sort.is_ascending else "desc"
    shown = ",".join(map(_text, columns))
    state = (
        f"(columns:!({shown}),index:{_text(VIEW)},"
        f"query:(language:kuery,query:{_text(view.query)}),"
        f"sort:!(!({_text(view.sort.field)},{order})))"
    )
    time = f"(time:(from:{_text(since)},to:{_text(until)}))"
    return f"{base}/app/discover#/?_g={_quoted(time)}&_a={_quoted(state)}"


def _time(text: str | None, now: datetime, *, is_end: bool = False) -> str | None:
    """Return a time as Kibana reads it; what is relative stays so."""
    text = (text or "").strip()
    if _AGE.fullmatch(text):
        return f"now-{text}"
    if _RELATIVE.fullmatch(text):
        return text
    return times.moment(text, now, is_end=is_end) if text else None


def _text(text: str) -> str:
    """Return a text as Rison has it."""
    escaped = text.replace("!", "!!").replace("'", "!'")
    return f"'{escaped}'"


def _quoted(rison: str) -> str:
    return quote(rison.encode("utf-8", "replace"), safe=KEPT)
