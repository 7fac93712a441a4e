"""The screen of `top` fits any terminal and shows what matters first."""

from __future__ import annotations

from typing import Any

import pytest
from rich.cells import cell_len

from ptingest.cli.top.facts import overview
from ptingest.cli.top.screen import lines, share_out
from ptingest.doctor.server_facts import ServerFacts
from tests.cli.top.test_facts import beats, facts

Row = dict[str, Any]


def row(peer: str, **changes: Any) -> Row:
    return {
        "peer": peer, "events": 1234567, "windows": 77, "bytes": 1 << 30, "open_windows": 2,
        "held_seconds": 0.3, "largest_window": 2048, "compresses": True, "pipelines": False,
        "reading": True, "seconds": 99.0, "tls_subject": "CN=web-1", **changes,
    }  # fmt: skip


def busy() -> Row:
    services = ("celery_beat", "celery_worker", "django", "flower", "nginx", "react", "other")
    books = {
        "store": {name: {"received": 1 << 30, "stored": 1 << 30} for name in services},
        "elasticsearch": {name: {"received": 9, "in_flight": 9} for name in services},
    }
    lanes = {
        "store": {"in_flight": 1, "concurrency": 1},
        "elasticsearch": {"trouble": "nobody answers at http://elasticsearch:9200: refused " * 3},
    }
    rows = [row(f"192.0.2.{n}:51234") for n in range(30)]
    return overview(None, facts(books=books, lanes=lanes, beats=beats(*rows)))


def shown(found: Row, width: int, height: int, hint: str = "") -> list[str]:
    return [line.plain for line in lines(found, width=width, height=height, hint=hint)]


@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 50), (132, 200), (60, 12), (40, 8)])
def test_the_screen_fits(width: int, height: int) -> None:
    found = shown(busy(), width, height, "q to quit")

    assert len(found) <= height
    assert max(map(cell_len, found)) <= width


def test_every_section_has_a_heading_and_a_row_at_80_by_24() -> None:
    text = "\n".join(shown(busy(), 80, 24, "q to quit"))

    for words in (
        "All is well", "in -/s", "p99", "oldest unacked", "elasticsearch", "in trouble",
        "nobody answers at http://elasticsearch:9200", "store/celery_beat", "diff", "192.0.2.",
        "beats.limits", "q to quit",
    ):  # fmt: skip
        assert words in text
    assert "of 14)" in text, "books that found no room are counted"
    assert "of 30)" in text, "connections that found no room are counted"


def test_a_wide_screen_shows_more_columns_and_rows() -> None:
    text = "\n".join(shown(busy(), 200, 70))

    assert "CN=web-1" in text
    assert text.count("192.0.2.") == 30


def test_what_is_wrong_stands_on_top_with_its_cure() -> None:
    found = shown(overview(None, facts(not_ready_because=["draining"])), 80, 24)

    assert found[1].startswith("Not all is well: not ready: draining")
    assert found[2].startswith("cure: ")


def test_a_server_that_is_away_is_said_in_a_few_lines() -> None:
    found = shown(overview(None, ServerFacts("http://x:1", failure="refused")), 80, 24, "q to quit")

    assert found[0] == "ptingest http://x:1"
    assert found[1] == "No answer: refused"
    assert found[-1] == "q to quit"


def test_nothing_a_server_tells_commands_the_terminal() -> None:
    evil = "\x1b[2J\x1b]0;owned\x07\u202e\x9b"
    lanes = {"store": {"trouble": evil, "troubled_streams": []}}
    books = {"store": {evil: {"received": 1}}}
    found = overview(
        None,
        facts(
            lanes=lanes, books=books, version=evil, not_ready_because=[evil],
            beats=beats(row(evil, tls_subject=evil)),
        ),
    )  # fmt: skip

    for line in shown(found, 200, 50):
        assert line.isprintable()


def test_letters_that_are_two_cells_wide_keep_the_columns_straight() -> None:
    found = overview(
        None, facts(books={"store": {"日本語": {"received": 1}, "a": {"received": 1}}})
    )

    heading, first, second = (line for line in shown(found, 80, 24) if _is_book(line))

    ends = {cell_len(line[: line.rindex("0")]) for line in (first, second)}
    assert len(ends) == 1
    assert heading


def _is_book(line: str) -> bool:
    return line.startswith(("service", "日", "a "))


def test_each_of_several_workers_has_a_row() -> None:
    one = {
        "worker": 1, "pid": 4711, "state": "running", "connections": 3, "events_lately": 1200,
        "rss_bytes": 80 << 20, "loop_lag_seconds": 0.004, "uptime_seconds": 99.0, "restarts": 0,
        "last_end": None,
    }  # fmt: skip
    other = {**one, "worker": 2, "pid": None, "state": "waiting", "restarts": 2}
    found = overview(None, facts(workers=[one, other]))

    text = "\n".join(shown(found, 80, 24))

    assert "4711 running" in text
    assert "1200" in text
    assert "80.0 MiB" in text
    assert "waiting" in text


def test_room_is_shared_in_turns() -> None:
    class Stub:
        notes = ()

        def __init__(self, rows: int) -> None:
            self.rows = range(rows)

    sections: Any = [Stub(1), Stub(10), Stub(3), Stub(0)]

    assert share_out(sections, 4 + 9) == [1, 4, 3, 1]
    assert share_out(sections, 3) == [0, 0, 0, 0]


def test_a_head_that_is_too_long_for_the_terminal_takes_a_second_line() -> None:
    found = {**overview(None, facts()), "where": "http://a-host-with-a-long-name.example.com:9600"}

    wide, narrow = shown(found, 200, 40), shown(found, 80, 40)

    assert "pause" in wide[0]
    assert "pause" in narrow[1]
    assert all(len(line) <= 80 and "…" not in line for line in narrow[:2])


KAFKA: Row = {
    "buffer": {
        "topic": "ptingest", "topic_partitions": 8, "oldest_seconds": 20.0,
        "events": {"received": 100, "appended": 40, "outstanding": 60},
        "troubles": ["no broker answers (refused)"],
    },
    "kafka": {
        "buffer": {
            "partitions": 4, "lag": 1200, "oldest_seconds": 0.4, "troubles": [],
            "events": {"read": 40, "settled": 30, "outstanding": 10},
        }
    },
}  # fmt: skip


def test_the_buffer_and_each_source_of_kafka_have_a_row_at_80_columns() -> None:
    found = shown(overview(None, facts(**KAFKA)), 80, 30)

    heading = next(at for at, line in enumerate(found) if line.startswith("kafka"))
    assert found[heading].split() == ["kafka", "in/s", "safe/s", "flight", "lag", "oldest", "parts"]
    name, *cells = found[heading + 1].removeprefix("to ").split()
    assert (name, cells[:4], cells[-1]) == ("ptingest", ["-", "-", "60", "-"], "8")
    assert found[heading + 2].startswith("source buffer")
    assert found[heading + 3].strip() == "to ptingest: no broker answers (refused)"
    assert max(map(cell_len, found)) <= 80


def test_beside_kafka_what_a_role_does_not_have_is_left_out() -> None:
    receiver = overview(None, facts(books={}, lanes={}, beats=beats(row("web")), **KAFKA))
    indexer = overview(None, facts(beats=beats(), **KAFKA))
    neither = overview(None, facts(books={}, lanes={}, beats=beats()))

    def headings(found: Row) -> set[str]:
        words = {line.split(" ")[0] for line in shown(found, 132, 40)}
        return words & {"sink", "service", "connection"}

    assert headings(receiver) == {"connection"}
    assert "connection" not in headings(indexer)
    assert headings(neither) == {"sink", "service", "connection"}


def test_without_kafka_there_is_no_row_of_it() -> None:
    found = shown(overview(None, facts(buffer=None, kafka={})), 80, 30)

    assert not any(line.startswith("kafka") for line in found)
