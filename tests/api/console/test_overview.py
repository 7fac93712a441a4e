"""The first page."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ptingest.api.console.history import Point
from ptingest.api.console.overview import span
from ptingest.api.console.pages import ConsoleDependencies
from ptingest.sinks.store.read.pool import StoreExplorer
from tests.support.console import console

EXPLORE = r'href="(/console/explore\?[^"]+)"'
HOSTILE = "<script>alert(1)</script>\u202e"
SHOWN = "&lt;script&gt;alert(1)&lt;/script&gt;⟨U+202E⟩"

WELL: dict[str, Any] = {
    "uptime_seconds": 5.0,
    "not_ready_because": [],
    "books": {"store": {"django": {"received": 3, "stored": 3, "in_flight": 0, "residue": 0}}},
    "budget": {"outstanding_bytes": 1, "limit_bytes": 100},
    "beats": {
        "connections": 2, "connections_limit": 4096, "waiting_bytes": 0, "waiting_bytes_limit": 100,
    },
    "services": {"django": {"last_lag_seconds": 0.4, "heard_seconds_ago": 1.0}},
    "dead_letters": {"bytes": 0, "limit_bytes": 100, "waiting": 0},
    "loop_lag_seconds": 0.01,
}  # fmt: skip
LANE: dict[str, Any] = {
    "in_flight": 1, "concurrency": 4, "waiting_documents": 5, "outstanding_documents": 1234,
    "retrying_documents": 0, "doubtful_documents": 0, "backoff_seconds": 0.0, "failures": 0,
    "batch_max_bytes": 1, "oldest_seconds": 2.5, "trouble": None, "troubled_streams": [],
}  # fmt: skip
BEAT: dict[str, Any] = {
    "peer": "192.0.2.7:50000", "tls_subject": "CN=web-1", "agent": "filebeat 8.19.0",
    "seconds": 75.0, "windows": 40, "events": 9999, "bytes": 1 << 20, "largest_window": 50,
    "compresses": False, "pipelines": True, "open_windows": 1, "oldest_seconds": 3.0,
    "waiting_bytes": 0, "reading": True, "host": "web-1", "agent_name": "pt-1",
    "quiet_seconds": 2.0,
}  # fmt: skip
FULL: dict[str, Any] = {
    **WELL,
    "version": "0.1.0",
    "pid": 7,
    "uptime_seconds": 5.0,
    "listening": "127.0.0.1:5044",
    "lanes": {"store": LANE},
    "beats": {**WELL["beats"], "listed": [BEAT]},
    "process": {"cpu_seconds": 1.5, "memory_bytes": 70 << 20},
}


async def test_all_is_well_when_nothing_speaks_against_it() -> None:
    async with console() as served:
        served.view.shown = WELL

        assert "All is well." in await served.read("/console/")


async def test_what_is_wrong_is_said_first_with_its_cure() -> None:
    async with console() as served:
        served.view.shown = {**FULL, "not_ready_because": ["sink elasticsearch: 401"]}

        page = await served.read("/console/")

    assert "All is well" not in page
    assert page.index("Not all is well") < page.index("sink elasticsearch: 401")
    assert page.index("<code>ptingest check --connect</code> asks the sink") < page.index(
        "Books of"
    )
    assert "`" not in page


async def test_a_cure_names_the_config_of_the_server() -> None:
    async with console() as served:
        served.view.shown = {
            **FULL,
            "not_ready_because": ["sink elasticsearch: 401"],
            "config": {"config": "/etc/pt.yaml"},
        }

        page = await served.read("/console/")

    assert "<code>ptingest check --connect --config /etc/pt.yaml</code> asks the sink" in page


async def test_what_is_worth_a_look_is_a_warning_with_the_page_that_shows_more() -> None:
    async with console() as served:
        letters = {"bytes": 1, "limit_bytes": 100, "waiting": 1}
        served.view.shown = {**FULL, "dead_letters": letters}
        served.metrics.add("ptingest_flow_received_events_total", 100, "nginx")
        served.metrics.add("ptingest_pipeline_noted_events_total", 7, "nginx", "grok_failure")

        page = await served.read("/console/")

    assert "Events are taken and kept safe." in page
    assert "dead letters: 1 is waiting" in page
    assert "parsing nginx: 7 of 100 (7 %) events fit no pattern" in page
    assert 'href="/console/dead-letters">Show' in page
    assert 'href="/console/failures">Show' in page


async def test_a_long_list_of_findings_is_cut_and_counted() -> None:
    services = {f"s{number}": {"last_lag_seconds": -900.0} for number in range(100)}
    async with console() as served:
        served.view.shown = {**FULL, "services": services}

        page = await served.read("/console/")

    assert page.count("in the future") == 20
    assert "80 more findings" in page


async def test_the_page_shows_books_beats_sinks_and_limits() -> None:
    async with console() as served:
        served.view.shown = FULL

        page = re.sub(r"<[^>]+>|\s+", " ", await served.read("/console/"))

    words = " ".join(page.split())
    assert "Books of store" in words
    assert "web-1 as pt-1 filebeat 8.19.0 192.0.2.7:50000 CN=web-1 1 min 15 s 2.0 s ago" in words
    assert "9,999 1.0 MiB" in words
    assert "Processor –" in words
    assert "Memory 70.0 MiB" in words
    assert "bulk_max_size: 2048" in words
    assert "1,234 outstanding, 5 of them waiting" in words
    assert "2 of 4,096" in words


async def test_beats_and_services_lead_to_their_events(tmp_path: Path) -> None:
    explorer = StoreExplorer(tmp_path / "store.sqlite")
    async with console(dependencies=ConsoleDependencies(explorer=explorer)) as served:
        counted = {"received": 3, "stored": 3, "in_flight": 0, "residue": 0}
        books = {"store": {"django": counted, "other": counted}}
        served.view.shown = {**FULL, "books": books}
        page = unescape(await served.read("/console/"))
    async with console() as served:
        served.view.shown = FULL
        without = await served.read("/console/")

    links = [parse_qs(urlsplit(one).query)["q"][0] for one in re.findall(EXPLORE, page)]
    assert links == ["service:django", "host.name:web-1 and agent.name:pt-1"]
    assert re.findall(EXPLORE, without) == []


async def test_a_beat_that_has_gone_is_still_told_of() -> None:
    gone = {
        **{name: BEAT[name] for name in ("peer", "agent", "seconds", "windows", "events", "bytes")},
        "tls_subject": None, "host": "web-2", "agent_name": "web-2", "quiet_seconds": 30.0,
        "closed_seconds_ago": 90.0, "reason": "peer_closed",
    }  # fmt: skip
    async with console() as served:
        served.view.shown = {**FULL, "beats": {**WELL["beats"], "connections": 0, "closed": [gone]}}
        page = re.sub(r"<[^>]+>|\s+", " ", await served.read("/console/"))

    words = " ".join(page.split())
    assert "No Beat is connected." in words
    assert "web-2 filebeat 8.19.0 192.0.2.7:50000 1 min 30 s ago peer closed 30 s" in words


async def test_before_the_first_event_it_says_how_to_send_one() -> None:
    async with console() as served:
        served.view.shown = {**FULL, "books": {"store": {}}}

        page = await served.read("/console/")

    assert "No event has come yet" in page
    assert "ptingest send /tmp/hello.log --service django --to 127.0.0.1:5044" in page


async def test_whatever_others_send_is_text_here() -> None:
    row = {
        **BEAT, "peer": HOSTILE, "tls_subject": HOSTILE, "agent": HOSTILE, "host": HOSTILE,
        "agent_name": HOSTILE,
    }  # fmt: skip
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
    assert page.count(SHOWN) == 20


async def test_with_several_workers_each_has_its_row() -> None:
    row = {
        "worker": 2, "pid": 4711, "state": "running", "connections": 3, "rss_bytes": 50 << 20,
        "loop_lag_seconds": 0.002, "uptime_seconds": 5.0, "restarts": 1, "last_end": "killed",
    }  # fmt: skip
    async with console() as served:
        served.view.shown = {**FULL, "workers": [row]}

        page = await served.read("/console/")

    assert "<caption>Workers</caption>" in page
    assert "4711" in page


def test_young_servers_show_less_than_an_hour() -> None:
    points = [Point(100.0, 1.0, 0.0, 0, None, None)]

    assert [span(points, 100.0 + age) for age in (60, 900, 3000)] == [600.0, 1800.0, 3600.0]
    assert span([], 100.0) == 600.0


async def test_the_buffer_and_sources_of_kafka_have_a_card_each_with_what_troubles_them() -> None:
    buffer = {
        "topic": HOSTILE, "topic_partitions": 8, "oldest_seconds": 20.0, "troubles": [HOSTILE],
        "events": {"received": 1234, "appended": 34, "outstanding": 1200},
    }  # fmt: skip
    source = {"partitions": 4, "lag": 77, "events": {"read": 9, "settled": 9}, "troubles": []}
    async with console() as served:
        served.view.shown = {**FULL, "buffer": buffer, "kafka": {"buffer": source}}

        page = await served.read("/console/")

    assert f"Kafka, to {SHOWN}" in page
    assert f'<p class="notice bad">{SHOWN}</p>' in page
    assert "1,200 events, the oldest for 20 s" in page
    assert "Kafka, source buffer" in page
    assert "77 records" in page


async def test_without_kafka_nothing_is_said_of_it() -> None:
    async with console() as served:
        served.view.shown = {**FULL, "buffer": None, "kafka": {}}

        assert "Kafka, " not in await served.read("/console/")
