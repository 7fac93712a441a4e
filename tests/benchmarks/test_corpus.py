"""The events that everything is measured with are those that were asked for."""

from __future__ import annotations

import json
import zlib

from benchmarks import corpus
from ptingest.lumberjack.connection import ServerConnection
from ptingest.lumberjack.window import Limits

EVENTS = [json.loads(event) for event in corpus.events(5000, 1)]


def test_six_services_come_in_the_proportions_of_the_mix() -> None:
    for service, share in corpus.MIX.items():
        count = sum(event["service"] == service for event in EVENTS)

        assert abs(count / len(EVENTS) - share / 100) < 0.02


def test_an_event_is_about_a_kilobyte_as_filebeat_sends_it() -> None:
    sizes = [len(event) for event in corpus.events(5000, 1)]

    assert 900 < sum(sizes) / len(sizes) < 1100
    assert all({"agent", "host", "log", "ecs", "input", "@metadata"} <= set(e) for e in EVENTS)


def test_a_small_event_has_the_size_of_recorded_ones_without_host_metadata() -> None:
    small = corpus.events(5000, 1, small=True)

    assert 550 < sum(map(len, small)) / len(small) < 650
    assert all(json.loads(event)["host"] == {"name": "pt-app-1"} for event in small)


def test_sixty_loggers_tracebacks_json_lines_and_unicode_are_among_them() -> None:
    loggers = {e["message"].split("|")[1] for e in EVENTS if e["message"].count("|") >= 3}
    tracebacks = sum("\nTraceback (most recent call last)" in e["message"] for e in EVENTS)
    json_lines = sum(e["message"].startswith("{") for e in EVENTS)
    unicode = sum(not e["message"].isascii() for e in EVENTS)
    requests = sum(e["message"].find(' HTTP/1.1" ') > 0 for e in EVENTS)

    assert len(loggers) >= 60
    assert 0.02 < tracebacks / len(EVENTS) < 0.05
    assert abs(json_lines / len(EVENTS) - 0.05) < 0.02
    assert unicode / len(EVENTS) > 0.05
    assert requests / len(EVENTS) > 0.15


def test_the_same_seed_gives_the_same_bytes_and_another_one_others() -> None:
    assert corpus.events(200, 7) == corpus.events(200, 7)
    assert corpus.events(200, 7) != corpus.events(200, 8)


def test_windows_are_what_a_server_takes_with_and_without_compression() -> None:
    events = corpus.events(300, 1)
    for compression in (0, 3):
        connection = ServerConnection(Limits())
        wire = corpus.window(events, compression)

        connection.receive_data(wire)
        window = connection.next_window()

        assert window is not None
        assert window.payloads == events
        assert (len(wire) < sum(map(len, events)) / 3) == (compression == 3)
    assert zlib.decompress(corpus.window(events, 3)[12:]) == corpus.window(events, 0)[6:]
