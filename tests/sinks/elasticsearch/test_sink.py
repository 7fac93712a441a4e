from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from ptingest.model.document import Document, Index
from ptingest.model.outcome import WriteResult
from ptingest.server.event_loop.fair_share import FairShare
from ptingest.settings.sinks import ElasticsearchSettings
from ptingest.sinks.elasticsearch import remembered
from ptingest.sinks.elasticsearch.sink import ElasticsearchSink
from ptingest.sinks.elasticsearch.unsynced import Place
from ptingest.telemetry.metrics import Metrics
from tests.fakes.elasticsearch import FakeElasticsearch, Reply
from tests.support.documents import StillClock, document
from tests.support.streams import streams_of

POSSIBLE_DOUBLES = "ptingest_elasticsearch_possible_double_documents_total"
ASKED = "ptingest_elasticsearch_asked_documents_total"
STREAM = "logs-django-pt"


class Bench:
    """A sink beside a fake node, a clock to move and the metrics to read."""

    def __init__(self, es: FakeElasticsearch, **settings: object) -> None:
        self.es, self.clock, self.metrics = es, StillClock(), Metrics()
        self.sink = ElasticsearchSink(
            ElasticsearchSettings.model_validate({"hosts": (es.url,), **settings}),
            clock=self.clock,
            metrics=self.metrics,
            checkpoint=FairShare(),
            streams=streams_of("django"),
        )

    async def write(self, *documents: Document, doubtful: tuple[Document, ...] = ()) -> WriteResult:
        return await self.sink.write(documents, frozenset(doubtful))


@pytest.fixture
async def es() -> AsyncIterator[FakeElasticsearch]:
    async with FakeElasticsearch() as node:
        yield node


@pytest.fixture
async def bench(es: FakeElasticsearch) -> AsyncIterator[Bench]:
    made = Bench(es)
    yield made
    await made.sink.close()


def keyed(*numbers: int) -> list[Document]:
    return [document(number=n, key=f"k{n}") for n in numbers]


def ids(es: FakeElasticsearch) -> list[str]:
    return sorted(key for key, _ in es.stored(STREAM))


async def test_a_batch_is_one_bulk_and_lands_in_order(bench: Bench) -> None:
    result = await bench.write(*keyed(1, 2, 3))

    assert not result.doubtful
    assert [d["number"] for d in bench.es.documents(STREAM)] == [1, 2, 3]
    assert len(bench.es.requests) == 1
    assert bench.metrics.value("ptingest_elasticsearch_answers_total", "200") == 1
    wire = bench.metrics.value("ptingest_elasticsearch_sent_bytes_total")
    assert wire == bench.es.requests[0].wire_bytes


async def test_the_backing_index_is_asked_for_with_the_first_bulk_and_every_ten_seconds(
    bench: Bench,
) -> None:
    for number, seconds in ((1, 9.0), (2, 1.0), (3, 0.0)):
        await bench.write(*keyed(number))
        bench.clock.now += seconds

    asked = ["items.*._index" in r.query["filter_path"][0] for r in bench.es.requests]
    assert asked == [True, False, True]


async def test_a_lost_answer_is_asked_for_before_anything_is_sent_again(bench: Bench) -> None:
    lost, unsent = keyed(1, 2)
    await bench.write(*keyed(0))
    bench.es.script(Reply(then="drop"))

    doubt = await bench.write(lost)
    bench.es.rollover(STREAM)
    result = await bench.write(lost, unsent, doubtful=(lost,))

    assert doubt.doubtful == (lost,)
    assert result.already_stored == [lost]
    assert ids(bench.es) == ["k0", "k1", "k2"]
    paths = [r.path.rpartition("/")[2] for r in bench.es.requests]
    assert paths == ["_bulk", "_bulk", "_mget", "_bulk", "get"]
    assert bench.metrics.value(ASKED, "found") == 1


async def test_a_conflict_is_safe_when_the_checkpoint_has_reached_what_was_begun_then(
    bench: Bench,
) -> None:
    twice = keyed(1)[0]
    await bench.write(twice)
    bench.es.unsynced = 1

    seen = [await bench.write(twice) for _ in range(2)]
    bench.es.unsynced = 0
    # More is begun meanwhile, and that of the conflict is behind the checkpoint.
    await bench.write(*keyed(2, 3))
    bench.es.unsynced = 2
    seen.append(await bench.write(twice))

    assert [one.unsynced for one in seen] == [[twice], [twice], []]
    assert [one.already_stored for one in seen] == [[], [], [twice]]
    assert ids(bench.es) == ["k1", "k2", "k3"]


async def test_a_conflict_is_looked_up_and_not_sent_again_after_a_rollover(bench: Bench) -> None:
    twice = keyed(1)[0]
    await bench.write(twice)
    bench.es.unsynced = 1
    await bench.write(twice)

    bench.es.rollover(STREAM)
    bench.es.unsynced = 0
    result = await bench.write(twice)

    assert result.already_stored == [twice]
    assert ids(bench.es) == ["k1"]
    assert len(bench.es.bulks) == 2


async def test_what_was_lost_with_its_node_is_stored_by_the_next_attempt(bench: Bench) -> None:
    twice = keyed(1)[0]
    await bench.write(twice)
    bench.es.unsynced = 1
    assert (await bench.write(twice)).unsynced == [twice]

    bench.es.forget(STREAM, "k1")
    result = await bench.write(twice)

    assert not result.already_stored
    assert not result.unsynced
    assert ids(bench.es) == ["k1"]


async def test_without_the_right_to_ask_a_conflict_is_safe_when_it_lasts_for_a_second(
    bench: Bench,
) -> None:
    twice = keyed(1)[0]
    bench.es.may_monitor = False
    await bench.write(twice)

    first = await bench.write(twice)
    bench.clock.now += 1.0
    second = await bench.write(twice)

    assert (first.unsynced, first.already_stored) == ([twice], [])
    assert (second.unsynced, second.already_stored) == ([], [twice])
    assert sum("_stats" in r.path for r in bench.es.requests) == 1


async def test_a_slow_answer_without_the_state_of_shards_is_no_second_look(bench: Bench) -> None:
    def slow() -> None:
        bench.clock.now += 60.0

    twice = keyed(1)[0]
    await bench.write(twice)
    bench.es.may_monitor, bench.es.on_shards = False, slow

    first = await bench.write(twice)
    bench.es.forget(STREAM, "k1")
    second = await bench.write(twice)

    assert (first.unsynced, first.already_stored) == ([twice], [])
    assert not second.already_stored
    assert ids(bench.es) == ["k1"]


async def test_a_window_given_up_while_shards_are_asked_for_harms_nobody(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def give_up() -> None:
        gone.receipt.fail("connection closed")
        # As another write does meanwhile.
        bench.sink._unsynced.saw(dict.fromkeys(others, Place("")), bench.clock.now)

    monkeypatch.setattr(remembered, "SWEEP_BYTES", 0)
    gone, kept, *others = keyed(1, 2, 3, 4, 5)
    await bench.write(gone, kept)
    bench.es.on_shards = give_up

    result = await bench.write(gone, kept)

    assert (result.already_stored, result.unsynced) == ([kept], [gone])


async def test_ids_of_the_config_are_looked_up_whatever_ids_says(es: FakeElasticsearch) -> None:
    bench = Bench(es, ids="none")
    named = Index(STREAM, action="create", has_own_ids=True)
    twice = msgspec.structs.replace(keyed(1)[0], target=named)
    await bench.write(twice)
    es.unsynced = 1
    await bench.write(twice)

    es.rollover(STREAM)
    es.unsynced = 0
    result = await bench.write(twice)
    await bench.sink.close()

    assert result.already_stored == [twice]
    assert ids(es) == ["k1"]


async def test_a_request_that_never_arrived_is_missing_and_sent(bench: Bench) -> None:
    lost = keyed(1)[0]
    await bench.write(*keyed(0))
    bench.es.script(Reply(then="drop", stores=False))

    await bench.write(lost)
    bench.es.rollover(STREAM)
    result = await bench.write(lost, doubtful=(lost,))

    assert not result.already_stored
    assert ids(bench.es) == ["k0", "k1"]
    assert bench.metrics.value(ASKED, "missing") == 1
    assert bench.metrics.value(POSSIBLE_DOUBLES) == 0


async def test_a_batch_that_is_wholly_found_sends_no_bulk(bench: Bench) -> None:
    lost = keyed(1)[0]
    await bench.write(*keyed(0))
    bench.es.script(Reply(then="drop"))
    await bench.write(lost)

    result = await bench.write(lost, doubtful=(lost,))

    assert result.already_stored == [lost]
    assert len(bench.es.bulks) == 2


async def test_while_the_question_has_no_answer_nothing_is_sent(bench: Bench) -> None:
    lost, new = keyed(1, 2)
    await bench.write(*keyed(0))
    bench.es.script(Reply(then="drop"))
    await bench.write(lost)
    await bench.es.stop()

    waiting = await bench.write(lost, new, doubtful=(lost,))
    await bench.es.start()
    bench.es.rollover(STREAM)
    result = await bench.write(lost, new, doubtful=(lost,))

    assert (waiting.doubtful, waiting.busy) == ([lost], [new])
    assert waiting.trouble is not None
    assert result.already_stored == [lost]
    assert ids(bench.es) == ["k0", "k1", "k2"]


async def test_a_document_that_was_missing_and_then_busy_is_not_asked_for_again(
    bench: Bench,
) -> None:
    lost = keyed(1)[0]
    await bench.write(*keyed(0))
    bench.es.script(Reply(then="drop", stores=False), Reply(status=429))

    await bench.write(lost)
    busy = await bench.write(lost, doubtful=(lost,))
    await bench.write(lost, doubtful=(lost,))

    assert list(busy.busy) == [lost]
    assert [r.path for r in bench.es.requests].count("/_mget") == 1


async def test_a_document_found_in_a_batch_that_was_too_large_is_found_again_in_its_half(
    bench: Bench,
) -> None:
    lost, new = keyed(1, 2)
    third = document(number=3, key="k3")
    await bench.write(*keyed(0))
    bench.es.script(Reply(then="drop"), Reply(status=413, product=False))
    await bench.write(lost)
    bench.es.rollover(STREAM)

    whole = await bench.write(lost, new, third, doubtful=(lost,))
    half = await bench.write(lost, new, doubtful=(lost,))

    assert whole.too_large
    assert list(whole.busy) == [lost, new, third]
    assert half.already_stored == [lost]
    assert ids(bench.es) == ["k0", "k1", "k2"]


async def test_without_the_right_to_read_a_possible_double_is_counted_and_the_line_goes_on(
    bench: Bench,
) -> None:
    lost = keyed(1)[0]
    bench.es.may_read = False
    await bench.write(*keyed(0))
    bench.es.script(Reply(then="drop"), Reply(status=429))
    await bench.write(lost)
    bench.es.rollover(STREAM)

    await bench.write(lost, doubtful=(lost,))
    result = await bench.write(lost, doubtful=(lost,))

    assert not result.busy
    assert bench.metrics.value(POSSIBLE_DOUBLES) == 1
    assert [r.path for r in bench.es.requests].count("/_mget") == 1


@pytest.mark.parametrize(("rolls_over", "doubles"), [(True, 1), (False, 0)])
async def test_without_the_right_to_read_a_conflict_may_become_a_double_that_is_counted(
    bench: Bench, rolls_over: bool, doubles: int
) -> None:
    twice = keyed(1)[0]
    bench.es.may_read, bench.es.unsynced = False, 1
    await bench.write(twice)
    await bench.write(twice)
    if rolls_over:
        bench.es.rollover(STREAM)
    else:
        bench.es.forget(STREAM, "k1")

    result = await bench.write(twice)

    assert not result.unsynced
    assert bench.metrics.value(POSSIBLE_DOUBLES) == doubles
    assert len(ids(bench.es)) == 1 + doubles


async def test_without_the_right_to_read_and_without_a_rollover_the_409_decides(
    bench: Bench,
) -> None:
    lost = keyed(1)[0]
    bench.es.may_read = False
    await bench.write(*keyed(0))
    bench.es.script(Reply(then="drop"))
    await bench.write(lost)

    result = await bench.write(lost, doubtful=(lost,))

    assert result.already_stored == [lost]
    assert bench.metrics.value(POSSIBLE_DOUBLES) == 0


async def test_a_lost_first_bulk_of_a_stream_is_decided_by_the_409(bench: Bench) -> None:
    lost = keyed(1)[0]
    bench.es.script(Reply(then="drop"))
    await bench.write(lost)

    result = await bench.write(lost, doubtful=(lost,))

    assert result.already_stored == [lost]
    assert ids(bench.es) == ["k1"]


async def test_without_keys_every_resent_doubt_is_a_possible_double(es: FakeElasticsearch) -> None:
    bench = Bench(es, ids="none")
    lost = keyed(1)[0]
    es.script(Reply(then="drop"))
    await bench.write(lost)

    await bench.write(lost, doubtful=(lost,))
    await bench.sink.close()

    assert len(es.stored(STREAM)) == 2
    assert bench.metrics.value(POSSIBLE_DOUBLES) == 1


async def test_a_cancelled_write_is_in_doubt_like_a_lost_one(bench: Bench) -> None:
    lost = keyed(1)[0]
    await bench.write(*keyed(0))
    bench.es.bulk_started.clear()
    bench.es.script(Reply(gate=asyncio.Event()))

    task = asyncio.ensure_future(bench.write(lost))
    await bench.es.bulk_started.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    bench.es.rollover(STREAM)
    result = await bench.write(lost, doubtful=(lost,))

    assert result.already_stored == [lost]


async def test_a_request_that_cannot_be_read_settles_nobody(bench: Bench) -> None:
    fault = b'{"error":{"type":"x_content_parse_exception","reason":"[1:30] no"},"status":400}'
    documents = keyed(1, 2, 3, 4)
    bench.es.script(Reply(status=400, body=fault))

    result = await bench.write(*documents)

    assert result.unreadable
    assert list(result.busy) == documents
    assert len(bench.es.requests) == 1


async def test_a_node_that_is_down_at_the_start_is_waited_for(bench: Bench) -> None:
    await bench.es.stop()

    down = await bench.write(*keyed(1))
    await bench.es.start()
    up = await bench.write(*keyed(1))

    assert (len(down.busy), len(down.doubtful)) == (1, 0)
    assert "no answer from http://127.0.0.1" in (down.trouble or "")
    assert not up.doubtful
    assert ids(bench.es) == ["k1"]


async def test_check_reports_what_it_found(bench: Bench) -> None:
    findings = await bench.sink.check()

    assert [f.subject for f in findings] == ["reachable", "login", "rights", "template"]
    assert all(f.is_ok for f in findings)
