from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ptingest.sinks.store.maintenance import extend_index
from ptingest.sinks.store.read.snapshot import StoreQuery, in_bounds, snapshot
from ptingest.sinks.store.schema import LONG_CHARACTERS, open_reader, open_writer, transaction
from tests.support.store_documents import insert, messages

NOW = datetime(2025, 1, 3, tzinfo=UTC)


def test_a_moment_stays_as_it_was_and_leaves_nothing_behind(tmp_path: Path) -> None:
    writer = open_writer(tmp_path / "store.sqlite")
    with transaction(writer):
        insert(writer, messages("one parcel", "two parcels"))
    extend_index(writer, 1)
    with transaction(writer):
        insert(writer, messages("a third parcel"))
    reader = open_reader(tmp_path / "store.sqlite")
    question = StoreQuery("parcel")

    for _ in range(2):
        with snapshot(reader, question, now=NOW) as query:
            with transaction(writer):
                insert(writer, messages("a parcel that came later"))
            where = in_bounds(query, question)
            ids = reader.execute(f"SELECT id FROM documents WHERE {where.sql}").fetchall()

    assert ids == [(1,), (3,), (4,)]
    assert not reader.in_transaction
    assert reader.execute("SELECT count(*) FROM temp.sqlite_master").fetchone() == (0,)
    reader.close()
    writer.close()


def test_words_are_looked_for_behind_a_document_only_where_asked(tmp_path: Path) -> None:
    writer = open_writer(tmp_path / "store.sqlite")
    with transaction(writer):
        insert(writer, messages("one parcel", "two", "a parcel"))

    with snapshot(writer, StoreQuery("parcel"), now=NOW, after_id=1) as query:
        found = writer.execute("SELECT id FROM temp.found_0").fetchall()

    assert (found, query.required) == ([(3,)], ["found_0"])
    writer.close()


@pytest.mark.parametrize("query", ["parcel", "parc*", '"late parcel"', "other or parcel"])
@pytest.mark.parametrize("indexed", [True, False])
def test_words_of_messages_too_long_for_the_text_index_are_found(
    query: str, indexed: bool, tmp_path: Path
) -> None:
    writer = open_writer(tmp_path / "store.sqlite")
    filling = "x " * LONG_CHARACTERS
    with transaction(writer):
        insert(writer, messages(filling + "a late Parcel", filling, "a late parcel"))
    if indexed:
        extend_index(writer, 1)

    with snapshot(writer, StoreQuery(query), now=NOW) as asked:
        found = writer.execute(f"SELECT id FROM documents WHERE {asked.sql}").fetchall()
    with snapshot(writer, StoreQuery(query), now=NOW, after_id=1) as asked:
        later = writer.execute(f"SELECT id FROM documents WHERE {asked.sql}").fetchall()

    assert (found, later) == ([(1,), (3,)], [(3,)])
    writer.close()
