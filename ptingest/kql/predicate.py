"""A query's tree as a test of one document, without the store.

    matcher(parse(text)) --> matches(Candidate(body, data_stream, key)) --> True or False

The meaning is that of ``sql``, condition by condition: a tap shows what a search would find.
The fields that are columns there are read by the same function here, and the body is decoded
only when a query uses another field, as in SQLite. Only texts with a NUL inside may differ:
versions of SQLite cut them at different places.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from operator import ge, gt, le, lt
from typing import Any

from ptingest.kql import times
from ptingest.kql.columns import ColumnValues, lift
from ptingest.kql.fields import EXACT_COLUMNS, KEYWORD_COLUMNS, TEXT_FIELDS, number_of, phrases_of
from ptingest.kql.globs import glob_until_nul
from ptingest.kql.parser import AllOf, AnyOf, Match, Negated, Query, QueryValue, Range
from ptingest.kql.tokens import finder

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {"<": lt, "<=": le, ">": gt, ">=": ge}
_INT64 = 1 << 63
_JSON_STARTS = ("[", "{")


class Candidate:
    """One document to be tested; its body is decoded at most once, when it is needed."""

    __slots__ = ("_decoded", "_row", "_text", "body", "data_stream", "key")

    def __init__(self, body: bytes, data_stream: str, key: str | None) -> None:
        self.body, self.data_stream, self.key = body, data_stream, key
        self._row: ColumnValues | None = None
        self._text: str | None = None
        self._decoded: Any = _decode

    @property
    def row(self) -> ColumnValues:
        """The fields that are columns of the store."""
        if self._row is None:
            self._row = lift(self.body)
        return self._row

    @property
    def text(self) -> str:
        """The body as text."""
        if self._text is None:
            self._text = self.body.decode("utf-8", "replace")
        return self._text

    @property
    def document(self) -> Any:
        """The decoded body; None when it is not JSON."""
        if self._decoded is _decode:
            self._decoded = _decode(self.text)
        return self._decoded


Test = Callable[[Candidate], bool]


def matcher(query: Query, *, text: str, now: datetime) -> Test:
    """Return the test for a query; ``text`` is the query as written, for errors.

    Raises:
        QueryInvalid: a time in it cannot be read.
    """
    return _Maker(text, now).any_query(query)


def _decode(text: str) -> Any:
    try:
        # Of equal names SQLite finds the first.
        return json.loads(text, object_pairs_hook=_first_of_each)
    except (ValueError, RecursionError):
        return None


def _first_of_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else dict(reversed(pairs))


class _Maker:
    """Makes closures; the methods have the names of those that write SQL."""

    def __init__(self, text: str, now: datetime) -> None:
        self._text, self._now = text, now

    def any_query(self, query: Query) -> Test:
        match query:
            case AllOf(parts):
                all_tests = [self.any_query(part) for part in parts]
                return lambda candidate: all(test(candidate) for test in all_tests)
            case AnyOf(parts):
                any_tests = [self.any_query(part) for part in parts]
                return lambda candidate: any(test(candidate) for test in any_tests)
            case Negated(part):
                negated = self.any_query(part)
                return lambda candidate: not negated(candidate)
            case Match(None, value):
                return _words("message", value)
            case Match(name, value):
                return self._match(str(name), value)
            case Range("@timestamp", operator, value):
                return self._time_range(operator, value)
            case Range():
                return _range(query)

    def _match(self, name: str, value: QueryValue) -> Test:
        if value.is_anything:
            return _exists(name)
        if name in TEXT_FIELDS:
            return _words(name, value)
        if name == "@timestamp":
            first, last = self._span(value.text)
            return lambda candidate: first <= (candidate.row.timestamp or "") <= last
        is_equal = _text_test(value)
        if name in EXACT_COLUMNS:
            column = _column(name)
            return lambda candidate: is_equal(column(candidate))
        if name in KEYWORD_COLUMNS:
            column, in_body = _column(name), _in_body(name, _element(value, has_numbers=False))
            return lambda candidate: (
                in_body(candidate)
                if may_be_json(column(candidate))
                else is_equal(column(candidate))
            )
        return _in_body(name, _element(value, has_numbers=True))

    def _time_range(self, operator: str, value: str) -> Test:
        first, last = self._span(value)
        compare, end = _OPERATORS[operator], last if operator in (">", "<=") else first

        def test(candidate: Candidate) -> bool:
            timestamp = candidate.row.timestamp
            return timestamp is not None and compare(timestamp, end)

        return test

    def _span(self, value: str) -> tuple[str, str]:
        return times.asked_span(value, self._now, query=self._text)


def _column(name: str) -> Callable[[Candidate], str | None]:
    match name:
        case "_index":
            return lambda candidate: candidate.data_stream
        case "_id":
            return lambda candidate: candidate.key
        case "@timestamp":
            return lambda candidate: candidate.row.timestamp
    place = ColumnValues._fields.index(name)
    return lambda candidate: candidate.row[place]


def may_be_json(text: str | None) -> bool:
    """Whether a column may hold the JSON text of a list or object."""
    return text is not None and text.startswith(_JSON_STARTS)


def _exists(name: str) -> Test:
    in_body = _in_body(name, lambda value: value is not None, is_inner=True)
    if name in EXACT_COLUMNS or name == "@timestamp":
        column = _column(name)
        return lambda candidate: column(candidate) is not None
    if name not in KEYWORD_COLUMNS and name != "message":
        return in_body
    column = _column(name)
    return lambda candidate: (
        in_body(candidate) if may_be_json(column(candidate)) else column(candidate) is not None
    )


def _words(name: str, value: QueryValue) -> Test:
    phrases = phrases_of(value)
    if not phrases:
        return lambda _: False
    is_found = finder(phrases)
    if name == "message":
        return lambda candidate: is_found(candidate.row.message)
    return _in_body(name, is_found)


def _range(query: Range) -> Test:
    compare, bound = _OPERATORS[query.operator], query.value
    if query.field in EXACT_COLUMNS:
        column = _column(query.field)
        return lambda candidate: (text := column(candidate)) is not None and compare(text, bound)
    number = number_of(bound)

    def element(value: Any) -> bool:
        if isinstance(value, str):
            return compare(value, bound)
        return number is not None and is_number(value) and compare(as_sqlite(value), number)

    return _in_body(query.field, element)


def _in_body(name: str, element: Callable[[Any], bool], *, is_inner: bool = False) -> Test:
    """Whether any element at the field's path satisfies ``element``.

    A list is its elements. Members of an object do not count, unless ``is_inner``.
    """
    parts = name.split(".")
    paths = [parts, [name]] if len(parts) > 1 else [parts]
    # A name that is written with escapes is not found, as in the store.
    quoted = [f'"{path[-1]}"' for path in paths]

    def test(candidate: Candidate) -> bool:
        text = candidate.text
        for path, ending in zip(paths, quoted, strict=True):
            if ending in text and any(map(element, _elements(candidate.document, path, is_inner))):
                return True
        return False

    return test


def _elements(document: Any, path: Sequence[str], is_inner: bool) -> Iterable[Any]:
    value = document
    for part in path:
        if not isinstance(value, dict) or part not in value:
            return ()
        value = value[part]
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        return value.values() if is_inner else ()
    return (value,)


def _text_test(value: QueryValue) -> Callable[[str | None], bool]:
    if not value.has_wildcard:
        wanted = value.text
        return lambda text: text == wanted
    fits = glob_until_nul(value.pieces)
    return lambda text: text is not None and fits(text)


def _element(value: QueryValue, *, has_numbers: bool) -> Callable[[Any], bool]:
    is_equal, text = _text_test(value), value.text
    if value.has_wildcard:
        return lambda found: isinstance(found, str) and is_equal(found)
    if text in ("true", "false"):
        flag = text == "true"
        return lambda found: found == text if isinstance(found, str) else found is flag
    if not has_numbers:
        return lambda found: (
            found == text
            if isinstance(found, str)
            else is_number(found) and number_text(found) == text
        )
    number = number_of(text)

    def test(found: Any) -> bool:
        if isinstance(found, str):
            return found == text
        return number is not None and is_number(found) and as_sqlite(found) == number

    return test


def is_number(value: Any) -> bool:
    """Whether JSON had a number here; True and False are not numbers, although Python's bool
    is an int."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def as_sqlite(value: int | float) -> int | float:
    """Return a number as SQLite has it: integers of 64 bits, all others as floats."""
    if isinstance(value, int) and not -_INT64 <= value < _INT64:
        try:
            return float(value)
        except OverflowError:
            return float("inf") if value > 0 else float("-inf")
    return value


def number_text(value: int | float) -> str:
    """Return SQLite's text of a number: ``7``, ``1.5``, ``1.0e+15``."""
    number = as_sqlite(value)
    if isinstance(number, int):
        return str(number)
    if number in (float("inf"), float("-inf")):
        return "Inf" if number > 0 else "-Inf"
    text = f"{number or 0.0:.15g}"  # SQLite has no -0.0
    digits, e, exponent = text.partition("e")
    return f"{digits if '.' in digits else f'{digits}.0'}{e}{exponent}"
