"""YAML text to plain values that still know their line.

A small reader on top of the YAML event stream. The stock constructors forget lines, take the
last of two equal keys, follow aliases (a few lines may then expand to gigabytes) and read `no`,
`1:30` and `010` as false, 90 and 8. Here plain scalars are YAML 1.2's: null, true, false,
numbers, and everything else is text. Aliases, tags and second documents are refused with their
line. Nothing is interpolated here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import yaml

from ptingest.errors import ConfigInvalid, ConfigProblem

MAX_FILE_BYTES = 4 << 20
MAX_DEPTH = 32

Place = tuple[str | int, ...]
"""Keys and list positions from the root to a value."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER = re.compile(r"[-+]?[0-9]+\Z")
_BASED = re.compile(r"0(?:x[0-9a-fA-F]+|o[0-7]+)\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_WORDS: dict[str, bool | float | None] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
    ".inf": float("inf"),
    "-.inf": float("-inf"),
    ".nan": float("nan"),
}


@dataclass(slots=True)
class ParsedYaml:
    """The root value of one file, the line of each value, and the problems that were found."""

    file: str
    root: Any = None
    lines: dict[Place, int] = field(default_factory=dict)
    problems: list[ConfigProblem] = field(default_factory=list)

    def line(self, place: Place) -> int | None:
        """Return the line of the value, or of the innermost section that would hold it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place)

    def problem(self, place: Place, seen: str, cure: str) -> ConfigProblem:
        """Describe something wrong at ``place``."""
        return ConfigProblem(
            file=self.file, line=self.line(place), path=dotted(place), seen=seen, cure=cure
        )


def dotted(place: Place) -> str:
    """Write a place as people do: ``sinks.elasticsearch.hosts[0]``."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def read_text(path: Path, *, shown: str) -> str:
    """Return the file as text; ``shown`` is its name in messages.

    Raises:
        ConfigInvalid: there is no such file, it cannot be read, it is not UTF-8, or it is
            larger than `MAX_FILE_BYTES`.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        _refuse(
            shown,
            None,
            f"cannot be read: {error.strerror}",
            "correct the path, or make the file readable",
        )
    if len(data) > MAX_FILE_BYTES:
        _refuse(
            shown,
            None,
            f"is larger than {MAX_FILE_BYTES} bytes",
            "name a config file, not a log file",
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = f"byte 0x{data[error.start]:02x} is not UTF-8"
        _refuse(shown, line, byte, "save the file as UTF-8")


def parse(text: str, *, file: str) -> ParsedYaml:
    """Return the values of one YAML document.

    Equal keys, aliases and tags are noted in ``problems`` and parsing goes on.

    Raises:
        ConfigInvalid: the text is not YAML; the rest of the file is not read.
    """
    parsed = ParsedYaml(file)
    events = yaml.parse(text, Loader=_LOADER)
    try:
        _Builder(parsed, events).build()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = None if mark is None else mark.line + 1
        fault = f"is not YAML: {error.problem or error.context}"
        _refuse(file, line, fault, _syntax_cure(text, line))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        fault = f"holds the character U+{_code(error.character):04X}, which YAML does not allow"
        _refuse(file, line, fault, "remove it")
    return parsed


def _code(character: Any) -> int:
    return character if isinstance(character, int) else ord(character)


def _syntax_cure(text: str, line: int | None) -> str:
    lines = text.splitlines()
    if line is not None and line <= len(lines):
        near = "".join(lines[max(0, line - 2) : line])
        if "${" in near:
            return 'write values with ${...} in quotes: "${NAME:default}"'
        if "\t" in near:
            return "indent with spaces, not tabs"
    return "correct this line or the one before it"


def _refuse(file: str, line: int | None, seen: str, cure: str) -> NoReturn:
    raise ConfigInvalid((ConfigProblem(file=file, line=line, path="", seen=seen, cure=cure),))


class _Builder:
    """Turns events into values; one instance reads one document."""

    def __init__(self, parsed: ParsedYaml, events: Iterator[Any]) -> None:
        self._parsed = parsed
        self._events = events

    def build(self) -> None:
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if self._parsed.lines:
                    self._note((), event, "begins a second document", "keep one document a file")
                    return
                self._parsed.root = self._value(next(self._events), ())

    def _value(self, event: Any, place: Place) -> Any:
        self._parsed.lines[place] = _line_of(event)
        if isinstance(event, yaml.AliasEvent):
            self._note(place, event, f"is the alias *{event.anchor}", "write the value out")
            return None
        if event.tag is not None:
            self._note(place, event, f"has the tag {event.tag}", "remove the tag")
        if isinstance(event, yaml.ScalarEvent):
            return resolve(event.value) if event.implicit[0] else event.value
        if len(place) >= MAX_DEPTH:
            fault = f"is nested more than {MAX_DEPTH} deep"
            _refuse(self._parsed.file, _line_of(event), fault, "use fewer levels")
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(place)
        return self._sequence(place)

    def _sequence(self, place: Place) -> list[Any]:
        values: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            values.append(self._value(event, (*place, len(values))))
        return values

    def _mapping(self, place: Place) -> dict[str, Any]:
        values: dict[str, Any] = {}
        while True:
            event = next(self._events)
            if isinstance(event, yaml.MappingEndEvent):
                return values
            if not isinstance(event, yaml.ScalarEvent):
                line = _line_of(event)
                fault = "has a key that is not plain text"
                _refuse(self._parsed.file, line, fault, 'quote values with braces: "{...}"')
            inner = (*place, event.value)
            if event.value in values:
                first = self._parsed.lines[inner]
                line = _line_of(event)
                self._note(inner, event, f"is given twice, first in line {first}", "keep one")
                # The first one is used; the value of the second is skipped.
                skipped = _Builder(ParsedYaml(self._parsed.file), self._events)
                skipped._value(next(self._events), inner)
                continue
            value = self._value(next(self._events), inner)
            # The key's line, not the value's: a section begins at its name.
            self._parsed.lines[inner] = _line_of(event)
            values[event.value] = value

    def _note(self, place: Place, event: Any, seen: str, cure: str) -> None:
        self._parsed.problems.append(
            ConfigProblem(
                file=self._parsed.file,
                line=_line_of(event),
                path=dotted(place),
                seen=seen,
                cure=cure,
            )
        )


def _line_of(event: Any) -> int:
    return int(event.start_mark.line) + 1


def resolve(text: str) -> str | int | float | bool | None:
    """Return what a plain (unquoted) scalar means in YAML 1.2."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.match(text):
        # More digits than any setting takes; int() would refuse thousands of them.
        return int(text) if len(text) <= 40 else text
    if _BASED.match(text):
        return int(text, 0) if len(text) <= 40 else text
    if _FLOAT.match(text):
        return float(text)
    return text
