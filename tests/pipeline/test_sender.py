"""The name of the sending program."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptingest.model.document import LARGE_BYTES
from ptingest.model.origin import Sender
from ptingest.pipeline.sender import LONGEST, sender_of
from tests.wire.captures import load


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
    assert sender_of(payload).agent == agent


def test_a_long_name_is_cut() -> None:
    long = b"x" * 10_000
    payload = b'{"agent":{"type":"%b","name":"%b"},"host":{"name":"%b"}}' % (long, long, long)

    sender = sender_of(payload)
    assert sender.agent == sender.agent_name == sender.host == "x" * LONGEST


@pytest.mark.parametrize(
    ("payload", "names"),
    [
        (b'{"agent":{"type":"filebeat","name":"pt-1"},"host":{"name":"web-1"}}', ("pt-1", "web-1")),
        (b'{"agent":{"type":"filebeat","name":7},"host":"web-1"}', (None, None)),
        (b'{"agent":{"type":"filebeat","name":""},"host":{"name":["a"]}}', (None, None)),
        (b'{"agent":{"type":"filebeat"},"host":null}', (None, None)),
    ],
)
def test_host_and_name_are_told_where_they_are_texts(
    payload: bytes, names: tuple[str | None, str | None]
) -> None:
    sender = sender_of(payload)

    assert (sender.agent_name, sender.host) == names
    assert sender.agent == "filebeat"


@pytest.mark.parametrize(
    ("capture", "sender"),
    [
        ("f717-c3-p2.conn1", Sender("filebeat 7.17.0", "path")),
        ("f9dev-restart.conn1", Sender("filebeat 9.0.0", "inode")),
    ],
)
def test_real_beats_say_who_they_are_and_by_what_their_files_are_known(
    capture: str, sender: Sender
) -> None:
    assert sender_of(load(capture).windows[0][0])[:2] == sender[:2]


def test_a_large_event_is_not_looked_at() -> None:
    """It may take a second, on the event loop."""
    first = load("f717-c3-p2.conn1").windows[0][0]
    large = first[:-1] + b',"x":"%b"}' % (b"x" * LARGE_BYTES)

    assert sender_of(large[: len(first) - 1] + b"}") != Sender()
    assert sender_of(large) == Sender()


@given(st.binary())
def test_any_bytes_may_come(payload: bytes) -> None:
    agent, known_by, *names = sender_of(payload)

    assert all(one is None or 0 < len(one) <= LONGEST for one in (agent, *names))
    assert known_by is None
