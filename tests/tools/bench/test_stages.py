"""The stops of the run, each alone."""

from __future__ import annotations

import os
from itertools import chain

import pytest
from pydantic import ByteSize

from benchmarks import corpus
from ptingest.pipeline.compile import compile_profile, packaged_profile_path
from ptingest.pipeline.profile_pipeline import ProfilePipeline
from ptingest.settings.load import load_profile
from ptingest.settings.sinks import BatchSettings
from ptingest.tools.bench import stages

NOW_NS = 1_735_787_045_000_000_000


@pytest.fixture(scope="module")
def pipeline() -> ProfilePipeline:
    return compile_profile(load_profile(packaged_profile_path(), os.environ))


def test_every_stage_handles_all_windows(pipeline: ProfilePipeline) -> None:
    events = corpus.events(300, 1)
    windows = [events[:200], events[200:]]
    wires = [corpus.window(window, 3) for window in windows]

    found = stages.make_stages(
        pipeline, windows, wires, batch=BatchSettings(max_documents=128), now_ns=NOW_NS
    )

    assert list(found) == [
        stages.FRAMES,
        stages.DECODE,
        stages.LINE,
        stages.KEY,
        stages.PIPELINE,
        stages.BODY,
        stages.GZIP,
        stages.ANSWER,
    ]
    done = {name: work() for name, work in found.items()}
    assert done[stages.FRAMES] == [200, 100]
    documents = done[stages.PIPELINE]
    assert isinstance(documents, list)
    assert [document.payload for document in documents] == events
    bodies, gzipped = done[stages.BODY], done[stages.GZIP]
    assert isinstance(bodies, list)
    assert isinstance(gzipped, list)
    assert len(bodies) == len(gzipped) == 3
    assert sum(bodies) > sum(len(document.body) for document in documents) > sum(gzipped) > 0


def test_events_that_nothing_can_read_stop_no_stage(pipeline: ProfilePipeline) -> None:
    window = [
        b"no json",
        b"[1]",
        b"{}",
        b'{"group":"pt","message":1}',
        b'{"group":"x","message":"y"}',
    ]
    wires = [corpus.window(window, 3)]

    found = stages.make_stages(pipeline, [window], wires, now_ns=NOW_NS)

    for work in found.values():
        work()


def test_batches_are_cut_by_number_and_by_bytes(pipeline: ProfilePipeline) -> None:
    documents = stages.process_all(pipeline, [corpus.events(10, 1)], NOW_NS)
    largest = max(len(document.body) for document in documents)

    by_number = stages.batches_of(documents, BatchSettings(max_documents=4))
    by_bytes = stages.batches_of(documents, BatchSettings(max_bytes=ByteSize(largest)))

    assert [len(batch) for batch in by_number] == [4, 4, 2]
    assert list(chain.from_iterable(by_bytes)) == documents
    assert all(sum(len(one.body) for one in batch) <= largest for batch in by_bytes)


def test_a_document_larger_than_a_batch_goes_alone(pipeline: ProfilePipeline) -> None:
    documents = stages.process_all(pipeline, [corpus.events(3, 1)], NOW_NS)

    batches = stages.batches_of(documents, BatchSettings(max_bytes=ByteSize(1)))

    assert [len(batch) for batch in batches] == [1, 1, 1]
