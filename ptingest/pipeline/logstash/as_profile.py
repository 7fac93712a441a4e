r"""Recognises a config whose meaning a profile in YAML can express, and writes that profile.

    if [group] == "G" {                                  groups: [{group: G, ...}]
      grok   { match => { "message" => [...] } }         patterns, failure_tag
      mutate { replace => { data_stream, constants } }   data_stream, fields
      if [logger_name] =~ /\Aa(\.|\z)/ { mutate ... }     categories
      if "TAG" not in [tags] and [time] { date ... }     time
    }
    output: if [group] == "G" and [service] { elasticsearch { data_stream => true } }

A profile runs on the fast path, which takes about a third of the time. Whatever is not exactly
of this shape is left to the general engine: each function here returns None, or raises
``_Other``, for what it does not know.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from ptingest.pipeline.logstash.judgement import Section
from ptingest.pipeline.logstash.tree import (
    Array,
    Branch,
    Combination,
    Comparison,
    Condition,
    Config,
    FieldSelector,
    Hash,
    Place,
    Plugin,
    Regex,
    Statement,
    Text,
    Truth,
    Value,
)
from ptingest.settings.profile import (
    CategoryRule,
    CategorySettings,
    DataStreamSettings,
    GroupSettings,
    PatternSettings,
    ProfileSettings,
    TimeSettings,
)

_Item = TypeVar("_Item")
_ANY = Place("", 0, 0)
"""Places are not compared."""
_FALSE = Text("false", _ANY)


class _Other(Exception):
    """The config is of another shape."""


def profile_of(config: Config) -> ProfileSettings | None:
    """Return the profile that means the same as a config; None where there is none."""
    try:
        return _profile(config)
    except (_Other, ValueError):  # pydantic's error is one: a name that no profile can have
        return None


def _profile(config: Config) -> ProfileSettings:
    _require_plain_input(config.inputs)
    group = _group_of_output(config.outputs)
    *checks, main = config.filters or (None,)
    inner_group, block = _only_arm(main)
    if _group_compared(inner_group) != group or len(block) != 4:
        raise _Other
    grok, mutate, categories, date = block
    tag, patterns = _patterns(grok)
    stream, fields = _constants(mutate)
    category_settings = _categories(categories)
    for check in checks:
        _require_harmless(check, category_settings)
    settings = GroupSettings(
        group=group,
        data_stream=stream,
        fields=fields,
        max_services=10_000,
        failure_tag=tag,
        patterns=patterns,
        time=_time(date, tag, patterns),
        categories=category_settings,
    )
    return ProfileSettings(groups=(settings,))


# --- sections ---------------------------------------------------------------------------

_PLAIN: dict[Section, frozenset[str]] = {
    "input": frozenset({
        "port", "host", "id", "client_inactivity_timeout", "executor_threads",
        "event_loop_threads", "ssl", "ssl_enabled", "ssl_certificate", "ssl_key",
        "ssl_key_passphrase", "ssl_certificate_authorities", "ssl_verify_mode",
        "ssl_client_authentication", "ssl_supported_protocols", "ssl_cipher_suites",
        "cipher_suites", "ssl_handshake_timeout", "tls_min_version", "tls_max_version",
    }),
    "output": frozenset({
        "hosts", "user", "password", "api_key", "cloud_id", "cloud_auth", "ssl", "ssl_enabled",
        "ssl_certificate_authorities", "cacert", "ca_trusted_fingerprint", "ssl_certificate",
        "ssl_key", "data_stream", "manage_template", "id", "path",
    }),
    "filter": frozenset({"id", "enable_metric"}),
}  # fmt: skip
"""Options that change no document."""


def _require_plain_input(inputs: Sequence[Statement]) -> None:
    for one in inputs:
        _attributes(one, ("beats", "elastic_agent"), "input")


def _group_of_output(outputs: Sequence[Statement]) -> str:
    condition, block = _only_arm(_single(outputs))
    if not isinstance(condition, Combination) or condition.operator != "and":
        raise _Other
    if condition.right != Truth(FieldSelector("[service]", _ANY), _ANY):
        raise _Other
    found = _attributes(_single(block), ("elasticsearch",), "output")
    if _text(found.get("data_stream")) != "true":
        raise _Other
    if _text(found.get("manage_template", _FALSE)) != "false":
        raise _Other
    return _group_compared(condition.left)


def _group_compared(condition: Condition | None) -> str:
    match condition:
        case Comparison("==", FieldSelector("[group]"), Text(value=group)):
            return group
    raise _Other


# --- filters ----------------------------------------------------------------------------

_PIECE = re.compile(r"%\{([A-Z0-9_]+):([a-z_][a-z0-9_]*)\}")
_KINDS = {
    "WORD": "word",
    "DATA": "data",
    "TIMESTAMP_ISO8601": "timestamp",
    "INT": "int",
    "GREEDYDATA": "rest",
}
_SHAPES = (
    ("^", "word", r"\|", "data", r"\|", "timestamp", r"\.", "int", r"\|", "rest", "$"),
    ("^", "word", r"\|", "data", r"\|", "timestamp", r"\|", "rest", "$"),
)
"""Sequences that ``line`` patterns are proven to match as grok does."""


def _patterns(statement: Statement) -> tuple[str, tuple[PatternSettings, ...]]:
    """Return the failure tag and the patterns of a grok filter on the message."""
    found = _attributes(statement, ("grok",), "filter", "match", "tag_on_failure")
    match found.get("match"):
        case Hash(entries=((Text(value="message"), texts),)):
            pass
        case Array(items=(Text(value="message"), texts)):
            pass
        case _:
            raise _Other
    lines = [_line(text) for text in _texts(texts)]
    tags = _texts(found["tag_on_failure"]) if "tag_on_failure" in found else ["_grokparsefailure"]
    patterns = tuple(
        PatternSettings(name=f"pattern {number}", line=line) for number, line in enumerate(lines, 1)
    )
    return _single(tags), patterns


def _line(text: str) -> str:
    pieces: list[str] = []
    shape: list[str] = []
    for number, part in enumerate(_PIECE.split(text)):
        match number % 3:
            case 0:
                shape.append(part)
                pieces.append(part.removeprefix("^").removesuffix("$").replace("\\", ""))
            case 1:
                shape.append(_KINDS.get(part, ""))
            case 2:
                pieces.append(f"{{{shape[-1]}:{part}}}")
    if tuple(shape) not in _SHAPES:
        raise _Other
    return "".join(pieces)


def _constants(statement: Statement) -> tuple[DataStreamSettings, dict[str, str]]:
    """Return the data stream and the constants of a mutate filter."""
    values = dict(_replaced(statement))
    kind, namespace = (values.pop(f"[data_stream][{name}]", "") for name in ("type", "namespace"))
    if values.pop("[data_stream][dataset]", "") not in ("%{[service]}", "%{service}"):
        raise _Other
    return DataStreamSettings(type=kind, namespace=namespace), {
        _dotted(name): _constant(text) for name, text in values.items()
    }


def _categories(statement: Statement) -> CategorySettings:
    if not isinstance(statement, Branch):
        raise _Other
    rules: list[CategoryRule] = []
    fields: set[str] = set()
    for condition, block in statement.arms:
        values = {_dotted(name): _constant(text) for name, text in _replaced(_single(block))}
        if condition is None:
            return CategorySettings(field=_single(fields), rules=tuple(rules), otherwise=values)
        names = list(_names(condition, fields))
        rules.append(CategoryRule(match=tuple(names), set=values))
    raise _Other


_NAME = r"[A-Za-z0-9_-]+(?:\\\.[A-Za-z0-9_-]+)*"
_BELOW = re.compile(rf"\\A({_NAME})\(\\\.\|\\z\)")
_CHOICE = re.compile(rf"\\A((?:{_NAME}\\\.)?)\(({_NAME}(?:\|{_NAME})+)\)\(\\\.\|\\z\)")
_PREFIX = re.compile(rf"\\A({_NAME}(?:\\\.)?)")
_SUFFIX = re.compile(rf"((?:\\\.)?{_NAME})\\z")


def _names(condition: Condition, fields: set[str]) -> Iterator[str]:
    """Yield the names, as categories write them, that a condition is true of."""
    match condition:
        case Combination("or", left, right):
            yield from _names(left, fields)
            yield from _names(right, fields)
        case Comparison("==", FieldSelector(text=field), Text(value=name)) if "*" not in name:
            fields.add(_field(field))
            yield name
        case Comparison("=~", FieldSelector(text=field), Regex(text=text)):
            fields.add(_field(field))
            yield from _names_of_regex(text)
        case _:
            raise _Other


def _names_of_regex(text: str) -> Iterator[str]:
    if found := _BELOW.fullmatch(text):
        yield f"{_plain(found[1])}.*"
    elif found := _CHOICE.fullmatch(text):
        for name in found[2].split("|"):
            yield f"{_plain(found[1] + name)}.*"
    elif (found := _PREFIX.fullmatch(text)) and not found[1].endswith("."):
        yield f"{_plain(found[1])}*"
    elif found := _SUFFIX.fullmatch(text):
        yield f"*{_plain(found[1])}"
    else:
        raise _Other


def _plain(text: str) -> str:
    return text.replace("\\.", ".")


def _time(statement: Statement, tag: str, patterns: Iterable[PatternSettings]) -> TimeSettings:
    condition, block = _only_arm(statement)
    match condition:
        case Combination(
            "and",
            Comparison("not in", Text(value=text), FieldSelector("[tags]")),
            Truth(FieldSelector(text=field)),
        ) if text == tag:
            pass
        case _:
            raise _Other
    found = _attributes(_single(block), ("date",), "filter", "match", "target")
    source, *formats = _texts(found.get("match"))
    # What the second format reads, ISO8601 reads, too.
    if source != _field(field) or formats[:1] != ["ISO8601"]:
        raise _Other
    if not {*formats} <= {"ISO8601", "yyyy-MM-dd'T'HH:mm:ss"}:
        raise _Other
    if "target" in found and _text(found["target"]) != "@timestamp":
        raise _Other
    searched = [_FRACTION.search(one.line or "") for one in patterns]
    fractions = {one[1] for one in searched if one is not None}
    return TimeSettings(field=source, fraction_field=_single(fractions) if fractions else None)


_FRACTION = re.compile(r"\.\{int:([a-z0-9_]+)\}")
"""Digits of a second after the time; keys begin with them."""


def _require_harmless(statement: Statement | None, categories: CategorySettings) -> None:
    """Accept a filter before the group's whose field every category sets again."""
    condition, block = _only_arm(statement)
    stream = FieldSelector("[stream]", _ANY)
    harmless = Combination(
        "and", Truth(stream, _ANY), Comparison("=~", stream, Regex(r"^\[", _ANY), _ANY), _ANY
    )
    sets = [rule.set for rule in categories.rules] + [categories.otherwise]
    if condition != harmless or any("stream" not in one for one in sets):
        raise _Other
    if dict(_replaced(_single(block))).keys() != {"stream"}:
        raise _Other


# --- pieces -----------------------------------------------------------------------------


def _only_arm(statement: Statement | None) -> tuple[Condition | None, Sequence[Statement]]:
    if isinstance(statement, Branch) and len(statement.arms) == 1:
        return statement.arms[0]
    raise _Other


def _attributes(
    statement: Statement, names: Sequence[str], section: Section, *known: str
) -> dict[str, Value]:
    """Return the options of a plugin; only those that are ``known`` or change no document."""
    if not isinstance(statement, Plugin) or statement.name not in names:
        raise _Other
    found = {one.name: one.value for one in statement.attributes}
    is_plain = found.keys() <= {*known, *_PLAIN[section]}
    if not is_plain or len(found) != len(statement.attributes):
        raise _Other
    return found


def _replaced(statement: Statement) -> Iterator[tuple[str, str]]:
    match _attributes(statement, ("mutate",), "filter", "replace").get("replace"):
        case Hash(entries=entries):
            for name, value in entries:
                if not isinstance(name, Text):
                    raise _Other
                yield name.value, _text(value)
        case _:
            raise _Other


def _field(text: str) -> str:
    name = text.removeprefix("[").removesuffix("]")
    if not re.fullmatch(r"[A-Za-z0-9_]+", name):
        raise _Other
    return name


def _dotted(name: str) -> str:
    """Return ``[a][b]`` as ``a.b``; a dot in a name is no path."""
    parts = name[1:-1].split("][") if name.startswith("[") and name.endswith("]") else [name]
    return ".".join(map(_field, parts))


def _constant(text: str) -> str:
    if "%{" in text:
        raise _Other
    return text


def _text(value: Value | None) -> str:
    if isinstance(value, Text):
        return value.value
    raise _Other


def _texts(value: Value | None) -> list[str]:
    if isinstance(value, Array):
        return [_text(one) for one in value.items]
    return [_text(value)]


def _single(items: Iterable[_Item]) -> _Item:
    found = list(items)
    if len(found) != 1:
        raise _Other
    return found[0]
