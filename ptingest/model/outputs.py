"""Which sinks a document is for.

A document of a profile is for every sink. An output of a ``logstash.conf`` names one: that sink
gets its documents. Where no sink has that name, the outputs to Elasticsearch mean every sink
that takes any document (the embedded store, say), since the config of the server says where
documents go.
"""

from __future__ import annotations

from collections.abc import Sequence

from ptingest.model.document import Document

ONLY_NAMED = frozenset({"file", "stdout", "kafka"})
"""Sinks that get documents only of outputs that name them: a document for others has no path,
topic or format."""


class Outputs:
    """Divides documents among the sinks of a server."""

    def __init__(self, sinks: Sequence[str]) -> None:
        self._sinks = sinks
        self._known: dict[str, frozenset[str]] = {}

    def sinks_of(self, output: str) -> frozenset[str]:
        """Return the sinks that get the documents of an output; "" is any document."""
        found = self._known.get(output)
        if found is None:
            named = frozenset({output}).intersection(self._sinks)
            others = frozenset() if output in ONLY_NAMED else frozenset(self._sinks) - ONLY_NAMED
            found = self._known[output] = named or others
        return found

    def documents_for(self, sink: str, documents: Sequence[Document]) -> list[Document]:
        """Return those that a sink gets, in order."""
        return [one for one in documents if sink in self.sinks_of(one.target.output)]
