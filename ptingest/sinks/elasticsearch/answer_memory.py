"""Reads HTTP answers of Elasticsearch and Kibana, and of whatever else answers there, within a
limit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import aiohttp

ANSWER_BYTES = 64 << 20
"""Of all answers that come at one moment, as they came and inflated; it is generous: a bulk
of 10,000 documents that are all refused is answered with 5 MB, an export of our objects in
Kibana has 100 KB."""


class AnswerTooLarge(Exception):
    """An answer is longer than anything we ask for; the rest of it was not read."""


class AnswerMemory:
    """Bytes of all answers that are being read at one moment; together they have a limit."""

    def __init__(self, limit: int = ANSWER_BYTES) -> None:
        self.limit = limit
        self.held = 0

    async def read(self, response: aiohttp.ClientResponse) -> bytes:
        """Read and inflate a body as it comes.

        Raises:
            AnswerTooLarge: it goes on beyond what is free; its connection was closed.
        """
        parts: list[bytes] = []
        held = 0
        try:
            async for part in response.content.iter_any():
                held += len(part)
                self.held += len(part)
                if self.held > self.limit:
                    response.close()
                    raise AnswerTooLarge(
                        f"an answer of more than {self.limit >> 20} MiB, which nothing that we ask "
                        "for has; what stands at this address?"
                    )
                parts.append(part)
            return b"".join(parts)
        finally:
            self.held -= held
