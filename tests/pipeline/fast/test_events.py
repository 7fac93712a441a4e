from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from ptingest.pipeline.encode import encode_value
from ptingest.pipeline.fast.events import ABSENT, LEARNED_NAMES, LESSON, NOTED_NAMES, EventDecoder
from tests.pipeline.events import BASE


def reader() -> EventDecoder:
    return EventDecoder(["pt", "crm"], overwritten=["stream"], unlearnable={"log_level"})


def compact(event: dict[str, Any]) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode()


def test_usual_events_decode_and_encode_to_the_same_length() -> None:
    payload = compact({**BASE, "message": "x", "stream": "stderr"})

    event = reader().decode(payload)

    assert event.group == "pt"
    assert bytes(event.message) == b'"x"'
    assert event.tags is ABSENT
    assert json.loads(encode_value(event)) == json.loads(payload)
    assert len(encode_value(event)) == len(payload)


@pytest.mark.parametrize(
    "changes",
    [{"env": "prod"}, {"group": "other"}, {"log": {"offset": "x"}}, {"log": {"level": "x"}}],
    ids=str,
)
def test_what_the_struct_has_no_place_for_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        reader().decode(compact(BASE | changes))


def test_without_overwritten_names_stream_is_a_member_like_any_other() -> None:
    under_test = EventDecoder(["pt"], overwritten=[], unlearnable=[])

    event = under_test.decode(compact(BASE | {"stream": "stderr"}))

    assert bytes(getattr(event, under_test.attributes["stream"])) == b'"stderr"'


def test_other_members_are_kept_beside() -> None:
    found = reader().decode_loosely(compact(BASE | {"env": "prod", "log": {"level": "x"}}))

    assert found is not None
    event, extras = found
    assert extras.keys() == {"env"}
    assert bytes(event.log) == b'{"level":"x"}'


def test_events_of_other_groups_are_not_for_the_fast_path() -> None:
    assert reader().decode_loosely(compact(BASE | {"group": "other"})) is None
    assert reader().decode_loosely(b'{"message":"x"}') is None


def test_names_that_come_time_and_again_are_learned() -> None:
    under_test = reader()
    payload = compact(BASE | {"env": "prod", "log_level": "x"})

    for _ in range(LESSON):
        found = under_test.decode_loosely(payload)

    assert found is not None
    assert found[1].keys() == {"env", "log_level"}
    event = under_test.decode(compact(BASE | {"env": "prod"}))
    assert bytes(getattr(event, under_test.attributes["env"])) == b'"prod"'
    assert "log_level" not in under_test.attributes


def test_a_log_with_other_members_is_learned() -> None:
    under_test = reader()
    payload = compact(BASE | {"log": {"offset": 1, "level": "x"}})

    for _ in range(LESSON):
        under_test.decode_loosely(payload)

    assert bytes(under_test.decode(payload).log) == b'{"offset":1,"level":"x"}'


def test_names_made_up_by_a_peer_are_never_learned() -> None:
    under_test = reader()

    for number in range(2 * LESSON):
        under_test.decode_loosely(compact(BASE | {f"n{number}": 1, "x" * 65: 1}))

    assert set(under_test.attributes) == {"stream"}


def test_no_more_names_are_learned_than_the_limit() -> None:
    under_test = reader()
    names = {f"n{number}": 1 for number in range(2 * LEARNED_NAMES)}

    for _ in range(2 * LESSON):
        under_test.decode_loosely(compact(BASE | names))

    assert len(under_test.attributes) == 1 + LEARNED_NAMES


def test_names_of_an_event_that_has_very_many_are_not_noted() -> None:
    under_test = reader()
    payload = compact(BASE | {f"n{number}": 1 for number in range(NOTED_NAMES + 1)})

    for _ in range(LESSON):
        under_test.decode_loosely(payload)

    assert not under_test._seen
    assert set(under_test.attributes) == {"stream"}
