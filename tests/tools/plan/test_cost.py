from __future__ import annotations

import pytest

from ptingest.tools.plan.cost import CORPUS_BYTES, DEFAULT, LOGSDB, cost_of, price_of, savings

BEST = {"codec": "best_compression"}


def test_the_streams_own_size_is_the_measure_once_it_holds_enough() -> None:
    few = cost_of(CORPUS_BYTES, BEST, documents=10, stored_bytes=1_000_000)
    many = cost_of(CORPUS_BYTES, BEST, documents=10_000, stored_bytes=5_000_000)

    assert (few.bytes_a_document, few.is_measured) == (pytest.approx(DEFAULT.stored_bytes), False)
    assert (many.bytes_a_document, many.is_measured) == (500, True)


def test_what_a_day_takes() -> None:
    cost = cost_of(CORPUS_BYTES, BEST, documents=10_000, stored_bytes=5_000_000)

    assert cost.bytes_a_day(2) == 500 * 2 * 86_400
    assert cost.cores(1e6) == pytest.approx(DEFAULT.cpu_us)


def test_only_options_that_are_not_in_use_save_anything() -> None:
    assert price_of({"mode": "logsdb"}) == LOGSDB
    assert [name for name, _, _ in savings({}, has_original=True)] == [
        "best_compression", "logsdb", "no event.original",
    ]  # fmt: skip
    assert [name for name, _, _ in savings(BEST, has_original=False)] == ["logsdb"]
    assert savings({"mode": "logsdb"}, has_original=False) == []
    assert all(0 < share < 1 for _, _, share in savings({}, has_original=True))
