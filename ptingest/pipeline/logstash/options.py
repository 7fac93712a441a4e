"""Options of plugins: what a plugin takes, and the values that a config gives.

A plugin declares its options as a tuple of ``Option``; ``compile.py`` checks the attributes of
a config against them and hands the plugin an ``Options``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ptingest.pipeline.logstash.event import Event
from ptingest.pipeline.logstash.tree import Place

Kind = Literal[
    "string", "number", "boolean", "array", "hash", "field_reference", "path", "password",
    "codec", "bytes", "any",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a plugin, as Logstash validates it.

    ``array`` takes a single value, too; ``hash`` takes an array of pairs, too; ``number`` and
    ``boolean`` take their texts.
    """

    name: str
    kind: Kind = "string"
    default: Any = None
    is_required: bool = False
    choices: tuple[str, ...] = ()
    refused: str = ""
    """Why a config that sets it cannot be run, and what to do instead; empty: it is supported."""
    ignored: str = ""
    """Why it makes no difference here; ``migrate`` reports it."""


class RefusedConfig(Exception):
    """A config that Logstash refuses, too, or that cannot be run here; with its place."""

    def __init__(self, place: Place, sentence: str, *, is_unsupported: bool = False) -> None:
        super().__init__(f"{place}: {sentence}")
        self.place, self.sentence = place, sentence
        self.is_unsupported = is_unsupported
        """Logstash would run it."""
        self.others: tuple[RefusedConfig, ...] = ()
        """What else is wrong in the same config."""

    @property
    def all(self) -> tuple[RefusedConfig, ...]:
        """Everything that is wrong, in the order found."""
        return (self, *self.others)


def refuse_all(problems: Sequence[RefusedConfig]) -> None:
    """Raise the first problem with the others beside it; do nothing if there is none.

    Raises:
        RefusedConfig: there is one.
    """
    found = [one for problem in problems for one in problem.all]
    if found:
        found[0].others = tuple(found[1:])
        raise found[0]


@dataclass(frozen=True, slots=True)
class Options:
    """The checked options of one plugin: every declared option has a value or its default.

    ``hash`` values are lists of (key, value) pairs in the order in which Logstash applies them.
    """

    plugin: str
    place: Place
    values: dict[str, Any]
    places: dict[str, Place]
    """Places of the options that the config sets."""

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def is_set(self, name: str) -> bool:
        return name in self.places

    def refuse(
        self, sentence: str, option: str | None = None, *, is_unsupported: bool = False
    ) -> RefusedConfig:
        """Return the error for a value that the plugin cannot take; to be raised."""
        place = self.places.get(option, self.place) if option else self.place
        return RefusedConfig(place, f"{self.plugin}: {sentence}", is_unsupported=is_unsupported)


@dataclass(frozen=True, slots=True)
class FilterSetup:
    """What a filter is built with."""

    options: Options
    matched: Callable[[Event], object]
    """Applies add_field, remove_field, add_tag, remove_tag; a filter calls it on success."""
    has_ecs: bool = True
    """``pipeline.ecs_compatibility`` (or the filter's own) is v1 or v8, not disabled."""
    folder: Path = Path()
    """The folder of the config; relative paths in options begin here."""
    report: Callable[[str], None] = lambda _sentence: None
    """Shows the operator what is wrong beside the events: the last error of the plugin."""


FilterFunction = Callable[[Event], Sequence[Event] | None]
"""Changes an event in place. It returns events that go on beside it (split, clone); an event
that must not go on is cancelled. It never raises for what an event holds."""
