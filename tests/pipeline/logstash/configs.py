"""Configs by chance, and their texts."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import strategies as st

from ptingest.pipeline.logstash.conditions import condition_text, operand_text
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

HERE = Place("", 1, 1)


def config_text(config: Config) -> str:
    """The text of a config; parsed again it is the same config."""
    sections = (("input", config.inputs), ("filter", config.filters), ("output", config.outputs))
    return "\n".join(f"{kind} {block_text(block)}" for kind, block in sections)


def block_text(statements: Iterable[Statement]) -> str:
    return f"{{ {' '.join(map(statement_text, statements))} }}"


def statement_text(statement: Statement) -> str:
    if isinstance(statement, Plugin):
        return plugin_text(statement)
    arms = []
    for condition, block in statement.arms:
        head = "" if condition is None else f"if {condition_text(condition)} "
        arms.append(f"{head}{block_text(block)}")
    return "\n else ".join(arms)


def plugin_text(plugin: Plugin) -> str:
    options = (f"{one.name} => {value_text(one.value)}" for one in plugin.attributes)
    return f"{plugin.name} {{ {' '.join(options)} }} # a comment }}\n"


def value_text(value: Value) -> str:
    match value:
        case Array():
            return f"[{', '.join(map(value_text, value.items))}]"
        case Hash():
            entries = (f"{operand_text(key)} => {value_text(one)}" for key, one in value.entries)
            return f"{{ {' '.join(entries)} }}"
        case Plugin():
            return plugin_text(value)
    return value.value if isinstance(value, Text) and value.is_bare else operand_text(value)


def texts(without: str) -> st.SearchStrategy[str]:
    """Strings as they can be written without escapes: one kind of quote, no backslash last."""
    plain = st.characters(exclude_characters=f"{without}$", exclude_categories=["Cs"])
    return st.text(plain, max_size=8).filter(lambda text: not text.endswith("\\"))


names = st.from_regex(r"[a-z_][a-z0-9_-]{1,6}", fullmatch=True).filter(
    lambda name: name not in ("if", "else")
)
bare_words = st.from_regex(r"[a-z_][a-z0-9_]{1,6}", fullmatch=True)
strings = st.one_of(texts("'"), texts('"')).map(lambda text: Text(text, HERE))
numbers = st.one_of(
    st.integers(-(10**9), 10**9),
    st.decimals(-1000, 1000, places=2, allow_nan=False, allow_infinity=False),
).map(lambda number: Number(number, HERE))
selectors = st.lists(st.text("ab_@. 1-", min_size=1, max_size=4), min_size=1, max_size=3).map(
    lambda keys: FieldSelector("".join(f"[{key}]" for key in keys), HERE)
)
regexes = texts("").map(lambda text: Regex(text, HERE))
lists = st.lists(
    st.one_of(texts("']"), texts('"]')).map(lambda text: Text(text, HERE)) | numbers,
    min_size=2,
    max_size=4,
).map(lambda items: ListOperand(tuple(items), HERE))
operands: st.SearchStrategy[Operand] = st.one_of(strings, numbers, selectors)
conditions: st.SearchStrategy[Condition] = st.recursive(
    st.one_of(
        operands.map(lambda operand: Truth(operand, HERE)),
        st.builds(
            Comparison,
            st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "in", "not in"]),
            operands,
            operands | lists,
            st.just(HERE),
        ),
        st.builds(
            Comparison, st.sampled_from(["=~", "!~"]), selectors, strings | regexes, st.just(HERE)
        ),
    ),
    lambda inner: st.one_of(
        inner.map(lambda condition: Not(condition, HERE)),
        st.builds(
            Combination, st.sampled_from(["and", "or", "xor", "nand"]), inner, inner, st.just(HERE)
        ),
    ),
    max_leaves=6,
)


def attributes(values: st.SearchStrategy[Value]) -> st.SearchStrategy[tuple[Attribute, ...]]:
    one = st.builds(Attribute, names, values, st.just(HERE))
    return st.lists(one, max_size=3).map(tuple)


keys = st.one_of(strings, bare_words.map(lambda word: Text(word, HERE)), numbers)
values: st.SearchStrategy[Value] = st.recursive(
    st.one_of(strings, numbers, bare_words.map(lambda word: Text(word, HERE, is_bare=True))),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: Array(tuple(items), HERE)),
        st.lists(
            st.tuples(keys, inner), max_size=3, unique_by=lambda entry: str(entry[0].value)
        ).map(lambda entries: Hash(tuple(entries), HERE)),
        st.builds(Plugin, bare_words, attributes(inner), st.just(HERE)),
    ),
    max_leaves=6,
)
plugins = st.builds(Plugin, names, attributes(values), st.just(HERE))


def branches(inner: st.SearchStrategy[Statement]) -> st.SearchStrategy[Statement]:
    block = st.lists(inner, max_size=2).map(tuple)
    tests = st.lists(st.tuples(conditions, block), min_size=1, max_size=3)
    ends = st.lists(block.map(lambda statements: (None, statements)), max_size=1)
    return st.builds(lambda arms, end: Branch((*arms, *end), HERE), tests, ends)


statements: st.SearchStrategy[Statement] = st.recursive(plugins, branches, max_leaves=6)
blocks = st.lists(statements, max_size=3).map(tuple)
configs = st.builds(Config, blocks, blocks, blocks)
