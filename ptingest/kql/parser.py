"""Parses Kibana's query language: text in, a small tree out, or an error with its column.

Meaning, where Kibana's documentation leaves a doubt:

- Keyword fields match exactly, including case: ``log_level:ERROR``. A list matches when any
element does. Unquoted values may hold ``*``; quoted ones hold no wildcards. - Text fields
(``message``, ``log_message``, ``event.original``) match words, runs of letters and digits in
any case: unquoted, any one of the words; quoted, all of them in order. - A value without a
field searches ``message``; ``*`` alone, or nothing, matches everything. - ``field:*`` matches
when the field exists and is not null.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ptingest.errors import QueryInvalid

if TYPE_CHECKING:
    from lark import Lark, Token, Tree

QUERY_MOST_CHARACTERS = 10_000
NESTING_MOST = 100


@dataclass(frozen=True, slots=True)
class QueryValue:
    """A value as written: ``pieces`` are the texts between the ``*``, with escapes resolved."""

    pieces: tuple[str, ...]
    is_quoted: bool = False

    @property
    def text(self) -> str:
        return "*".join(self.pieces)

    @property
    def has_wildcard(self) -> bool:
        return len(self.pieces) > 1

    @property
    def is_anything(self) -> bool:
        return self.has_wildcard and not any(self.pieces)


@dataclass(frozen=True, slots=True)
class Match:
    """``field:value``; without a field a bare value."""

    field: str | None
    value: QueryValue


@dataclass(frozen=True, slots=True)
class Range:
    """``field >= value``."""

    field: str
    operator: str
    value: str


@dataclass(frozen=True, slots=True)
class Negated:
    part: Query


@dataclass(frozen=True, slots=True)
class AllOf:
    """True when every part is; without parts, always."""

    parts: tuple[Query, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    parts: tuple[Query, ...]


Query = Match | Range | Negated | AllOf | AnyOf
EVERYTHING = AllOf(())

_NAMES = {
    "_AND": "`and`",
    "_OR": "`or`",
    "_NOT": "`not`",
    "PLAIN": "a value",
    "QUOTED": "a value",
    "LPAR": "(",
    "RPAR": ")",
    "COLON": ":",
    "RANGE": "<, <=, > or >=",
    "$END": "the end",
}
_ESCAPE = re.compile(
    r"\\(?:(and|or|not)(?=[\s()]|$)|u([0-9a-f]{4})|(.))|(\*)", re.IGNORECASE | re.DOTALL
)
_WHITESPACE = {"t": "\t", "r": "\r", "n": "\n"}


def parse(text: str) -> Query:
    """Return the query's tree.

    Raises:
        QueryInvalid: with the column of the first thing that cannot be read.
    """
    from lark import UnexpectedInput

    if len(text) > QUERY_MOST_CHARACTERS:
        raise _invalid(text, 0, f"{len(text)} characters", f"at most {QUERY_MOST_CHARACTERS}")
    _refuse_deep(text)
    try:
        tree = _parser().parse(text)
    except UnexpectedInput as error:
        raise _explained(text, error) from None
    parts = [_built(text, _tree(child)) for child in tree.children]
    return parts[0] if parts else EVERYTHING


@cache
def _parser() -> Lark:
    """Build the parser from the grammar, once: this takes longer than any query."""
    from lark import Lark

    grammar = Path(__file__).with_name("kql.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", propagate_positions=True, maybe_placeholders=False)


def _refuse_deep(text: str) -> None:
    """The code after this descends the tree by recursion, and so does SQLite's parser."""
    depth = 0
    for found in re.finditer(
        r'"(?:\\.|[^"\\])*"|\\.|[()]|\bnot\b', text, re.DOTALL | re.IGNORECASE
    ):
        depth += {"(": 1, ")": -1}.get(found[0], 1 if found[0].lower() == "not" else 0)
        if depth > NESTING_MOST:
            raise _invalid(
                text, found.start(), "nested too deeply", f"at most {NESTING_MOST} `(` and `not`"
            )


def _built(text: str, tree: Tree[Token]) -> Query:
    children = tree.children
    match tree.data:
        case "any_of":
            return AnyOf(tuple(_built(text, _tree(child)) for child in children))
        case "all_of":
            return AllOf(tuple(_built(text, _tree(child)) for child in children))
        case "negated":
            return Negated(_built(text, _tree(children[0])))
        case "match":
            field = _field(text, _tree(children[0]))
            return _matches(_tree(children[1]), lambda value: _match(field, value))
        case "range":
            return _range(text, children)
        case "bare":
            value = _value(_tree(children[0]))
            return EVERYTHING if value.is_anything else Match(None, value)
    raise AssertionError(f"the grammar made a {tree.data}")


def _tree(child: Tree[Token] | Token) -> Tree[Token]:
    assert not isinstance(child, str)
    return child


def _matches(tree: Tree[Token], match_one: Callable[[QueryValue], Query]) -> Query:
    """Expand ``field:(a or b)`` into matches of one value each."""
    children = [_tree(child) for child in tree.children]
    match tree.data:
        case "any_value":
            return AnyOf(tuple(_matches(child, match_one) for child in children))
        case "all_value":
            return AllOf(tuple(_matches(child, match_one) for child in children))
        case "not_value":
            return Negated(_matches(children[0], match_one))
        case "value":
            return match_one(_value(children[0]))
    raise AssertionError(f"the grammar made a {tree.data}")


def _match(field: str, value: QueryValue) -> Query:
    if field == "*":
        return EVERYTHING if value.is_anything else Match(None, value)
    return Match(field, value)


def _range(text: str, children: Sequence[Tree[Token] | Token]) -> Range:
    field = _field(text, _tree(children[0]))
    value = _value(_tree(children[2]))
    if value.has_wildcard or field == "*":
        raise _invalid(
            text, _start(_tree(children[2])), "a range with *", "a number, a time or a text"
        )
    return Range(field, str(children[1]), value.text)


def _field(text: str, tree: Tree[Token]) -> str:
    """Return a field's name; ``*`` alone means any field."""
    name = _value(tree)
    if (name.has_wildcard and not name.is_anything) or not is_field(name.text):
        raise _invalid(
            text, _start(tree), f"the field name {name.text!r}", 'a whole field name without * or "'
        )
    return name.text


def is_field(name: str) -> bool:
    """Return whether SQLite can be asked for a field of this name: its paths end at a NUL."""
    return bool(name) and '"' not in name and "\0" not in name


def _start(tree: Tree[Token]) -> int:
    return int(tree.meta.start_pos)


def _value(tree: Tree[Token]) -> QueryValue:
    """Resolve escapes; a ``*`` that is not escaped separates the pieces."""
    token = tree.children[0]
    written = str(token)
    is_quoted = written.startswith('"')
    if is_quoted:
        written = written[1:-1]
    pieces = [""]
    end = 0
    for found in _ESCAPE.finditer(written):
        pieces[-1] += written[end : found.start()]
        end = found.end()
        keyword, code, character, star = found.groups()
        if star is None:
            pieces[-1] += keyword or _character(code, character)
        elif is_quoted:
            pieces[-1] += star
        else:
            pieces.append("")
    pieces[-1] += written[end:]
    return QueryValue(tuple(pieces), is_quoted)


def _character(code: str | None, character: str) -> str:
    if code is None:
        return _WHITESPACE.get(character, character)
    point = int(code, 16)
    # Half of a pair has no meaning alone, and SQLite does not accept it.
    return "\N{REPLACEMENT CHARACTER}" if 0xD800 <= point <= 0xDFFF else chr(point)


def _explained(text: str, error: Exception) -> QueryInvalid:
    """Turn lark's error into ours."""
    from lark import UnexpectedCharacters, UnexpectedToken

    if isinstance(error, UnexpectedCharacters):
        position = error.pos_in_stream or 0
        character = text[position]
        expected = {
            '"': 'a closing " (\\" writes one inside)',
            "{": "a value; nested queries { } are not known here, write field.inner:value",
            "}": "a value; nested queries { } are not known here, write field.inner:value",
            "\\": "a character after the backslash",
        }.get(character, _listed(error.allowed or set()))
        return _invalid(text, position, f"{character!r}", expected)
    assert isinstance(error, UnexpectedToken)
    if error.token.type == "$END":
        return _invalid(text, len(text), "the query ends", _listed(error.accepts))
    position = error.token.start_pos or 0
    expected = _listed(error.accepts)
    if error.token.type in ("COLON", "RANGE"):
        expected += "; two fields need `and` or `or` between them"
    return _invalid(text, position, repr(str(error.token)), expected)


def _listed(terminals: set[str]) -> str:
    names = sorted({_NAMES.get(name, name) for name in terminals}, key=list(_NAMES.values()).index)
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def _invalid(text: str, position: int, seen: str, expected: str) -> QueryInvalid:
    return QueryInvalid(query=text, column=position + 1, seen=seen, expected=expected)
