"""From a name to its label: the first rule of the profile that matches wins.

The fields that a label sets are computed once a rule and shared. Names are cached, since a
program has few loggers and many lines.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ptingest.pipeline.prefix_trie import PrefixTrie
from ptingest.settings.profile import CategorySettings

CACHED_NAMES = 8192
LONGEST_NAME = 256
"""Longer names are looked up each time, so that the cache stays small."""


@dataclass(frozen=True, slots=True)
class Label:
    """The fields that a rule sets, and the rule's name for people."""

    fields: Mapping[str, str]
    rule: str


class Classifier:
    """The rules of one group; the result of ``classify`` depends on the name alone."""

    def __init__(self, settings: CategorySettings, *, cached_names: int = CACHED_NAMES) -> None:
        self._cached_names = cached_names
        self.field = settings.field
        self.otherwise = Label(settings.otherwise, "otherwise")
        self._labels = [
            Label(rule.set, f"{number}: {', '.join(rule.match)}")
            for number, rule in enumerate(settings.rules, 1)
        ]
        self._exact: dict[str, int] = {}
        self._prefixes = PrefixTrie()
        self._suffixes = PrefixTrie()
        self._known: dict[str, Label] = {}
        for rank, rule in enumerate(settings.rules):
            for name in rule.match:
                self._insert(name, rank)

    def _insert(self, name: str, rank: int) -> None:
        if name.startswith("*"):
            self._suffixes.insert(name[:0:-1], rank)
        elif name.endswith(".*"):
            # The name itself or anything below it, so that `config.*` is not `configx`.
            self._exact.setdefault(name[:-2], rank)
            self._prefixes.insert(name[:-1], rank)
        elif name.endswith("*"):
            self._prefixes.insert(name[:-1], rank)
        else:
            self._exact.setdefault(name, rank)

    def classify(self, name: str) -> Label:
        """Return the label of the first rule that matches, else the default label."""
        label = self._known.get(name)
        if label is None:
            label = self._decide(name)
            if len(name) > LONGEST_NAME:
                return label
            if len(self._known) >= self._cached_names:
                self._known.clear()
            self._known[name] = label
        return label

    def _decide(self, name: str) -> Label:
        found = (
            self._exact.get(name),
            self._prefixes.earliest(name),
            self._suffixes.earliest(name[::-1]),
        )
        ranks = [rank for rank in found if rank is not None]
        return self._labels[min(ranks)] if ranks else self.otherwise
