"""Requeue and purge in a running worker: done only when safe, left where not."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from ptingest.dead_letters.queue import read_letters
from ptingest.errors import JobRefused
from ptingest.model.document import Document
from ptingest.model.letters import LetterFilter, Order, Tally
from ptingest.model.outcome import Refusal, WriteResult
from ptingest.server.requeue import RequeueJobs
from ptingest.server.requeue_sources import CHUNK_BYTES, chosen_letters, next_chunk
from tests.support.letters import EVERYTHING, file_letters, letter, waiting
from tests.support.raw_peer import event
from tests.support.serving import MemorySink, Server, serving
from tests.support.waiting import PATIENCE_SECONDS


async def carried_out(server: Server, order: Order) -> Tally:
    jobs: RequeueJobs = server.worker.parts.jobs
    jobs.begin(order)
    return await jobs.finish()


class Refusing(MemorySink):
    """Never takes a document."""

    async def write(
        self, documents: Sequence[Document], doubtful: frozenset[Document]
    ) -> WriteResult:
        self.documents += documents
        return WriteResult(refused=[Refusal(one, "mapping", "never") for one in documents])


async def test_requeued_letters_are_stored_under_their_keys_and_leave(tmp_path: Path) -> None:
    letters = [letter(1, key="K1"), letter(2), letter(3, key="K3")]
    ids = file_letters(tmp_path / "data", letters)
    async with serving(tmp_path) as server:
        tally = await carried_out(server, Order("requeue", EVERYTHING))

        assert (tally.chosen, tally.stored, tally.settled) == (3, 3, 3)
        assert sorted(server.sink.keys) == sorted(["K1", ids[1], "K3"])
        assert {one.peer for one in server.sink.documents} == {"192.0.2.7:51234"}
        assert server.metric("ptingest_flow_received_events_total", "django") == 3
        assert server.metric("ptingest_dead_letters_requeued_events_total", "stored") == 3
        assert set(server.residues()) == {0}
        assert list((tmp_path / "data" / "dead_letters").iterdir()) == []


async def test_requeueing_twice_doubles_nothing(tmp_path: Path) -> None:
    letters = [letter(number, key=None if number % 2 else f"K{number}") for number in range(50)]
    async with serving(tmp_path) as server:
        for _ in range(2):
            file_letters(tmp_path / "data", letters)  # as if no mark had survived
            tally = await carried_out(server, Order("requeue", EVERYTHING))

        assert (tally.chosen, tally.already_stored) == (50, 50)
        assert sorted(server.sink.messages) == sorted(set(server.sink.messages))
        assert len(server.sink.messages) == 50


async def test_only_the_letters_meant_are_put_through(tmp_path: Path) -> None:
    ids = file_letters(tmp_path / "data", [letter(number) for number in range(4)])
    async with serving(tmp_path) as server:
        tally = await carried_out(server, Order("requeue", LetterFilter(ids=(ids[1], ids[3]))))

        assert tally.stored == 2
        assert [message[-2:] for message in server.sink.messages] == ["n1", "n3"]
        assert len(waiting(tmp_path / "data")) == 2


async def test_a_letter_refused_again_is_a_new_letter_and_never_goes_round(
    tmp_path: Path,
) -> None:
    file_letters(tmp_path / "data", [letter(1), letter(2, payload=b"no json")])
    async with serving(tmp_path, sink=Refusing()) as server:
        tally = await carried_out(server, Order("requeue", EVERYTHING))

        stored = list(read_letters(tmp_path / "data" / "dead_letters"))
        assert (tally.chosen, tally.dead_lettered) == (2, 2)
        assert sorted(one.letter.reason for one in stored) == ["mapping", "not_json"]
        # Each keeps the id it had as key, so that another round is recognised.
        assert {one.letter.key for one in stored} == {f"{number:026d}" for number in range(2)}
        assert len(server.sink.documents) == 1
        assert set(server.residues()) == {0}


async def test_what_a_rule_drops_now_is_done(tmp_path: Path) -> None:
    file_letters(tmp_path / "data", [letter(1, payload=event(group="crm"))])
    async with serving(tmp_path) as server:
        tally = await carried_out(server, Order("requeue", EVERYTHING))

        assert (tally.dropped, waiting(tmp_path / "data")) == (1, [])


async def test_without_room_for_a_new_letter_the_old_one_stays(tmp_path: Path) -> None:
    good, bad = letter(1), letter(2, payload=b"x" * 1500)
    file_letters(tmp_path / "data", [bad, good])
    async with serving(tmp_path, dead_letters={"max_bytes": "2KiB"}) as server:
        tally = await carried_out(server, Order("requeue", EVERYTHING))

        assert (tally.stored, tally.left) == (1, 1)
        assert "dead_letters.max_bytes" in str(tally.left_because)
        assert waiting(tmp_path / "data") == ["template_missing"]


async def test_what_is_not_settled_in_time_stays(tmp_path: Path) -> None:
    file_letters(tmp_path / "data", [letter(number) for number in range(3)])
    async with serving(tmp_path) as server:
        server.sink.open.clear()

        tally = await carried_out(server, Order("requeue", EVERYTHING, seconds=0.1))

        assert (tally.chosen, tally.left, tally.settled) == (3, 3, 0)
        assert tally.left_because == "not settled within 0.1 s"
        assert len(waiting(tmp_path / "data")) == 3
        server.sink.open.set()
        again = await carried_out(server, Order("requeue", EVERYTHING))
        assert again.settled == 3
        assert len(set(server.sink.messages)) == len(server.sink.messages) == 3
        assert set(server.residues()) == {0}


async def test_a_stop_ends_the_order_and_leaves_the_rest(tmp_path: Path) -> None:
    file_letters(tmp_path / "data", [letter(1)])
    async with serving(tmp_path) as server:
        jobs = server.worker.parts.jobs
        server.sink.open.clear()
        jobs.begin(Order("requeue", EVERYTHING))
        await server.sink.asked.wait()

        await jobs.stop("the server is stopping")

        assert jobs.progress()["finished"]
        assert (await jobs.finish()).left_because == "the server is stopping"
        with pytest.raises(JobRefused, match="the server is stopping"):
            jobs.begin(Order("purge", EVERYTHING))
    assert len(waiting(tmp_path / "data")) == 1


async def test_one_order_at_a_time(tmp_path: Path) -> None:
    file_letters(tmp_path / "data", [letter(1)])
    async with serving(tmp_path) as server:
        jobs = server.worker.parts.jobs
        server.sink.open.clear()
        jobs.begin(Order("requeue", EVERYTHING))
        with pytest.raises(JobRefused, match="a requeue is already running"):
            jobs.begin(Order("purge", EVERYTHING))

        server.sink.open.set()
        await jobs.finish()

        assert jobs.begin(Order("purge", EVERYTHING))["number"] == 2
        await jobs.finish()


async def test_beats_are_served_while_letters_wait_for_their_sink(tmp_path: Path) -> None:
    """Letters on their way are bounded, so that they never fill the budget."""
    file_letters(tmp_path / "data", [letter(n, payload=event("x" * 500_000)) for n in range(60)])
    async with serving(tmp_path) as server:
        server.sink.open.clear()
        server.worker.parts.jobs.begin(Order("requeue", EVERYTHING))
        await server.sink.asked.wait()
        budget = server.worker.parts.budget

        async with asyncio.timeout(PATIENCE_SECONDS):
            await budget.take(budget.limit // 4)  # a Beat's window finds room at once

        budget.release(budget.limit // 4)
        progress = server.worker.parts.jobs.progress()
        assert progress["open_bytes"] <= progress["open_limit_bytes"]  # type: ignore[operator]
        server.sink.open.set()
        assert (await server.worker.parts.jobs.finish()).stored == 60


async def test_purged_letters_are_gone_and_counted(tmp_path: Path) -> None:
    file_letters(tmp_path / "data", [letter(1), letter(2, payload=b"no json")])
    async with serving(tmp_path) as server:
        tally = await carried_out(server, Order("purge", EVERYTHING))

        assert (tally.purged, tally.settled, tally.left) == (2, 2, 0)
        assert waiting(tmp_path / "data") == []
        assert server.metric("ptingest_dead_letters_dropped_events_total", "purged") == 2
        assert server.sink.documents == []


async def test_status_tells_how_far_the_order_is(tmp_path: Path) -> None:
    file_letters(tmp_path / "data", [letter(1)])
    async with serving(tmp_path) as server:
        before = server.worker.parts.jobs.progress()
        await carried_out(server, Order("purge", EVERYTHING))
        status = server.worker.view.status()["dead_letters"]

    assert before == {"number": 0, "what": None, "finished": True}
    assert status["requeue_job"]["tally"]["purged"] == 1  # type: ignore[index]


def test_a_chunk_is_bounded_in_bytes(tmp_path: Path) -> None:
    size = CHUNK_BYTES // 2
    file_letters(tmp_path, [letter(n, payload=b"x" * size) for n in range(5)])
    letters = chosen_letters(tmp_path / "dead_letters", EVERYTHING)

    sizes = [len(next_chunk(letters)) for _ in range(4)]

    assert sizes == [2, 2, 1, 0]
