"""Answers are read within one limit for all that come at one moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ptingest.sinks.elasticsearch.answer_memory import AnswerMemory, AnswerTooLarge


async def test_answers_that_come_at_one_moment_share_their_memory() -> None:
    memory = AnswerMemory(100)
    first, second = (Trickle(b"x" * 60) for _ in range(2))

    one = asyncio.create_task(memory.read(first.response))
    await first.is_read.wait()
    with pytest.raises(AnswerTooLarge):
        await memory.read(second.response)
    assert (first.is_closed, second.is_closed) == (False, True)
    first.may_end.set()

    assert await one == b"x" * 60
    assert memory.held == 0


class Trickle:
    """A body that comes in one piece and ends when it may."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.is_read, self.may_end = asyncio.Event(), asyncio.Event()
        self.response: Any = self
        self.content = self
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True

    async def iter_any(self) -> AsyncIterator[bytes]:
        yield self._body
        self.is_read.set()
        await self.may_end.wait()
