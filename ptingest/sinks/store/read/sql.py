"""A query's tree as a SQL condition over ``documents``.

Every value and path is bound, none becomes part of the SQL. Every condition is 0 or 1 and never
NULL, so that ``not`` finds documents that lack the field. Conditions that the columns cannot
answer read the body: there a path leads to one value or to a list, of which any element may
match.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from ptingest.kql import times
from ptingest.kql.fields import EXACT_COLUMNS, KEYWORD_COLUMNS, TEXT_FIELDS, number_of, phrases_of
from ptingest.kql.parser import AllOf, AnyOf, Match, Negated, Query, QueryValue, Range
from ptingest.kql.tokens import Phrase

GLOB_CHARACTERS = 4096
"""SQLite scans a text once for each character between two ``*``, and cannot be interrupted
meanwhile; longer texts are matched by ``globs``, in one pass."""

_RANGE_SQL = {"<": "<", "<=": "<=", ">": ">", ">=": ">="}


@dataclass(slots=True)
class Condition:
    """SQL with its bound values in order, and the functions and tables that it uses by name."""

    sql: str
    values: list[str | int | float] = field(default_factory=list)
    functions: dict[str, list[Phrase]] = field(default_factory=dict)
    """Each tests whether a text holds any of these."""
    globs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Each tests whether a long text is these pieces with anything between."""
    texts: dict[str, str] = field(default_factory=dict)
    """Temporary tables of one column ``id``: the documents that match an FTS5 expression."""
    phrases: dict[str, list[Phrase]] = field(default_factory=dict)
    """What the expression of each of ``texts`` says, for texts that FTS5 does not hold."""
    required: list[str] = field(default_factory=list)
    """Those of ``texts`` that hold every document which can match."""
    has_labels_only: bool = False
    """True when the query is on labels only, so that the rollup can answer it."""

    def bounded(self, bounds: Sequence[str], values: Sequence[str]) -> Condition:
        """Return the condition joined with further ones by AND."""
        sql = " AND ".join([self.sql, *bounds])
        return replace(self, sql=sql, values=[*self.values, *values])


def condition(query: Query, *, text: str, now: datetime) -> Condition:
    """Return the condition for a query; ``text`` is the query as written, for errors.

    Raises:
        QueryInvalid: a time in it cannot be read.
    """
    writer = _Writer(text, now, query.parts if isinstance(query, AllOf) else (query,))
    sql = writer.any_query(query)
    return Condition(
        sql,
        writer.values,
        writer.functions,
        writer.globs,
        writer.texts,
        writer.phrases,
        writer.required,
        asks_labels_only(query),
    )


def asks_labels_only(query: Query) -> bool:
    """Return whether the labels of a document decide a query."""
    match query:
        case AllOf(parts) | AnyOf(parts):
            return all(map(asks_labels_only, parts))
        case Negated(part):
            return asks_labels_only(part)
        case Match(name, _):
            return name in KEYWORD_COLUMNS or name == "_index"
        case Range(name, _, _):
            return name == "_index"


def path_of(name: str) -> tuple[str, ...]:
    """Return the paths of a field in a body: nested, or its dotted name at the top."""
    nested = "$." + ".".join(f'"{part}"' for part in name.split("."))
    return (nested, f'$."{name}"') if "." in name else (nested,)


def may_be_json(column: str) -> str:
    """Return SQL that is true when a column may hold the JSON text of a list or object."""
    return f"substr({column}, 1, 1) IN ('[', '{{')"


class _Writer:
    """Writes SQL from left to right and collects its values."""

    def __init__(self, text: str, now: datetime, musts: Sequence[Query]) -> None:
        self._text, self._now, self._musts = text, now, musts
        self.values: list[str | int | float] = []
        self.functions: dict[str, list[Phrase]] = {}
        self.globs: dict[str, tuple[str, ...]] = {}
        self.texts: dict[str, str] = {}
        self.phrases: dict[str, list[Phrase]] = {}
        self.required: list[str] = []

    def any_query(self, query: Query) -> str:
        match query:
            case AllOf(parts):
                return _halved([self.any_query(part) for part in parts], "AND", "TRUE")
            case AnyOf(parts):
                return _either([self._alternatives(*some) for some in _by_field(parts)])
            case Negated(part):
                return f"NOT {self.any_query(part)}"
            case Match(name, value):
                texts = len(self.texts)
                sql = self._match(name or "message", [value])
                if any(query is must for must in self._musts):
                    self.required += list(self.texts)[texts:]
                return sql
            case Range("@timestamp", operator, value):
                return self._time_range(operator, value)
            case Range():
                return self._range(query)

    def _alternatives(self, name: str | None, parts: list[Query]) -> str:
        """Test a field for several values in one condition: its body is read once."""
        if name is None:
            return self.any_query(parts[0])
        return self._match(name, [part.value for part in parts if isinstance(part, Match)])

    def _match(self, name: str, values: list[QueryValue]) -> str:
        if values[0].is_anything:
            return self._exists(name)
        if name in TEXT_FIELDS:
            return self._words(name, values)
        if name == "@timestamp":
            return self._time_match(values[0])
        if name in EXACT_COLUMNS:
            return self._column(EXACT_COLUMNS[name], values)
        if name in KEYWORD_COLUMNS:
            column = KEYWORD_COLUMNS[name]
            # A list or object is kept as JSON text; its elements are read from the body. A text
            # that merely begins like one has the same result.
            body = self._in_body(name, lambda: self._elements(values, has_numbers=False))
            return (
                f"CASE WHEN {may_be_json(column)} THEN {body} "
                f"ELSE {self._column(column, values)} END"
            )
        return self._in_body(name, lambda: self._elements(values, has_numbers=True))

    def _exists(self, name: str) -> str:
        column = {"@timestamp": "timestamp", "message": "message", **EXACT_COLUMNS}.get(name)
        if column is not None and name != "message":
            return f"({column} IS NOT NULL)"
        column = KEYWORD_COLUMNS.get(name, column)
        body = self._in_body(name, lambda: "each.type <> 'null'", is_inner=True)
        if column is None:
            return body
        return f"CASE WHEN {may_be_json(column)} THEN {body} ELSE {column} IS NOT NULL END"

    def _column(self, column: str, values: Sequence[QueryValue]) -> str:
        texts = [value.text for value in values if not value.has_wildcard]
        self.values += texts
        conditions = [f"{column} IN ({', '.join('?' * len(texts))})"] if texts else []
        conditions += [self._fits(column, value) for value in values if value.has_wildcard]
        return f"coalesce({_either(conditions)}, FALSE)"

    def _fits(self, text: str, value: QueryValue) -> str:
        function = f"fits_{len(self.globs)}"
        self.globs[function] = value.pieces
        self.values.append(_glob(value))
        return (
            f"CASE WHEN length({text}) > {GLOB_CHARACTERS} THEN {function}({text}) "
            f"ELSE {text} GLOB ? END"
        )

    def _in_body(self, name: str, element: Callable[[], str], *, is_inner: bool = False) -> str:
        """Test whether any element at the field's path satisfies ``element``, SQL over
        ``each``.

        Members of an object have text for keys and do not count, unless ``is_inner``.
        """
        found = []
        for path in path_of(name):
            # A search for the last name costs a tenth of parsing a body that lacks it.
            self.values += (path[path.rindex('."') + 1 :], path)
            inner = "" if is_inner else "typeof(each.key) <> 'text' AND "
            found.append(
                "instr(documents.body, ?) AND EXISTS (SELECT 1 FROM "
                f"json_each(documents.body, ?) AS each WHERE {inner}({element()}))"
            )
        return f"({' OR '.join(f'({one})' for one in found)})"

    def _elements(self, values: Sequence[QueryValue], *, has_numbers: bool) -> str:
        return _either([f"({self._element(one, has_numbers=has_numbers)})" for one in values])

    def _element(self, value: QueryValue, *, has_numbers: bool) -> str:
        if value.has_wildcard:
            return f"each.type = 'text' AND {self._fits('each.value', value)}"
        self.values.append(value.text)
        sql = "each.type = 'text' AND each.value = ?"
        if value.text in ("true", "false"):
            self.values.append(value.text)
            return f"{sql} OR each.type = ?"
        number = number_of(value.text) if has_numbers else None
        if number is not None:
            self.values.append(number)
            return f"{sql} OR (each.type IN ('integer', 'real') AND each.value = ?)"
        if not has_numbers:
            self.values.append(value.text)
            sql += " OR (each.type IN ('integer', 'real') AND CAST(each.value AS TEXT) = ?)"
        return sql

    def _range(self, query: Range) -> str:
        operator = _RANGE_SQL[query.operator]
        if query.field in EXACT_COLUMNS:
            self.values.append(query.value)
            return f"coalesce({EXACT_COLUMNS[query.field]} {operator} ?, FALSE)"

        def element() -> str:
            self.values.append(query.value)
            sql = f"each.type = 'text' AND each.value {operator} ?"
            number = number_of(query.value)
            if number is None:
                return sql
            self.values.append(number)
            return f"({sql}) OR (each.type IN ('integer', 'real') AND each.value {operator} ?)"

        return self._in_body(query.field, element)

    def _time_range(self, operator: str, value: str) -> str:
        first, last = self._span(value)
        self.values.append(last if operator in (">", "<=") else first)
        return f"coalesce(timestamp {_RANGE_SQL[operator]} ?, FALSE)"

    def _time_match(self, value: QueryValue) -> str:
        self.values.extend(self._span(value.text))
        return "coalesce(timestamp BETWEEN ? AND ?, FALSE)"

    def _span(self, value: str) -> tuple[str, str]:
        return times.asked_span(value, self._now, query=self._text)

    def _words(self, name: str, values: Sequence[QueryValue]) -> str:
        phrases = [one for value in values for one in phrases_of(value)]
        indexed: dict[str, Phrase] = {}
        others: list[Phrase] = []
        for one in phrases:
            text = _fts(one) if name == "message" else None
            if text is None:
                others.append(one)
            else:
                indexed[text] = one
        conditions: list[str] = []
        if indexed:
            table = f"found_{len(self.texts)}"
            self.texts[table] = " OR ".join(indexed)
            self.phrases[table] = list(indexed.values())
            # The plus keeps SQLite from fetching each of them: often they are very many.
            conditions.append(f"(+documents.id IN (SELECT id FROM temp.{table}))")
        if others:
            function = f"has_words_{len(self.functions)}"
            self.functions[function] = others
            conditions.append(
                f"{function}(message)"
                if name == "message"
                else self._in_body(name, lambda: f"each.type = 'text' AND {function}(each.value)")
            )
        return _either(conditions)


def _fts(words_in_a_row: Phrase) -> str | None:
    """Return FTS5's expression, None when a ``*`` is not at a phrase's very end."""
    *firsts, last = words_in_a_row
    begins = last.endswith("*")
    bare = last[:-1] if begins else last
    if not bare or "*" in bare or any("*" in word for word in firsts):
        return None
    return f'"{" ".join((*firsts, bare))}"{" *" if begins else ""}'


def _by_field(parts: Sequence[Query]) -> list[tuple[str | None, list[Query]]]:
    """Group the conditions on values of one field; all others stay single."""
    gathered: dict[object, tuple[str | None, list[Query]]] = {}
    for number, part in enumerate(parts):
        name = (part.field or "message") if isinstance(part, Match) else None
        if isinstance(part, Match) and not part.value.is_anything and name != "@timestamp":
            gathered.setdefault(name, (name, []))[1].append(part)
        else:
            gathered[number] = (None, [part])
    return list(gathered.values())


def _either(conditions: Sequence[str]) -> str:
    return _halved(conditions, "OR", "FALSE")


def _halved(conditions: Sequence[str], operator: str, empty: str) -> str:
    """Split in halves recursively: SQLite bounds an expression's depth, not its length."""
    if len(conditions) <= 1:
        return conditions[0] if conditions else empty
    middle = len(conditions) // 2
    left = _halved(conditions[:middle], operator, empty)
    return f"({left} {operator} {_halved(conditions[middle:], operator, empty)})"


def _glob(value: QueryValue) -> str:
    return "*".join(
        "".join(f"[{character}]" if character in "*?[" else character for character in piece)
        for piece in value.pieces
    )
