"""Large documents have a budget of their own, and small ones never wait for them."""

from __future__ import annotations

import asyncio

from ptingest.delivery.batch import cost_of
from ptingest.delivery.document_budget import DocumentBudget
from ptingest.model.document import LARGE_BYTES, DataStream, Document
from ptingest.model.receipt import Receipt
from tests.support.waiting import PATIENCE_SECONDS

MIB = 1 << 20


def document(payload_bytes: int) -> Document:
    stream = DataStream("logs", "pt", "default")
    receipt = Receipt(lambda _: None)
    return Document(stream, b"{}", None, receipt, b"x" * payload_bytes, "django", "192.0.2.7:1")


async def test_small_ones_pass_large_ones_that_wait_for_each_other() -> None:
    budget = DocumentBudget(4 * MIB)
    large, small = budget.budget_for(LARGE_BYTES + 1), budget.budget_for(LARGE_BYTES)

    await large.take(9 * MIB)
    waiting = asyncio.ensure_future(large.take(9 * MIB))
    await asyncio.sleep(0)  # no race: nothing but turns of this loop decides
    async with asyncio.timeout(PATIENCE_SECONDS):
        await small.take(4 * MIB)

    assert not waiting.done()
    assert budget.total == 13 * MIB
    large.release(9 * MIB)
    await waiting
    assert budget.total == 13 * MIB


async def test_documents_give_back_what_they_were_charged_in_either_pot() -> None:
    budget = DocumentBudget(4 * MIB)
    documents = [document(size) for size in (10, LARGE_BYTES, LARGE_BYTES + 1, 9 * MIB)]
    for one in documents:
        budget.budget_for(len(one.payload)).charge(one.cost)
    assert budget.outstanding == cost_of(documents[:2])
    assert budget.total == cost_of(documents)

    budget.let_go(documents[1:3])
    assert (budget.outstanding, budget.large.outstanding) == (documents[0].cost, documents[3].cost)
    budget.let_go(documents[::3])

    assert budget.total == 0


def test_both_pots_follow_the_limit() -> None:
    budget = DocumentBudget(4 * MIB)

    budget.resize(8 * MIB)

    assert (budget.limit, budget.large.limit) == (8 * MIB, 4 * MIB)
