"""A `group` under `fields` is told in the log, once a minute, with its cure."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from ptingest.model.outcome import Processed
from ptingest.observe.misplaced import LOG_SECONDS, MisplacedGroups
from tests.support.raw_peer import J, W, event, peer_of
from tests.support.serving import serving

SECOND = 1_000_000_000


def chunk(count: int) -> Processed:
    return Processed(tallies={("other", "fields_not_under_root"): count, ("x", "grok_failure"): 9})


def test_the_first_is_told_at_once_and_the_others_a_minute_later(
    caplog: pytest.LogCaptureFixture,
) -> None:
    groups = MisplacedGroups()
    with caplog.at_level(logging.WARNING):
        for second in range(int(LOG_SECONDS) + 1):
            groups.look(chunk(2), f"10.0.0.{second}:1", (1000 + second) * SECOND)

    first, second = caplog.messages
    assert first.startswith("2 events were dropped, the last of them from 10.0.0.0:1")
    assert second.startswith("120 events were dropped, the last of them from 10.0.0.60:1")
    assert "Set fields_under_root: true" in first


def test_other_events_are_not_told(caplog: pytest.LogCaptureFixture) -> None:
    MisplacedGroups().look(Processed(tallies={("x", "grok_failure"): 3}), "p", SECOND)

    assert caplog.messages == []


async def test_a_server_says_it_for_events_on_the_wire(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    low = {"group": "pt", "service": "django"}
    payload = event(group=None, fields=low).replace(b'"group":null,', b"")

    async with serving(tmp_path) as server, peer_of(server) as peer:
        await peer.send(W(2) + J(1, payload) + J(2, payload))
        await peer.acks(1)

    (said,) = [line for line in caplog.messages if "fields_under_root" in line]
    assert said.startswith("2 events were dropped, the last of them from 127.0.0.1:")
