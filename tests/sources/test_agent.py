"""Which program sends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptingest.sources.agent import LONGEST, agent_of


@pytest.mark.parametrize(
    ("payload", "agent"),
    [
        (b'{"agent":{"type":"filebeat","version":"8.19.0"},"message":"x"}', "filebeat 8.19.0"),
        (b'{"@metadata":{"beat":"filebeat","version":"7.17.1"}}', "filebeat 7.17.1"),
        (b'{"agent":{"type":"filebeat"}}', "filebeat"),
        (b'{"message":"x"}', None),
        (b'{"agent":"filebeat"}', None),
        (b'{"agent":{"type":7}}', None),
        (b"no json", None),
        (b'{"agent":{"type":"\xff"}}', None),
    ],
)
def test_the_agent_is_what_the_event_says_it_is(payload: bytes, agent: str | None) -> None:
    assert agent_of(payload) == agent


def test_a_long_name_is_cut() -> None:
    payload = b'{"agent":{"type":"%b"}}' % (b"x" * 10_000)

    assert agent_of(payload) == "x" * LONGEST


@given(st.binary())
def test_any_bytes_may_come(payload: bytes) -> None:
    agent = agent_of(payload)

    assert agent is None or 0 < len(agent) <= LONGEST
