"""The whole run without its two sockets."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest
from isal import isal_zlib

from benchmarks import corpus, null_elasticsearch
from ptingest.errors import BenchFailed
from ptingest.model.outcome import Fate
from ptingest.pipeline.compile import packaged_profile_path
from ptingest.server.process.clock import SystemClock
from ptingest.settings.load import load_profile
from ptingest.settings.profile import ProfileSettings
from ptingest.settings.server import ServerSettings
from ptingest.telemetry.metrics import Metrics
from ptingest.tools.bench.in_process import NullElasticsearch, all_created, gzip_bytes, open_run


@pytest.fixture(scope="module")
def profile() -> ProfileSettings:
    return load_profile(packaged_profile_path(), {})


def files_in(folder: str | Path) -> list[Path]:
    return [path for path in Path(folder).rglob("*") if path.is_file()]


def settled(metrics: Metrics) -> float:
    rows = metrics.labelled("ptingest_lane_settled_events_total")
    return sum(count for labels, count in rows if labels[-1] == Fate.STORED)


async def test_every_event_is_stored_in_the_books(profile: ProfileSettings) -> None:
    events = corpus.events(500, 1)
    wires = [corpus.window(events[:300], 3), corpus.window(events[300:], 0)]

    async with open_run(ServerSettings(), profile, clock=SystemClock()) as run:
        await run.carry(wires)

        assert run.sink.documents == 500
        assert settled(run.parts.metrics) == 500
        assert run.sink.sent_bytes > 0


async def test_a_window_given_out_in_parts_is_one_window(profile: ProfileSettings) -> None:
    large = corpus.events(1, 1)[0].replace(b'"message":"', b'"message":"' + b"x" * (1 << 20))

    async with open_run(ServerSettings(), profile, clock=SystemClock()) as run:
        await run.carry([corpus.window([large] * 10, 0)])

        assert run.sink.documents == 10


async def test_dead_letters_go_to_a_folder_that_is_thrown_away(profile: ProfileSettings) -> None:
    async with open_run(ServerSettings(), profile, clock=SystemClock()) as run:
        await run.carry([corpus.window([b"no json", *corpus.events(3, 1)], 3)])

        folder = run.parts.settings.data_dir
        assert run.sink.documents == 3
        assert files_in(folder)
    assert files_in(folder) == []


async def test_half_a_window_is_no_measurement(profile: ProfileSettings) -> None:
    wire = corpus.window(corpus.events(3, 1), 3)

    async with open_run(ServerSettings(), profile, clock=SystemClock()) as run:
        with pytest.raises(BenchFailed, match="not whole"):
            await run.carry([wire[:-5]])


async def test_the_settings_own_data_dir_is_left_alone(
    tmp_path: Path, profile: ProfileSettings
) -> None:
    settings = ServerSettings(data_dir=str(tmp_path / "data"))

    async with open_run(settings, profile, clock=SystemClock()) as run:
        await run.carry([corpus.window(corpus.events(3, 1), 3)])

    assert files_in(tmp_path) == []


async def test_ids_and_compression_are_those_of_the_settings(profile: ProfileSettings) -> None:
    sent = {}
    for ids in ("keyed", "none"):
        sinks = {"elasticsearch": {"hosts": ["http://127.0.0.1:1"], "ids": ids, "compress": False}}
        settings = ServerSettings.model_validate({"sinks": sinks})
        async with open_run(settings, profile, clock=SystemClock()) as run:
            await run.carry([corpus.window(corpus.events(10, 1), 3)])
            sent[ids] = run.sink.sent_bytes

    assert sent["keyed"] - sent["none"] == 10 * len(',"_id":"1234567890123456789012"')


def test_the_answer_is_the_one_a_null_elasticsearch_gives() -> None:
    counts = null_elasticsearch.Counts(remember=False)
    body = b'{"create":{}}\n{"a":1}\n' * 3

    answer = null_elasticsearch.answer_bulk(body, "/_bulk", "errors,items.*.status", counts)

    assert all_created(3).body == answer


async def test_the_sink_of_the_road_answers_as_the_real_one(profile: ProfileSettings) -> None:
    sink = NullElasticsearch(keyed=True, compress=True)

    assert (await sink.check(), sink.documents) == ((), 0)
    await sink.close()


def test_pieces_are_compressed_as_one_body() -> None:
    pieces = [b"abc" * 100, b"def" * 100]

    whole = isal_zlib.compress(b"".join(pieces), 1, wbits=zlib.MAX_WBITS | 16)

    assert abs(gzip_bytes(pieces) - len(whole)) < 20
