"""A query's tree in Elasticsearch's query language; its meaning is that of the store's ``sql``.

    compile_query(parse(text), text=text, now=now, mappings=...) --> {"bool": {...}}

What Elasticsearch's index decides otherwise: words are those of its analyzer, values longer than
``ignore_above`` are not indexed, and a number in a field of texts is a text. What it cannot
answer at all is refused with what to write instead. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NoReturn

from ptingest.errors import QueryInvalid
from ptingest.kql import times
from ptingest.kql.fields import TEXT_FIELDS, number_of
from ptingest.kql.parser import AllOf, AnyOf, Match, Negated, Query, QueryValue, Range
from ptingest.kql.tokens import phrase
from ptingest.sinks.elasticsearch.read.mapping import (
    INTEGERS,
    KEYWORD,
    NUMBERS,
    TEXT,
    FieldMapping,
    Mappings,
)

Clause = dict[str, Any]

NOTHING: Clause = {"match_none": {}}
EVERYTHING: Clause = {"match_all": {}}
_OPERATORS = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}
_INT64 = 1 << 63
_SPECIAL = re.compile(r"[\\*?]")
_UNKNOWN = FieldMapping(frozenset({"unknown"}))


def compile_query(query: Query, *, text: str, now: datetime, mappings: Mappings) -> Clause:
    """Return the clause for a query; ``text`` is the query as written, for errors.

    Raises:
        QueryInvalid: a time in it cannot be read, or Elasticsearch cannot answer it.
    """
    return _Compiler(text, now, mappings).any_query(query)


def bounds(since: str | None, until: str | None, data_stream: str | None) -> list[Clause]:
    """Return the clauses for times, both included, and for one data stream."""
    found: list[Clause] = []
    ends = {"gte": since, "lte": until}
    given = {operator: time for operator, time in ends.items() if time is not None}
    if given:
        found.append({"range": {"@timestamp": given}})
    if data_stream is not None:
        found.append({"term": {"_index": data_stream}})
    return found


def all_of(clauses: Sequence[Clause]) -> Clause:
    """Return a clause that holds where all do, without scores."""
    wanted = [one for one in clauses if one != EVERYTHING]
    if len(wanted) <= 1:
        return wanted[0] if wanted else EVERYTHING
    return {"bool": {"filter": wanted}}


def any_of(clauses: Sequence[Clause]) -> Clause:
    """Return a clause that holds where one does."""
    if len(clauses) <= 1:
        return clauses[0] if clauses else NOTHING
    return {"bool": {"should": list(clauses), "minimum_should_match": 1}}


class _Compiler:
    """Makes clauses; the methods have the names of those that write SQL."""

    def __init__(self, text: str, now: datetime, mappings: Mappings) -> None:
        self._text, self._now, self._mappings = text, now, mappings

    def any_query(self, query: Query) -> Clause:
        match query:
            case AllOf(parts):
                return all_of([self.any_query(part) for part in parts])
            case AnyOf(parts):
                return any_of(self._alternatives(parts))
            case Negated(Negated(part)):
                return self.any_query(part)
            case Negated(part):
                return {"bool": {"must_not": [self.any_query(part)]}}
            case Match(name, value):
                return self._match(name or "message", value)
            case Range("@timestamp", operator, value):
                first, last = self._span(value)
                end = last if operator in (">", "<=") else first
                return {"range": {"@timestamp": {_OPERATORS[operator]: end}}}
            case Range():
                return self._range(query)

    def _alternatives(self, parts: Sequence[Query]) -> list[Clause]:
        """Compile the parts; values of one field become one clause, since those are limited."""
        clauses: list[Clause] = []
        terms: dict[str, list[str]] = {}
        for part in parts:
            clause = self.any_query(part)
            if list(clause) == ["term"]:
                ((name, value),) = clause["term"].items()
                terms.setdefault(name, []).append(value)
            else:
                clauses.append(clause)
        return [*clauses, *({"terms": {name: values}} for name, values in terms.items())]

    def _match(self, name: str, value: QueryValue) -> Clause:
        if name in ("_id", "_index"):
            return self._place(name, value)
        mapping = self._mapping(name)
        if value.is_anything:
            return {"exists": {"field": name}}
        if name == "@timestamp":
            first, last = self._span(value.text)
            return {"range": {name: {"gte": first, "lte": last}}}
        if mapping.is_all(TEXT):
            return _words(name, value)
        if value.has_wildcard:
            return self._fits(name, value, mapping)
        if mapping.is_all(KEYWORD):
            return {"term": {name: value.text}}
        # Lenient: a text that is no number is in no field of numbers.
        return {"match": {name: {"query": value.text, "lenient": True}}}

    def _mapping(self, name: str) -> FieldMapping:
        mapping = self._mappings.get(name, _UNKNOWN)
        if not mapping.is_searchable and mapping.types & (KEYWORD | TEXT | NUMBERS):
            same = "; message has the same text" if name == "event.original" else ""
            self._refuse(name, f"{name!r}, which is not indexed", f"another field{same}")
        if name in TEXT_FIELDS and name not in self._mappings:
            return FieldMapping(TEXT)
        return mapping

    def _place(self, name: str, value: QueryValue) -> Clause:
        """Match ``_id`` and ``_index``, where a data stream stands for its backing indices."""
        if value.is_anything:
            return EVERYTHING
        if name == "_index":
            if not value.has_wildcard:
                return {"term": {name: value.text}}
            pattern = _pattern(value)
            return any_of(
                [{"wildcard": {name: {"value": one}}} for one in (pattern, f".ds-{pattern}-*")]
            )
        if value.has_wildcard:
            self._refuse(
                name,
                "a * in the value of _id",
                "a whole _id: there is no other search for it",
            )
        return {"ids": {"values": [value.text]}}

    def _fits(self, name: str, value: QueryValue, mapping: FieldMapping) -> Clause:
        if mapping.types <= NUMBERS | {"boolean"}:
            return NOTHING  # a * fits texts only, as in the store
        if mapping is not _UNKNOWN and not mapping.types & (KEYWORD | TEXT | {"flattened"}):
            kind = ", ".join(sorted(mapping.types))
            self._refuse(
                name,
                f"a * in the value of {name!r}, which is mapped as {kind}",
                "a whole value, or a range (an ip also as 10.0.0.0/8)",
            )
        return {"wildcard": {name: {"value": _pattern(value)}}}

    def _range(self, query: Range) -> Clause:
        name, value = query.field, query.value
        mapping = self._mapping(name)
        if name in ("_id", "_index") or mapping.types & TEXT:
            kind = "the words of a text have" if mapping.types & TEXT else "it has"
            self._refuse(name, f"a range of {name!r}", f"a value: {kind} no order")
        operator: dict[str, str | int | float] = {_OPERATORS[query.operator]: value}
        if mapping.is_all({"boolean"}):
            return NOTHING
        if mapping.is_all(NUMBERS):
            number = number_of(value)
            if number is None:
                return NOTHING
            if mapping.types & INTEGERS:
                number = min(max(number, -_INT64), _INT64 - 1)
            operator = {_OPERATORS[query.operator]: number}
        return {"range": {name: operator}}

    def _span(self, value: str) -> tuple[str, str]:
        return times.asked_span(value, self._now, query=self._text)

    def _refuse(self, name: str, seen: str, expected: str) -> NoReturn:
        column = max(self._text.find(name), 0) + 1
        raise QueryInvalid(query=self._text, column=column, seen=seen, expected=expected)


def _words(name: str, value: QueryValue) -> Clause:
    """Match words: quoted all of them in order, unquoted any of them."""
    if value.is_quoted:
        return _phrase(name, value.text)
    # Marks the wildcards while the text is split at its blanks.
    written = "\0".join(piece.replace("\0", " ") for piece in value.pieces).split()
    return any_of([one for word in written if (one := _word(name, word.split("\0"))) != NOTHING])


def _phrase(name: str, text: str) -> Clause:
    return {"match_phrase": {name: text}} if phrase((text,)) else NOTHING


def _word(name: str, pieces: Sequence[str]) -> Clause:
    """Match one written word, which may hold wildcards and be several words of the index."""
    if len(pieces) == 1:
        return _phrase(name, pieces[0])
    words = phrase(pieces)
    if not words:
        return NOTHING
    whole = "*".join(_escaped(piece.lower()) for piece in pieces)
    if len(words) == 1:
        return {"wildcard": {name: {"value": words[0]}}}
    in_a_row = [
        {"wildcard": {"pattern": word}} if "*" in word else {"match": {"query": word}}
        for word in words
    ]
    together = {"all_of": {"ordered": True, "max_gaps": 0, "intervals": in_a_row}}
    return any_of([{"wildcard": {name: {"value": whole}}}, {"intervals": {name: together}}])


def _pattern(value: QueryValue) -> str:
    return "*".join(map(_escaped, value.pieces))


def _escaped(piece: str) -> str:
    return _SPECIAL.sub(r"\\\g<0>", piece)
