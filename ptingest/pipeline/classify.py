"""From a name to its label: the first rule of the profile that matches wins.

The fields that a label sets are computed once a rule and shared. Names are cached, since a
program has few loggers and many lines.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
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


class _Names:
    """The names that rules look for in one field, each with its rule's rank."""

    def __init__(self) -> None:
        self._exact: dict[str, int] = {}
        self._prefixes = PrefixTrie()
        self._suffixes = PrefixTrie()

    def insert(self, name: str, rank: int) -> None:
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

    def ranks(self, name: str) -> list[int]:
        """Return the ranks of rules that match, the first of each kind."""
        found = (
            self._exact.get(name),
            self._prefixes.earliest(name),
            self._suffixes.earliest(name[::-1]),
        )
        return [rank for rank in found if rank is not None]


class Classifier:
    """The rules of one group.

    The result of ``classify`` depends on the name alone. Rules that look at other fields are
    decided first, by ``given``, which returns the classifier for the rest.
    """

    def __init__(self, settings: CategorySettings, *, cached_names: int = CACHED_NAMES) -> None:
        self._cached_names = cached_names
        self.field = settings.field
        self.otherwise = Label(settings.otherwise, "otherwise")
        """The label of an event without a name."""
        self._labels = [
            Label(rule.set, f"{number}: {', '.join(rule.match)}")
            for number, rule in enumerate(settings.rules, 1)
        ]
        self._known: dict[str, Label] = {}
        self._first: list[int] = []
        by_field = {self.field: _Names()}
        for rank, rule in enumerate(settings.rules):
            names = by_field.setdefault(rule.field or self.field, _Names())
            for name in rule.match:
                names.insert(name, rank)
        self._names = by_field.pop(self.field)
        self._others = by_field
        self._given: dict[int, Classifier] = {}

    @property
    def other_fields(self) -> tuple[str, ...]:
        """Fields that rules look at beside ``field``."""
        return tuple(self._others)

    def given(self, values: Mapping[str, str | None]) -> Classifier:
        """Return the classifier of events with these values of the other fields."""
        ranks = [
            rank
            for field, names in self._others.items()
            if (value := values.get(field)) is not None
            for rank in names.ranks(value)
        ]
        if not ranks:
            return self
        first = min(ranks)
        if first not in self._given:
            found = self._given[first] = copy(self)
            found._first, found._known = [first], {}
            found.otherwise = self._labels[first]
        return self._given[first]

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
        ranks = [*self._names.ranks(name), *self._first]
        return self._labels[min(ranks)] if ranks else self.otherwise
