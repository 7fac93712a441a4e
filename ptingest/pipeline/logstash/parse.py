"""Text to tree: one or several ``*.conf`` files become one ``Config``.

The grammar is ``grammar.lark``. Here are its rules that no grammar can say (space between the
options of a plugin, keys that stand once), environment variables, and errors with their place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, cast

from ptingest.pipeline.logstash.options import RefusedConfig
from ptingest.pipeline.logstash.tree import (
    Array,
    Attribute,
    Branch,
    Combination,
    Comparison,
    Condition,
    Config,
    FieldSelector,
    Hash,
    ListOperand,
    Not,
    Number,
    Operand,
    Place,
    Plugin,
    Regex,
    Statement,
    Text,
    Truth,
    Value,
)

if TYPE_CHECKING:
    from lark import Lark, Tree
    from lark.exceptions import UnexpectedInput

_VARIABLE = re.compile(r"\$\{([A-Za-z_.][A-Za-z0-9_.]*)(?::([^}]*))?\}")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "0": "\0", "/": "/", '"': '"', "'": "'", "\\": "\\"}
_WORDS = {
    "SECTION": "'input', 'filter' or 'output'",
    "IF": "'if'",
    "ELSE": "'else'",
    "NAME": "a name",
    "BARE_WORD": "a word of two or more letters",
    "NUMBER": "a number",
    "STRING": "a string in quotes",
    "BOOLEAN": "'and', 'or', 'xor' or 'nand'",
    "COMPARE": "'==', '!=', '<', '<=', '>' or '>='",
    "MATCH": "'=~' or '!~'",
    "IN": "'in'",
    "NOT_IN": "'not in'",
    "SELECTOR": "a field such as [a][b]",
    "REGEX": "a regular expression between slashes",
    "LBRACE": "'{'",
    "RBRACE": "'}'",
    "LSQB": "'['",
    "RSQB": "']'",
    "LPAR": "'('",
    "RPAR": "')'",
    "COMMA": "','",
    "__ANON_0": "'=>'",
    "BANG": "'!'",
    "$END": "the end of the file",
}


def join_configs(configs: Iterable[Config]) -> Config:
    """Join sections by kind, in order."""
    parts = list(configs)
    return Config(
        tuple(one for part in parts for one in part.inputs),
        tuple(one for part in parts for one in part.filters),
        tuple(one for part in parts for one in part.outputs),
    )


def parse(
    text: str, environment: Mapping[str, str], *, file: str, has_escapes: bool = False
) -> Config:
    r"""Parse one file.

    Args:
        text: the whole file.
        environment: values for ``${NAME}`` and ``${NAME:default}``.
        file: its name, for places.
        has_escapes: Logstash's ``config.support_escapes``: ``\n``, ``\"`` and so on in strings.

    Raises:
        RefusedConfig: with file, line, column, and what was expected.
    """
    from lark.exceptions import UnexpectedInput

    try:
        tree = _parser().parse(text)
        return _Reading(text, file, environment, has_escapes=has_escapes).config(tree)
    except UnexpectedInput as error:
        raise _syntax_error(error, text, file) from None
    except RecursionError:
        raise RefusedConfig(Place(file, 1, 1), "the config is nested too deeply") from None


@cache
def _parser() -> Lark:
    from lark import Lark

    grammar = files("ptingest.pipeline.logstash").joinpath("grammar.lark").read_text("utf-8")
    return Lark(grammar, parser="lalr", propagate_positions=True, maybe_placeholders=False)


def _syntax_error(error: UnexpectedInput, text: str, file: str) -> RefusedConfig:
    from lark.exceptions import UnexpectedCharacters, UnexpectedToken

    expected: Iterable[str] = ()
    if isinstance(error, UnexpectedToken):
        expected = error.accepts or error.expected
    elif isinstance(error, UnexpectedCharacters):
        expected = error.allowed or ()
    at = len(text) if error.pos_in_stream is None else error.pos_in_stream
    is_end = isinstance(error, UnexpectedToken) and error.token.type == "$END"
    at = len(text.rstrip()) if is_end else at
    line, column = text.count("\n", 0, at) + 1, at - (text.rfind("\n", 0, at) + 1) + 1
    words = sorted({_WORDS.get(name, f"'{name}'") for name in expected if "IGNORE" not in name})
    seen = "the file ends" if is_end else f"{_next_word(text, at)!r} stands"
    hint = ""
    if text[at : at + 1] in ('"', "'") and _WORDS["STRING"] in words:
        return RefusedConfig(Place(file, line, column), "the string that begins here has no end")
    if text[at : at + 1] == "\ufeff":
        hint = "; the file begins with a byte order mark: save it without"
    return RefusedConfig(
        Place(file, line, column), f"{seen} where {_one_of(words)} was expected{hint}"
    )


def _next_word(text: str, at: int) -> str:
    found = re.compile(r"[A-Za-z0-9_]+|.").match(text, at)
    return found.group() if found else ""


def _one_of(words: list[str]) -> str:
    if len(words) < 2:
        return "".join(words) or "something else"
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _grouped(operands: list[Condition], operators: list[str], place: Place) -> Condition:
    """Group as Logstash does: "and" binds tighter than "or", but only one step back.

    ``a and b and c or d`` is ``a and (b and c or d)`` there.
    """
    left: list[Condition] = [operands[0]]
    waiting: list[str] = []

    def join() -> None:
        operand = left.pop()
        left.append(Combination(waiting.pop(), left.pop(), operand, place))

    for operator, operand in zip(operators, operands[1:], strict=True):
        if waiting and operator == "or" and waiting[-1] == "and":
            join()
        left.append(operand)
        waiting.append(operator)
    while waiting:
        join()
    return left[0]


class _Reading:
    """Turns one parse tree into nodes of ``tree.py``."""

    def __init__(
        self, text: str, file: str, environment: Mapping[str, str], *, has_escapes: bool
    ) -> None:
        self._text = text
        self._file = file
        self._environment = environment
        self._has_escapes = has_escapes

    def config(self, tree: Tree[Any]) -> Config:
        sections: dict[str, list[Statement]] = {"input": [], "filter": [], "output": []}
        for section in tree.children:
            kind, *statements = section.children
            sections[str(kind)] += self._statements(statements)
        return Config(*(tuple(sections[kind]) for kind in ("input", "filter", "output")))

    def _statements(self, trees: Iterable[Tree[Any]]) -> tuple[Statement, ...]:
        return tuple(
            self._branch(tree) if tree.data == "branch" else self._plugin(tree) for tree in trees
        )

    def _branch(self, tree: Tree[Any]) -> Branch:
        arms: list[tuple[Condition | None, tuple[Statement, ...]]] = []
        for arm in tree.children:
            parts = [one for one in arm.children if getattr(one, "type", "") not in ("IF", "ELSE")]
            if arm.data == "else_arm":
                arms.append((None, self._statements(parts)))
            else:
                arms.append((self._condition(parts[0]), self._statements(parts[1:])))
        return Branch(tuple(arms), self._place(tree))

    def _plugin(self, tree: Tree[Any]) -> Plugin:
        name, *attributes = tree.children
        self._check_spaces(attributes, "options")
        return Plugin(
            str(name), tuple(self._attribute(one) for one in attributes), self._place(tree)
        )

    def _attribute(self, tree: Tree[Any]) -> Attribute:
        name, value = cast("list[Any]", tree.children)
        text = str(name)[1:-1] if name.type == "STRING" else str(name)
        return Attribute(text, self._value(value), self._place(tree))

    def _value(self, tree: Tree[Any]) -> Value:
        place = self._place(tree)
        match tree.data:
            case "codec":
                return self._plugin(tree)
            case "array":
                return Array(tuple(self._value(one) for one in tree.children), place)
            case "hash":
                return self._hash(tree)
        return self._scalar(tree)

    def _scalar(self, tree: Tree[Any]) -> Text | Number:
        place = self._place(tree)
        token = str(tree.children[0])
        match tree.data:
            case "bare_word":
                return Text(token, place, is_bare=True)
            case "number" | "number_operand":
                return Number(Decimal(token) if "." in token else int(token), place)
        return Text(self._expand(self._unescape(token[1:-1]), place), place)

    def _hash(self, tree: Tree[Any]) -> Hash:
        self._check_spaces(tree.children, "entries")
        entries: list[tuple[Text | Number, Value]] = []
        seen: set[str] = set()
        for entry in tree.children:
            key, value = entry.children
            found = self._scalar(key)
            if str(found.value) in seen:
                raise RefusedConfig(
                    found.place, f"the key {str(found.value)!r} stands twice in one hash"
                )
            seen.add(str(found.value))
            entries.append((found, self._value(value)))
        return Hash(tuple(entries), self._place(tree))

    def _condition(self, tree: Tree[Any]) -> Condition:
        operands = [self._expression(one) for one in tree.children[::2]]
        operators: list[Any] = tree.children[1::2]
        if len(operators) > 1:
            for operator in operators:
                if operator in ("xor", "nand"):
                    place = Place(self._file, operator.line or 1, operator.column or 1)
                    raise RefusedConfig(
                        place, f"{str(operator)!r} cannot stand beside another operator; "
                        "put it and its two sides into parentheses"
                    )  # fmt: skip
        place = self._place(tree)
        if len(operators) == 1:
            return Combination(str(operators[0]), operands[0], operands[1], place)
        return _grouped(operands, [str(operator) for operator in operators], place)

    def _expression(self, tree: Tree[Any]) -> Condition:
        place = self._place(tree)
        if tree.data == "group":
            return self._condition(tree.children[0])
        if tree.data == "negation":
            inner = tree.children[0]
            if inner.data == "condition":
                return Not(self._condition(inner), place)
            return Not(Truth(self._operand(inner), self._place(inner)), place)
        if tree.data == "truth":
            return Truth(self._operand(tree.children[0]), place)
        left, operator, right = cast("list[Any]", tree.children)
        name = "not in" if operator.type == "NOT_IN" else str(operator)
        return Comparison(name, self._operand(left), self._operand(right), place)

    def _operand(self, tree: Tree[Any]) -> Operand:
        place = self._place(tree)
        match tree.data:
            case "selector":
                return FieldSelector(str(tree.children[0]), place)
            case "regex":
                text = str(tree.children[0])[1:-1].replace("\\/", "/")
                return Regex(self._expand(text, place), place)
            case "list_operand" | "array":
                return ListOperand(tuple(self._operand(one) for one in tree.children), place)
            case "hash" | "codec":
                raise RefusedConfig(place, "a list in a condition holds strings and numbers only")
        return self._scalar(tree)

    def _unescape(self, text: str) -> str:
        if not self._has_escapes or "\\" not in text:
            return text
        return _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[0]), text)

    def _expand(self, text: str, place: Place) -> str:
        if "${" not in text:
            return text

        def value(found: re.Match[str]) -> str:
            name, default = found[1], found[2]
            known = self._environment.get(name, default)
            if known is None:
                raise RefusedConfig(
                    place,
                    f"the environment has no {name}, and {found[0]} gives no default; set it, "
                    f"or write ${{{name}:default}}",
                )
            return known

        return _VARIABLE.sub(value, text)

    def _check_spaces(self, trees: list[Tree[Any]], what: str) -> None:
        for tree in trees[:-1]:
            end = tree.meta.end_pos
            if not self._text[end].isspace():
                line, column = tree.meta.end_line, tree.meta.end_column
                raise RefusedConfig(
                    Place(self._file, line, column), f"{what} must be separated by white space"
                )

    def _place(self, tree: Tree[Any]) -> Place:
        if tree.meta.empty:
            return Place(self._file, 1, 1)
        return Place(self._file, tree.meta.line, tree.meta.column)
