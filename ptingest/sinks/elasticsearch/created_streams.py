"""Creates data streams before their first bulk, for clusters whose bulks cannot require them.

A bulk to OpenSearch makes a plain index where no template matches, and nothing turns that into a
data stream again. So each data stream is created by its name first, with one request, and not
again once it is known to be there. Where that is refused its documents wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from urllib.parse import quote

from ptingest.model.document import DataStream, Target
from ptingest.sinks.elasticsearch.answer import Answer, Requester, error_answer_of
from ptingest.sinks.elasticsearch.item_errors import stream_trouble

MOST_KNOWN = 4096
"""Names kept; more than the shards that a small cluster may have."""

Lack = tuple[str, str]
"""The label of a data stream's trouble, and the detail."""


class CreatedStreams:
    """The data streams of one cluster that are known to be there."""

    def __init__(self, client: Requester) -> None:
        self._client = client
        self._known: set[str] = set()

    async def lacking(self, targets: Iterable[Target]) -> Mapping[str, Lack] | Answer:
        """Create what is not known yet; return what is refused, by the target's name.

        An ``Answer`` instead is not about one data stream: nothing can be written now.
        """
        streams = (target for target in targets if isinstance(target, DataStream))
        new = [target.name for target in streams if target.name not in self._known]
        # At once: each takes the cluster a moment, and their documents wait meanwhile.
        paths = [f"/_data_stream/{quote(name, safe='')}" for name in new]
        answers = await asyncio.gather(*(self._client.request("PUT", path) for path in paths))
        found: dict[str, Lack] = {}
        for name, answer in zip(new, answers, strict=True):
            error = error_answer_of(answer.body)
            trouble = stream_trouble(answer.status or 0, error)
            if trouble is not None and answer.is_from_cluster:
                label, cure = trouble
                who = f"{answer.dialect.title} answers {answer.status}"
                found[name] = label, f"{name}: {who} {error.reason}; {cure}"
            elif answer.status not in (200, 400) or not answer.is_from_cluster:
                return answer
            else:
                # With 400 it is there already; what else is wrong each item of a bulk says.
                self._knows(name)
        return found

    def _knows(self, name: str) -> None:
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known.add(name)
