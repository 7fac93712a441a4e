"""The filter ``kv``: ``key=value`` pairs of a text become fields."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ptingest.pipeline.logstash.event import Event
from ptingest.pipeline.logstash.field_access import reader, writer
from ptingest.pipeline.logstash.field_reference import parse_reference
from ptingest.pipeline.logstash.options import FilterFunction, FilterSetup, Option, Options
from ptingest.pipeline.logstash.regex import BadRegex, Regex, RegexTimeout, compile_regex
from ptingest.pipeline.logstash.sprintf import compile_template
from ptingest.pipeline.logstash.values import FieldError, Value, capitalize, lowercase

_CASES = ("lowercase", "uppercase", "capitalize")
OPTIONS = (
    Option("source", default="message"),
    Option("target"),
    Option("field_split", default=" "),
    Option("field_split_pattern"),
    Option("value_split", default="="),
    Option("value_split_pattern"),
    Option("prefix", default=""),
    Option("include_keys", "array", []),
    Option("exclude_keys", "array", []),
    Option("default_keys", "hash", []),
    Option("allow_duplicate_values", "boolean", True),
    Option("allow_empty_values", "boolean", False),
    Option("include_brackets", "boolean", True),
    Option("recursive", "boolean", False),
    Option("trim_key"),
    Option("trim_value"),
    Option("remove_char_key"),
    Option("remove_char_value"),
    Option("transform_key", choices=_CASES),
    Option("transform_value", choices=_CASES),
    Option("whitespace", default="lenient", choices=("lenient", "strict")),
    Option("tag_on_failure", "array", ["_kv_filter_error"]),
    Option("tag_on_timeout", default="_kv_filter_timeout"),
    Option(
        "timeout_millis", "number", 30_000,
        ignored="a search has a fraction of a second here; then the event gets tag_on_timeout",
    ),
)  # fmt: skip
Pairs = dict[str, Any]
_QUOTES = (('"', '"'), ("'", "'"))
_BRACKETS = (("(", ")"), ("[", "]"), ("<", ">"))
Change = Callable[[str], str]


def build(setup: FilterSetup) -> FilterFunction:
    """Return the filter; a key that stands several times becomes a list."""
    options, matched = setup.options, setup.matched
    read = reader(options["source"])
    store = _store(options)
    scan = _scan(options)
    defaults = dict(options["default_keys"])
    failure_tags, timeout_tag = options["tag_on_failure"], options["tag_on_timeout"]

    def kv(event: Event) -> None:
        try:
            pairs: Pairs = {}
            for text in _as_list(read(event)):
                if isinstance(text, str):
                    scan(text, event, pairs)
            if pairs or defaults:
                store(event, {**defaults, **pairs} if defaults else pairs)
                matched(event)
        except RegexTimeout:
            event.tag(timeout_tag)
        except FieldError:
            for tag in failure_tags:
                event.tag(tag)

    return kv


def _store(options: Options) -> Callable[[Event, Pairs], None]:
    if options["target"]:
        return writer(options["target"])

    def store(event: Event, pairs: Pairs) -> None:
        for key, value in pairs.items():
            event.set(parse_reference(key), value)

    return store


def _scan(options: Options) -> Callable[[str, Event, Pairs], None]:
    """Return what adds the pairs of a text to ``pairs``."""
    splitter, plain, escaped = _expressions(options)
    refine = _refinement(options)
    allows_duplicates = options["allow_duplicate_values"]
    allows_empty, is_recursive = options["allow_empty_values"], options["recursive"]

    def scan(text: str, event: Event, pairs: Pairs) -> None:
        if splitter.search(text) is None:
            return
        for found in (escaped if "\\" in text else plain).finditer(text):
            groups = found.groups()
            pair = groups[0], "".join(filter(None, groups[1:]))  # one form of value at most
            if not pair[1] and not allows_empty:
                continue
            refined = pair if refine is None else refine(event, *pair)
            if refined is None:
                continue
            key, value = refined
            if key in pairs or is_recursive:
                add(event, pairs, key, value)
            else:
                pairs[key] = value

    def add(event: Event, pairs: Pairs, key: str, value: Value) -> None:
        known = _as_list(pairs[key]) if key in pairs else []
        # As in Logstash, a value within the one text that is known counts as known.
        if not allows_duplicates and key in pairs and value in pairs[key]:
            return
        if is_recursive:
            inner: Pairs = {}
            scan(value, event, inner)
            value = inner or value
        pairs[key] = [*known, value] if known else value

    return scan


def _refinement(options: Options) -> Callable[[Event, str, str], tuple[str, str] | None] | None:
    """Return what changes a key and a value, or gives None for a key that is not taken.

    None where the options ask for nothing of the kind.
    """
    change_key, change_value = _change(options, "key"), _change(options, "value")
    wanted, unwanted = _keys(options["include_keys"]), _keys(options["exclude_keys"])
    prefix = compile_template(options["prefix"])
    names = ("include_keys", "exclude_keys", "prefix")
    if change_key is change_value is _unchanged and not any(options[name] for name in names):
        return None

    def refine(event: Event, key: str, value: str) -> tuple[str, str] | None:
        key = change_key(key)
        own_wanted = wanted(event)
        if (own_wanted and key not in own_wanted) or key in unwanted(event):
            return None
        return prefix(event) + key, change_value(value)

    return refine


def _unchanged(text: str) -> str:
    return text


def _as_list(value: Value) -> list[Value]:
    return value if isinstance(value, list) else [value]


def _keys(templates: list[Value]) -> Callable[[Event], frozenset[str]]:
    compiled = [compile_template(str(one)) for one in templates]
    if not any("%{" in str(one) for one in templates):
        known = frozenset(map(str, templates))
        return lambda _event: known
    return lambda event: frozenset(template(event) for template in compiled)


def _change(options: Options, part: str) -> Change:
    """Return what trims, removes and transforms a key or a value."""
    changes: list[Change] = []
    if trimmed := options[f"trim_{part}"]:
        ends = _compiled(options, f"^[{trimmed}]+|[{trimmed}]+$", f"trim_{part}")
        changes.append(ends.replacer(""))
    if removed := options[f"remove_char_{part}"]:
        changes.append(_compiled(options, f"[{removed}]", f"remove_char_{part}").replacer(""))
    if case := options[f"transform_{part}"]:
        changes.append({"lowercase": lowercase, "uppercase": str.upper}.get(case, capitalize))

    if not changes:
        return _unchanged

    def change(text: str) -> str:
        for one in changes:
            text = one(text)
        return text

    return change


def _expressions(options: Options) -> tuple[Regex, Regex, Regex]:
    """Return what tells whether a text has pairs, and what finds them.

    An expression of a pair has a group for the key and one for each form of value. The second
    is for texts without a backslash, since looking for escapes costs the most; the third is for
    all others.
    """
    for name in ("value_split", "value_split_pattern", "field_split_pattern"):
        if options[name] == "":
            raise options.refuse(f"{name} must not be empty", name)
    fields, values = options["field_split"], options["value_split"]
    field = options["field_split_pattern"] or f"[{fields}]"
    value = options["value_split_pattern"] or f"[{values}]"
    splitter = f"(?: *(?:{value}) *)" if options["whitespace"] == "lenient" else f"(?:{value})"
    patterns = ("field_split_pattern", "value_split_pattern")
    own_patterns = [name for name in patterns if options[name]]
    key_character = f"(?!{splitter}|(?:{field}))." if own_patterns else f"[^{values}{fields}]"
    value_character = f"(?!{field})." if options["field_split_pattern"] else f"[^{fields}]"
    wrappers = [*_QUOTES, *(_BRACKETS if options["include_brackets"] else ())]
    place = own_patterns[0] if own_patterns else "field_split"

    def pair(escape: str) -> Regex:
        forms = [
            rf"\{opening}((?:{escape}[^\{closing}])+)?\{closing}" for opening, closing in wrappers
        ]
        forms.append(f"((?:{escape}{value_character})+)")
        key = f"((?:{escape}{key_character})+)"
        text = f"{key}{splitter}(?:{'|'.join(forms)})?(?:(?:{field})|$)"
        return _compiled(options, text, place)

    return _compiled(options, splitter, place), pair(""), pair(r"\\.|")


def _compiled(options: Options, text: str, option: str) -> Regex:
    try:
        return compile_regex(text)
    except BadRegex as error:
        raise options.refuse(str(error), option, is_unsupported=error.is_unsupported) from error
