"""Small batches: who waits, who never does, how long."""

from __future__ import annotations

from ptingest.delivery.company import WAIT_SECONDS, Company


def test_the_first_leaves_at_once() -> None:
    assert Company().leaves_at(["a"]) < 0


def test_the_next_of_somebody_else_waits_for_company_behind_the_last() -> None:
    company = Company()
    company.left(["a", "b"], 100.0)

    assert company.leaves_at(["c", "d"]) == 100.0 + WAIT_SECONDS


def test_who_comes_back_takes_all_along_at_once() -> None:
    company = Company()
    company.left(["a", "b"], 100.0)

    assert company.leaves_at(["c", "b"]) <= 100.0


def test_only_the_last_batch_counts() -> None:
    company = Company()
    company.left(["a"], 100.0)
    company.left(["b"], 100.01)

    assert company.leaves_at(["a"]) == 100.01 + WAIT_SECONDS


def test_what_nobody_sent_waits_for_nobody() -> None:
    company = Company()
    company.left(["a"], 100.0)

    assert company.leaves_at([""]) <= 100.0
