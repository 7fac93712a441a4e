"""Each chunk goes to whom it belongs: the pipeline, the process for large events, or nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from ptingest.model.document import LARGE_BYTES
from ptingest.model.origin import Origin
from ptingest.model.receipt import Receipt
from ptingest.pipeline.compile import compile_profile, packaged_profile_path
from ptingest.server.event_loop.fair_share import FairShare
from ptingest.server.poison import PoisonRecord
from ptingest.server.processing import Processing
from ptingest.settings.load import load_profile
from ptingest.telemetry.metrics import Metrics
from tests.fakes.clock import ManualClock
from tests.support.raw_peer import event

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
