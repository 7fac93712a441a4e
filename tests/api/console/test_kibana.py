from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import unquote

import pytest

from ptingest.api.console.kibana import discover_address
from ptingest.model.explore import Sort, View

NOW = datetime(2025, 1, 2, tzinfo=UTC)
BASE = "https://kibana.example.org/logs"


def test_a_view_is_the_same_in_discover() -> None:
    view = View("service:django and it's!", "15m", sort=Sort("log.offset", True))

    address = discover_address(BASE, view, ["service", "message"], NOW)

    assert address.startswith(f"{BASE}/app/discover#/?_g=(time:(from:'now-15m',to:'now'))&_a=(")
    assert unquote(address.partition("&_a=")[2]) == (
        "(columns:!('service','message'),index:'pt-logs',"
        "query:(language:kuery,query:'service:django and it!'s!!'),"
        "sort:!(!('log.offset',asc)))"
    )
    assert not set(address) & set(' "<>')


@pytest.mark.parametrize(
    ("since", "until", "time"),
    [
        (None, None, "from:'1970-01-01T00:00:00.000Z',to:'now'"),
        ("now-1h", "now", "from:'now-1h',to:'now'"),
        (
            "2025-01-01",
            "2025-01-01",
            "from:'2025-01-01T00:00:00.000Z',to:'2025-01-01T23:59:59.999Z'",
        ),
        ("soon", "x'x", "from:'1970-01-01T00:00:00.000Z',to:'now'"),
    ],
)
def test_times_are_those_of_the_view(since: str | None, until: str | None, time: str) -> None:
    assert f"_g=(time:({time}))&" in discover_address(BASE, View("", since, until), [], NOW)


def test_half_a_character_does_not_break_it() -> None:
    assert "%3F" in discover_address(BASE, View("\ud83d"), [], NOW)
