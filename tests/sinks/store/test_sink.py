from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from ptingest.model.document import DataStream, Index
from ptingest.model.outcome import WriteResult
from ptingest.settings.sinks import StoreSettings
from ptingest.sinks.store.schema import INDEX_STEP, index_end
from ptingest.sinks.store.sink import LARGE_BYTES, StoreSink
from tests.support.store_documents import SetClock, document, messages, raw_document


@pytest.fixture
async def sink(tmp_path: Path) -> AsyncIterator[StoreSink]:
    sink = StoreSink(StoreSettings(), path=tmp_path / "store.sqlite", clock=SetClock())
    yield sink
    await sink.close()


def stored(folder: Path, what: str = "message") -> list[object]:
    with contextlib.closing(sqlite3.connect(folder / "store.sqlite")) as connection:
        rows = connection.execute(f"SELECT {what} FROM documents ORDER BY id").fetchall()
    return [row[0] for row in rows]


async def test_what_is_called_stored_is_in_the_file(sink: StoreSink, tmp_path: Path) -> None:
    result = await sink.write(messages("a", "b"), frozenset())

    assert (result.already_stored, result.refused, result.busy, result.trouble) == (
        (),
        [],
        (),
        None,
    )
    assert stored(tmp_path) == ["a", "b"]


async def test_how_large_its_file_is_can_be_told(sink: StoreSink, tmp_path: Path) -> None:
    before = sink.room()
    await sink.write(messages("x" * 100_000), frozenset())
    await sink.write(messages("b"), frozenset())  # after the first one's maintenance
    told = sink.room()["bytes"]
    await sink.close()

    assert (before["bytes"], before["limit_bytes"]) == (None, 10 << 30)
    assert told == (tmp_path / "store.sqlite").stat().st_size


async def test_the_body_is_kept_byte_for_byte(sink: StoreSink, tmp_path: Path) -> None:
    body = '{ "message" : "Żółć 📦", "n": 1.0, "n": 2, "deep":{"\\u0000":[1e400]} }'.encode()

    await sink.write([raw_document(body)], frozenset())

    assert stored(tmp_path, "body") == [body.decode()]


@pytest.mark.timeout(60)
async def test_a_giant_is_stored_as_any_other(sink: StoreSink, tmp_path: Path) -> None:
    fields = {"message": "Żółć 📦\n" * 200_000, "service": "django", "n": 1}
    giant = document(fields, key="k")
    assert len(giant.body) > LARGE_BYTES

    first = await sink.write([giant], frozenset())
    again = await sink.write([giant], frozenset())

    assert (first.already_stored, first.refused) == ((), [])
    assert list(again.already_stored) == [giant]
    assert stored(tmp_path, "typeof(message) || typeof(body) || service") == ["texttextdjango"]
    assert stored(tmp_path, "body") == [giant.body.decode()]
    assert stored(tmp_path) == [fields["message"]]


@pytest.mark.timeout(60)
async def test_a_giant_that_is_no_text_is_refused_as_any_other(
    sink: StoreSink, tmp_path: Path
) -> None:
    broken = raw_document(b'"' + b"x" * LARGE_BYTES + b'\xff"')
    cut = raw_document(b'"' + b"x" * LARGE_BYTES + b"\xe2\x98")

    results = [await sink.write([one], frozenset()) for one in (broken, cut)]

    assert [r.refused[0].reason for r in results] == ["store_refused"] * 2
    assert stored(tmp_path) == []


@pytest.mark.timeout(60)
async def test_a_giants_body_never_becomes_a_text(sink: StoreSink) -> None:
    await sink.write(messages("a"), frozenset())
    giant = raw_document(b'{"other":"' + "📦".encode() * 1_000_000 + b'"}')

    tracemalloc.start()
    try:
        await sink.write([giant], frozenset())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    # As text it would take as much again, and the same once more for SQLite.
    assert peak < len(giant.body)


async def test_exactly_the_documents_stored_before_are_named(sink: StoreSink) -> None:
    other = DataStream("logs", "nginx", "pt")
    await sink.write([document({}, key=f"k{n}") for n in (1, 3)], frozenset())
    again = [document({}, key=f"k{n}") for n in range(5)]
    elsewhere = document({}, key="k1", data_stream=other)

    result = await sink.write([*again, elsewhere], frozenset(again))

    assert list(result.already_stored) == [again[1], again[3]]


async def test_an_action_index_overwrites_the_document_of_its_id(
    sink: StoreSink, tmp_path: Path
) -> None:
    place = Index("orders", "index", has_own_ids=True)
    texts = ("old", "new", "newest")
    old, new, newest = (
        msgspec.structs.replace(document({"message": text}, key="7"), target=place)
        for text in texts
    )
    await sink.write([old], frozenset())
    await sink.write([document({"message": "beside"}, key="7")], frozenset())

    result = await sink.write([new, newest], frozenset())

    assert result == WriteResult(refused=[])
    with contextlib.closing(sqlite3.connect(tmp_path / "store.sqlite")) as connection:
        found = connection.execute("SELECT data_stream, message FROM documents ORDER BY 1")
        assert found.fetchall() == [("logs-django-pt", "beside"), ("orders", "newest")]


async def test_what_may_not_overwrite_leaves_the_old_document(
    sink: StoreSink, tmp_path: Path
) -> None:
    place = Index("orders", "index", has_own_ids=True)
    old = msgspec.structs.replace(document({"message": "old"}, key="7"), target=place)
    await sink.write([old], frozenset())
    broken = msgspec.structs.replace(old, body=b'{"message":"\xff"}')

    result = await sink.write([broken], frozenset())

    assert [refusal.document for refusal in result.refused] == [broken]
    with contextlib.closing(sqlite3.connect(tmp_path / "store.sqlite")) as connection:
        assert connection.execute("SELECT message FROM documents").fetchall() == [("old",)]


async def test_of_two_with_one_key_in_a_batch_the_first_is_stored(
    sink: StoreSink, tmp_path: Path
) -> None:
    first, second = (document({"message": text}, key="same") for text in ("first", "second"))

    result = await sink.write([first, second], frozenset())

    assert list(result.already_stored) == [second]
    assert stored(tmp_path) == ["first"]


async def test_documents_without_a_key_are_never_taken_for_one_another(
    sink: StoreSink, tmp_path: Path
) -> None:
    batch = messages("same", "same")

    await sink.write(batch, frozenset())
    result = await sink.write(batch, frozenset(batch))

    assert result.already_stored == ()
    assert stored(tmp_path) == ["same"] * 4


async def test_one_bad_row_is_refused_and_the_others_are_stored(
    sink: StoreSink, tmp_path: Path
) -> None:
    await sink.write(messages("before"), frozenset())
    with contextlib.closing(sqlite3.connect(tmp_path / "store.sqlite")) as connection:
        connection.execute(
            "CREATE TRIGGER no_poison BEFORE INSERT ON documents WHEN new.message = 'poison' "
            "BEGIN SELECT RAISE(ABORT, 'no poison here'); END"
        )
    kept = document({"message": "kept"}, key="k")
    known = document({"message": "again"}, key="k")
    poison, broken = document({"message": "poison"}), raw_document(b'"\xff"')

    result = await sink.write([kept, poison, known, broken], frozenset())

    assert [(r.document, r.reason) for r in result.refused] == [
        (poison, "store_refused"),
        (broken, "store_refused"),
    ]
    assert "no poison here" in result.refused[0].detail
    assert list(result.already_stored) == [known]
    assert stored(tmp_path) == ["before", "kept"]


@pytest.mark.timeout(60)
@pytest.mark.slow
async def test_a_check_calls_a_broken_file_the_end_of_writing_and_a_lock_not(
    tmp_path: Path,
) -> None:
    found = {}
    for name in ("broken", "locked"):
        path = tmp_path / name
        sink = StoreSink(StoreSettings(), path=path, clock=SetClock())
        if name == "broken":
            path.write_text("no database, but long enough to be asked for its header" * 20)
            (found[name],) = await sink.check()
        else:
            with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
                other.execute("PRAGMA locking_mode = EXCLUSIVE")
                other.execute("BEGIN EXCLUSIVE")
                (found[name],) = await sink.check()
        await sink.close()

    assert {name: (one.is_ok, one.stops_all) for name, one in found.items()} == {
        "broken": (False, True),
        "locked": (False, False),
    }


@pytest.mark.timeout(60)
@pytest.mark.slow
async def test_a_locked_file_is_busy_and_then_taken(sink: StoreSink, tmp_path: Path) -> None:
    await sink.write(messages("before"), frozenset())
    batch = messages("a")
    other = sqlite3.connect(tmp_path / "store.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    locked = await sink.write(batch, frozenset())
    other.execute("ROLLBACK")
    other.close()
    later = await sink.write(batch, frozenset())

    assert list(locked.busy) == batch
    assert "locked by another program" in str(locked.trouble)
    assert (list(later.busy), later.trouble) == ([], None)
    assert stored(tmp_path) == ["before", "a"]


async def test_a_full_disk_is_busy_and_recovers(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    sink = StoreSink(StoreSettings(), path=path, clock=SetClock())
    await sink.write(messages("before"), frozenset())
    assert sink._connection is not None
    (pages,) = sink._connection.execute("PRAGMA page_count").fetchone()
    sink._connection.execute(f"PRAGMA max_page_count = {pages}")  # SQLite's own full disk
    batch = messages(*("x" * 5000 for _ in range(20)))

    full = await sink.write(batch, frozenset())
    later = await sink.write(batch, frozenset())  # the connection is new: room again
    await sink.close()

    assert list(full.busy) == batch
    assert "no room" in str(full.trouble)
    assert later.trouble is None
    assert len(stored(tmp_path)) == 21


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(
            b"this is no database at all" * 400, "damaged or no database", id="no database"
        ),
        pytest.param(b"", None, id="an empty file is taken over"),
    ],
)
async def test_a_file_that_is_no_store_is_trouble(
    tmp_path: Path, content: bytes, words: str | None
) -> None:
    path = tmp_path / "store.sqlite"
    path.write_bytes(content)
    sink = StoreSink(StoreSettings(), path=path, clock=SetClock())
    batch = messages("a")

    result = await sink.write(batch, frozenset())
    findings = await sink.check()
    await sink.close()

    if words is None:
        assert result.trouble is None
        assert findings[0].is_ok
    else:
        assert list(result.busy) == batch
        assert words in str(result.trouble)
        assert not findings[0].is_ok


async def test_somebody_elses_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE recipes (name TEXT)")
    before = path.read_bytes()
    sink = StoreSink(StoreSettings(), path=path, clock=SetClock())

    result = await sink.write(messages("a"), frozenset())
    await sink.close()

    assert "no ptingest store" in str(result.trouble)
    assert path.read_bytes() == before


async def test_a_file_removed_while_in_use_is_made_anew(sink: StoreSink, tmp_path: Path) -> None:
    await sink.write(messages("lost with the file"), frozenset())
    remove_all(tmp_path)

    result = await sink.write(messages("a"), frozenset())

    assert result.trouble is None
    assert stored(tmp_path) == ["a"]


GONE = pytest.mark.parametrize("gone", [("-wal",), ("-shm",), ("-wal", "-shm")], ids="".join)


def remove_beside(folder: Path, suffixes: tuple[str, ...]) -> None:
    for suffix in suffixes:
        (folder / f"store.sqlite{suffix}").unlink()


def without_maintenance(sink: StoreSink) -> None:
    """What is written from now on stays in the log alone."""
    sink._tidy = lambda: None  # type: ignore[method-assign]


def check_integrity(folder: Path) -> None:
    with contextlib.closing(sqlite3.connect(folder / "store.sqlite")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@GONE
async def test_a_log_removed_while_in_use_loses_nothing_that_was_stored(
    gone: tuple[str, ...], sink: StoreSink, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await sink.write(messages("a"), frozenset())
    without_maintenance(sink)
    await sink.write(messages("b"), frozenset())
    remove_beside(tmp_path, gone)

    result = await sink.write(messages("c"), frozenset())

    assert result.trouble is None
    assert stored(tmp_path) == ["a", "b", "c"]
    assert "what it held was saved" in caplog.text
    check_integrity(tmp_path)


@GONE
async def test_several_workers_save_a_removed_log_and_ack_no_more_until_a_restart(
    gone: tuple[str, ...], tmp_path: Path
) -> None:
    path = tmp_path / "store.sqlite"
    sinks = [
        StoreSink(StoreSettings(), path=path, clock=SetClock(), is_alone=False) for _ in range(2)
    ]
    for sink, text in zip(sinks, "ab", strict=True):
        await sink.write(messages(text), frozenset())
        without_maintenance(sink)
        await sink.write(messages(text * 2), frozenset())
    remove_beside(tmp_path, gone)

    results = [await sink.write(messages("c"), frozenset()) for sink in sinks]
    saved = sorted(map(str, stored(tmp_path)))
    for sink in sinks:
        await sink.close()

    assert ["restart the server" in str(one.trouble) for one in results] == [True, True]
    assert [len(one.busy) for one in results] == [1, 1]
    assert saved == ["a", "aa", "b", "bb"]
    check_integrity(tmp_path)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
async def test_a_file_that_was_cut_is_acked_no_more_until_it_is_moved_aside(
    share: float, sink: StoreSink, tmp_path: Path
) -> None:
    path = tmp_path / "store.sqlite"
    await sink.write(messages(*(f"{n} " + "x" * 5000 for n in range(50))), frozenset())
    await sink.maintain()  # copied from the log into the file
    os.truncate(path, int(path.stat().st_size * share))

    cut = await sink.write(messages("b"), frozenset())
    (finding,) = await sink.check()
    size = path.stat().st_size
    await sink.maintain()
    untouched = path.stat().st_size == size
    remove_all(tmp_path)
    after = await sink.write(messages("c"), frozenset())

    assert len(cut.busy) == 1
    assert "was cut while in use" in str(cut.trouble)
    assert "nothing is acked" in str(cut.trouble)
    assert (finding.is_ok, finding.stops_all) == (False, True)
    assert untouched
    assert after.trouble is None
    assert stored(tmp_path) == ["c"]


async def test_a_store_that_grows_and_shrinks_is_never_taken_for_cut(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    one, two = (StoreSink(StoreSettings(), path=path, clock=SetClock()) for _ in range(2))

    for number in range(20):
        for sink in (one, two):
            result = await sink.write(messages(f"{number} " + "x" * 50_000), frozenset())
            assert result.trouble is None
        if number == 10:
            with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
                connection.execute("DELETE FROM documents")
                connection.execute("PRAGMA incremental_vacuum").fetchall()
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    await one.close()
    await two.close()


def remove_all(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()


async def test_two_writers_share_one_file(tmp_path: Path) -> None:
    one, two = (
        StoreSink(StoreSettings(), path=tmp_path / "store.sqlite", clock=SetClock())
        for _ in range(2)
    )
    mine, same = document({"message": "mine"}, key="k"), document({"message": "same"}, key="k")

    await one.write([mine], frozenset())
    result = await two.write([same, *messages("theirs")], frozenset())
    await one.close()
    await two.close()

    assert list(result.already_stored) == [same]
    assert stored(tmp_path) == ["mine", "theirs"]


async def test_no_table_has_more_rows_than_the_documents(sink: StoreSink, tmp_path: Path) -> None:
    counts = []
    for size in (1, 1, 3, INDEX_STEP, 7):
        await sink.write(messages(*("some words of text" for _ in range(size))), frozenset())
        await sink.check()  # runs after the maintenance, on the same thread
        counts.append(table_rows(tmp_path / "store.sqlite"))

    assert [rows["documents"] for rows in counts] == [1, 2, 5, 5 + INDEX_STEP, 12 + INDEX_STEP]
    assert all(max(rows.values()) == rows["documents"] for rows in counts)
    assert "documents_text" in counts[-1]


def table_rows(path: Path) -> dict[str, int]:
    connection = sqlite3.connect(path)
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    rows = {
        name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]
        for (name,) in names
    }
    connection.close()
    return rows


async def test_closing_leaves_one_file(tmp_path: Path) -> None:
    sink = StoreSink(StoreSettings(), path=tmp_path / "store.sqlite", clock=SetClock())
    await sink.write(messages("a"), frozenset())

    await sink.close()

    assert os.listdir(tmp_path) == ["store.sqlite"]


_WRITER = """
import asyncio, sys
from pathlib import Path
from ptingest.settings.sinks import StoreSettings
from ptingest.sinks.store.sink import LARGE_BYTES, StoreSink
from tests.support.store_documents import SetClock, document

async def main():
    sink = StoreSink(StoreSettings(), path=Path(sys.argv[1]), clock=SetClock())
    for batch in range(10_000):
        result = await sink.write(
            [document({"message": f"{batch} {n}"}, key=f"{batch}-{n}") for n in range(700)],
            frozenset(),
        )
        assert result.trouble is None, result.trouble
        print((batch + 1) * 700, flush=True)

asyncio.run(main())
"""


@pytest.mark.timeout(30)
@pytest.mark.parametrize("reports", [1, 5, 9], ids="after {} commits".format)
def test_what_was_stored_survives_kill_9(tmp_path: Path, reports: int) -> None:
    path = tmp_path / "store.sqlite"
    writer = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None

    reported = [int(writer.stdout.readline()) for _ in range(reports)]
    os.kill(writer.pid, signal.SIGKILL)
    reported += [int(line) for line in writer.stdout.read().split()]
    writer.wait()
    writer.stdout.close()

    with contextlib.closing(sqlite3.connect(path)) as connection:
        (rows,) = connection.execute("SELECT count(*) FROM documents").fetchone()
        (sound,) = connection.execute("PRAGMA integrity_check").fetchone()
    assert rows >= reported[-1]
    assert rows % 700 == 0
    assert sound == "ok"


async def test_of_several_writers_one_does_maintenance_for_all(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    keeper, other = (
        StoreSink(StoreSettings(), path=path, clock=SetClock(), does_maintenance=keeps)
        for keeps in (True, False)
    )
    await keeper.maintain()  # there is nothing yet
    assert not path.exists()
    await other.write(messages(*["a word"] * INDEX_STEP), frozenset())
    await other.check()  # waits until its own maintenance is over

    def indexed() -> int:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            return index_end(connection)

    assert indexed() == 0
    await keeper.maintain()  # has written nothing itself
    assert indexed() == INDEX_STEP
    await other.close()
    await keeper.close()
