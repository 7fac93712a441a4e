"""Each chunk goes to whom it belongs: the pipeline, the process for large events, or nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from ptingest.model.document import LARGE_BYTES
from ptingest.model.origin import Origin, RecordPlace
from ptingest.model.receipt import Receipt
from ptingest.pipeline.compile import compile_profile, packaged_profile_path
from ptingest.pipeline.identity import record_key
from ptingest.server.event_loop.fair_share import FairShare
from ptingest.server.poison import PoisonRecord
from ptingest.server.processing import Processing
from ptingest.settings.load import load_profile
from ptingest.telemetry.metrics import Metrics
from tests.fakes.clock import ManualClock
from tests.support.raw_peer import event, shipped

PROFILE = load_profile(packaged_profile_path(), {})
ORIGIN = Origin(peer="192.0.2.7:1")
EVENT_BYTES = 2 * LARGE_BYTES


@pytest.fixture
def processing(tmp_path: Path) -> Processing:
    return Processing(
        compile_profile(PROFILE),
        event_bytes=EVENT_BYTES,
        poison=PoisonRecord(tmp_path, 1, ManualClock()),
        checkpoint=FairShare(),
        metrics=Metrics(),
    )


@pytest.mark.parametrize(
    ("sizes", "is_for_large"),
    [
        ([LARGE_BYTES], False),
        ([LARGE_BYTES + 1], True),
        ([EVENT_BYTES], True),
        ([EVENT_BYTES + 1], False),
        ([LARGE_BYTES, LARGE_BYTES], False),
    ],
)
def test_one_event_between_the_two_limits_is_for_the_process_for_large_events(
    processing: Processing, sizes: list[int], is_for_large: bool
) -> None:
    chunk = [bytes(size) for size in sizes]

    assert processing.is_for_large(chunk, sum(sizes)) is is_for_large


async def test_an_event_above_the_limit_is_a_letter_that_was_never_decoded(
    processing: Processing,
) -> None:
    payload = b"\xff" * (EVENT_BYTES + 1)

    done = await processing.process(
        [payload], len(payload), Receipt(lambda _: None), ORIGIN, now_ns=0, is_split=False
    )

    assert [letter.reason for letter in done.dead_letters] == ["event_too_large"]
    assert done.dead_letters[0].payload is payload


async def test_a_requeued_letter_keeps_its_key(processing: Processing) -> None:
    payload = event()
    origin = Origin(peer="192.0.2.7:1", source="requeue", key="the-letters-key")

    done = await processing.process(
        [payload], len(payload), Receipt(lambda _: None), origin, now_ns=0, is_split=False
    )

    assert [document.key for document in done.documents] == ["the-letters-key"]


PLACES = [RecordPlace("parcels", 3, offset, 1_767_225_600_000) for offset in (7, 8)]


async def test_an_event_without_a_key_is_known_by_its_record(processing: Processing) -> None:
    keyless = [b'{"message": "INFO|a|b|c", "group": "pt", "service": "django"}' for _ in range(2)]
    keyless[1] = bytes(bytearray(keyless[1]))  # two equal events, an object each
    keyed = shipped()
    places = [*PLACES, RecordPlace("parcels", 3, 9, 0)]
    payloads = [*keyless, keyed]

    async def keys(places: list[RecordPlace] | None) -> list[str | None]:
        records = places and dict(zip(map(id, payloads), places, strict=True))
        origin = Origin(peer="parcels/3", source="kafka", records=records)
        done = await processing.process(
            payloads, 9, Receipt(lambda _: None), origin, now_ns=0, is_split=False
        )
        return [document.key for document in done.documents]

    first, second, own = await keys(places)
    assert await keys(None) == [None, None, own]
    assert None not in (first, second)
    assert first != second
    assert await keys(places) == [first, second, own]


async def test_a_letter_says_which_record_it_came_in(processing: Processing) -> None:
    payload = b"no JSON"
    origin = Origin(peer="parcels/3", source="kafka", records={id(payload): PLACES[0]})

    done = await processing.process(
        [payload], 7, Receipt(lambda _: None), origin, now_ns=0, is_split=False
    )

    (letter,) = done.dead_letters
    assert letter.detail.endswith("(topic parcels, partition 3, offset 7)")
    assert letter.key == record_key(PLACES[0], payload)
