from __future__ import annotations

import os

import pytest

from ptingest.model.document import DataStream, Document
from ptingest.model.outcome import Processed
from ptingest.pipeline.compile import packaged_profile_path
from ptingest.pipeline.stream_limit import REASON, StreamLimit
from ptingest.settings.load import load_profile
from ptingest.settings.profile import ProfileSettings
from tests.support.documents import document

PROFILE = load_profile(packaged_profile_path(), os.environ)


def profile(most: int, **more: object) -> ProfileSettings:
    group = PROFILE.groups[0].model_copy(update={"max_services": most, **more})
    return PROFILE.model_copy(update={"groups": (group,)})


def of(*services: str) -> Processed:
    streams = [DataStream("logs", service, "pt") for service in services]
    documents: list[Document] = [document(stream=stream) for stream in streams]
    return Processed(documents=documents)


def names(processed: Processed) -> list[str]:
    streams = [one.target for one in processed.documents]
    return [one.dataset for one in streams if isinstance(one, DataStream)]


def test_services_beyond_the_limit_are_dead_letters_that_say_what_to_do() -> None:
    limit, processed = StreamLimit(), of("a", "django", "b", "c", "a")

    limit.apply(processed, profile(2))

    assert names(processed) == ["a", "django", "b", "a"]
    (letter,) = processed.dead_letters
    assert (letter.reason, letter.data_stream) == (REASON, "logs-c-pt")
    assert letter.payload == b"{}"
    assert "max_services (2) of group pt" in letter.detail
    assert "known_services" in letter.detail


def test_what_has_begun_goes_on_and_what_was_kept_out_stays_out() -> None:
    limit = StreamLimit()
    limit.apply(of("a"), profile(1))

    later = of("b", "a", "b")
    limit.apply(later, profile(1))

    assert names(later) == ["a"]
    assert len(later.dead_letters) == 2


def test_a_raised_limit_lets_more_in() -> None:
    limit = StreamLimit()
    limit.apply(of("a", "b"), profile(1))

    later = of("b")
    limit.apply(later, profile(2))

    assert names(later) == ["b"]


def test_known_services_need_no_room() -> None:
    limit, processed = StreamLimit(), of(*PROFILE.groups[0].known_services)

    limit.apply(processed, profile(0))

    assert len(processed.documents) == len(PROFILE.groups[0].known_services)
    assert processed.dead_letters == []


def test_a_known_service_is_known_under_its_mended_name() -> None:
    limit, processed = StreamLimit(), of("web")
    mending = profile(0, known_services=("Web",)).model_copy(update={"sanitise_names": "lower"})

    limit.apply(processed, mending)

    assert names(processed) == ["web"]


@pytest.mark.parametrize(("kind", "namespace"), [("metrics", "pt"), ("logs", "other")])
def test_data_streams_that_events_name_themselves_are_limited_as_well(
    kind: str, namespace: str
) -> None:
    streams = [DataStream(kind, f"s{number}", namespace) for number in range(3)]
    processed = Processed(documents=[document(stream=stream) for stream in streams])

    StreamLimit().apply(processed, profile(2))

    assert len(processed.documents) == 2
    assert [letter.reason for letter in processed.dead_letters] == [REASON]


def test_by_default_there_are_64() -> None:
    assert PROFILE.groups[0].max_services == 64
