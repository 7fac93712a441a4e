"""The first page."""

from __future__ import annotations

import re
from typing import Any

from ptingest.api.console.history import Point
from ptingest.api.console.overview import span, unmatched
from ptingest.telemetry.metrics import Metrics
from tests.api.console.serving import console
from tests.api.console.test_verdict import WELL

HOSTILE = "<script>alert(1)</script>\u202e"
SHOWN = "&lt;script&gt;alert(1)&lt;/script&gt;⟨U+202E⟩"

LANE: dict[str, Any] = {
    "in_flight": 1, "concurrency": 4, "waiting_documents": 5, "outstanding_documents": 1234,
    "retrying_documents": 0, "doubtful_documents": 0, "backoff_seconds": 0.0, "failures": 0,
    "batch_max_bytes": 1, "oldest_seconds": 2.5, "trouble": None, "troubled_streams": [],
}  # fmt: skip
BEAT: dict[str, Any] = {
    "peer": "192.0.2.7:50000", "tls_subject": "CN=web-1", "agent": "filebeat 8.19.0",
    "seconds": 75.0, "windows": 40, "events": 9999, "bytes": 1 << 20, "largest_window": 50,
    "compresses": False, "pipelines": True, "open_windows": 1, "oldest_seconds": 3.0,
    "waiting_bytes": 0, "reading": True,
}  # fmt: skip
FULL: dict[str, Any] = {
    **WELL,
    "version": "0.1.0",
    "pid": 7,
    "uptime_seconds": 60.0,
    "listening": "127.0.0.1:5044",
    "lanes": {"store": LANE},
    "beats": {**WELL["beats"], "listed": [BEAT]},
}


async def test_all_is_well_when_nothing_speaks_against_it() -> None:
    async with console() as served:
        assert "All is well." in await served.read("/console/")


async def test_what_is_wrong_is_said_first_with_its_cure() -> None:
    async with console() as served:
        served.view.shown = {**FULL, "not_ready_because": ["sink elasticsearch: 401"]}

        page = await served.read("/console/")

    assert "All is well" not in page
    assert page.index("Not all is well") < page.index("sink elasticsearch: 401")
    assert page.index("<code>ptingest doctor</code> asks") < page.index("Books of")
    assert "`" not in page


async def test_the_page_shows_books_beats_sinks_and_limits() -> None:
    async with console() as served:
        served.view.shown = FULL

        page = re.sub(r"<[^>]+>|\s+", " ", await served.read("/console/"))

    words = " ".join(page.split())
    assert "Books of store" in words
    assert "filebeat 8.19.0 CN=web-1 1 min 15 s 9,999 1.0 MiB" in words
    assert "bulk_max_size: 2048" in words
    assert "1,234 outstanding, 5 of them waiting" in words
    assert "2 of 4,096" in words


async def test_before_the_first_event_it_says_how_to_send_one() -> None:
    async with console() as served:
        served.view.shown = {**FULL, "books": {"store": {}}}

        page = await served.read("/console/")

    assert "Nothing has come in yet" in page
    assert "ptingest send /tmp/hello.log --service django --to 127.0.0.1:5044" in page


async def test_whatever_others_send_is_text_here() -> None:
    row = {**BEAT, "peer": HOSTILE, "tls_subject": HOSTILE, "agent": HOSTILE}
    stream = {
        "data_stream": HOSTILE, "reason": "x", "detail": HOSTILE, "held_documents": 1,
        "held_bytes": 1, "is_open": True, "since_seconds": 1.0,
    }  # fmt: skip
    async with console() as served:
        served.view.shown = {
            **FULL,
            "not_ready_because": [HOSTILE],
            "books": {"store": {HOSTILE: {"received": 1, "stored": 1, "residue": 0}}},
            "beats": {**FULL["beats"], "listed": [row]},
            "lanes": {HOSTILE: {**LANE, "trouble": HOSTILE, "troubled_streams": [stream]}},
            "workers": [{"worker": HOSTILE, "state": HOSTILE, "connections": 1, "rss_bytes": 1,
                         "restarts": 0, "last_end": HOSTILE}],
        }  # fmt: skip

        page = await served.read("/console/")

    assert "<script>alert" not in page
    assert "\u202e" not in page
    assert page.count(SHOWN) == 12


async def test_with_several_workers_each_has_its_row() -> None:
    row = {
        "worker": 2, "pid": 4711, "state": "running", "connections": 3, "rss_bytes": 50 << 20,
        "loop_lag_seconds": 0.002, "uptime_seconds": 60.0, "restarts": 1, "last_end": "killed",
    }  # fmt: skip
    async with console() as served:
        served.view.shown = {**FULL, "workers": [row]}

        page = await served.read("/console/")

    assert "<caption>Workers</caption>" in page
    assert "4711" in page


def test_failures_are_counted_beside_what_was_received() -> None:
    metrics = Metrics()
    metrics.add("ptingest_flow_received_events_total", 100, "nginx")
    metrics.add("ptingest_pipeline_noted_events_total", 7, "nginx", "grok_failure")
    metrics.add("ptingest_pipeline_noted_events_total", 3, "nginx", "date_failure")

    assert unmatched(metrics) == {"nginx": (7, 100)}


def test_young_servers_show_less_than_an_hour() -> None:
    points = [Point(100.0, 1.0, 0.0, 0, None, None)]

    assert [span(points, 100.0 + age) for age in (60, 900, 3000)] == [600.0, 1800.0, 3600.0]
    assert span([], 100.0) == 600.0
