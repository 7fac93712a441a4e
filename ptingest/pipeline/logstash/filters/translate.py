"""The filter ``translate``: a field's value is looked up in a dictionary.

The dictionary stands in the config, or in a YAML, JSON or CSV file that is read again when it
has changed.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import NamedTuple

from ptingest.pipeline.logstash.dictionaries import Dictionary, read_dictionary
from ptingest.pipeline.logstash.event import MISSING, Event
from ptingest.pipeline.logstash.field_reference import Reference, parse_reference
from ptingest.pipeline.logstash.options import FilterFunction, FilterSetup, Option, Options
from ptingest.pipeline.logstash.refreshed_file import RefreshedFile
from ptingest.pipeline.logstash.regex import BadRegex, compile_regex
from ptingest.pipeline.logstash.sprintf import compile_template, known_reference
from ptingest.pipeline.logstash.values import Value, ruby_text

OPTIONS = (
    Option("source"),
    Option("field"),
    Option("target"),
    Option("destination"),
    Option("dictionary", "hash", []),
    Option("dictionary_path", "path"),
    Option("refresh_interval", "number", 300),
    Option("refresh_behaviour", default="merge", choices=("merge", "replace")),
    Option("exact", "boolean", True),
    Option("regex", "boolean", False),
    Option("override", "boolean"),
    Option("fallback"),
    Option("iterate_on"),
    Option(
        "yaml_dictionary_code_point_limit", "number",
        ignored="a dictionary file may have any size here",
    ),
    Option(
        "yaml_load_strategy", default="one_shot", choices=("one_shot", "streaming"),
        ignored="a dictionary file is read whole here",
    ),
)  # fmt: skip
Lookup = Callable[[str], Value]
"""Gives a translation, or ``MISSING``."""
LookupOf = Callable[[Event], Lookup]


def build(setup: FilterSetup) -> FilterFunction:
    """Return the filter; of a list the first element counts, of an object its first pair."""
    options = setup.options
    source, target = _names(options, has_ecs=setup.has_ecs)
    lookup = _lookup(setup)
    fallback = None if options["fallback"] is None else compile_template(options["fallback"])

    def translation(event: Event, value: Value) -> Value:
        found = lookup(event)(ruby_text(value))
        if found is MISSING and fallback is not None:
            return fallback(event)
        return copy.deepcopy(found) if isinstance(found, (dict, list)) else found

    iterated = options["iterate_on"]
    if iterated is None:
        return _translate_one(setup, source, target, translation)
    if iterated == source:
        return _translate_values(setup, source, target, translation)
    return _translate_objects(setup, iterated, source, target, translation)


Translation = Callable[[Event, Value], Value]


def _names(options: Options, *, has_ecs: bool) -> tuple[str, str]:
    for new, old in (("source", "field"), ("target", "destination")):
        if options[new] is not None and options[old] is not None:
            raise options.refuse(f"{new} and {old} are one option; write {new}", old)
    source = options["source"] or options["field"]
    if source is None:
        raise options.refuse("it needs a source")
    target = options["target"] or options["destination"] or (source if has_ecs else "translation")
    if target == source and options["override"] is False:
        raise options.refuse("override => false keeps it from translating in place", "override")
    return source, target


def _translate_one(
    setup: FilterSetup, source: str, target: str, translation: Translation
) -> FilterFunction:
    matched = setup.matched

    def translate(event: Event, value: Value, reference: Reference) -> None:
        if isinstance(value, dict):
            value = [list(pair) for pair in value.items()]
        if isinstance(value, list):
            value = value[0] if value else None
        found = translation(event, value)
        if found is not MISSING:
            event.set(reference, found)
            matched(event)

    return _where_due(setup, source, target, translate)


def _translate_values(
    setup: FilterSetup, source: str, target: str, translation: Translation
) -> FilterFunction:
    """Return the filter that translates each value of a list; what is unknown becomes null."""
    matched = setup.matched

    def translate(event: Event, values: Value, reference: Reference) -> None:
        found = [translation(event, value) for value in _as_list(values)]
        event.set(reference, [None if one is MISSING else one for one in found])
        if any(one is not MISSING and one is not None and one is not False for one in found):
            matched(event)

    return _where_due(setup, source, target, translate)


def _where_due(
    setup: FilterSetup,
    source_name: str,
    target_name: str,
    translate: Callable[[Event, Value, Reference], None],
) -> FilterFunction:
    """Return the filter that translates where there is a source, and a target to be set."""
    source, target = known_reference(source_name), known_reference(target_name)
    overrides = setup.options["override"] or source_name == target_name

    def translate_due(event: Event) -> None:
        value = event.get(source(event))
        reference = target(event)
        if value is not MISSING and (overrides or event.get(reference) is MISSING):
            translate(event, value, reference)

    return translate_due


def _translate_objects(
    setup: FilterSetup, iterated: str, source_name: str, target_name: str, translation: Translation
) -> FilterFunction:
    """Return the filter that translates a field in each object of a list."""
    objects, matched = known_reference(iterated), setup.matched
    prefix, source, target = map(_bracketed, (iterated, source_name, target_name))
    overrides = setup.options["override"] or source_name == target_name

    def translate(event: Event) -> None:
        is_found = False
        for index in range(len(_as_list(event.get(objects(event))))):
            value = event.get(_within(prefix, index, source))
            reference = _within(prefix, index, target)
            if value is MISSING or (not overrides and event.get(reference) is not MISSING):
                continue
            found = translation(event, value)
            if found is not MISSING:
                event.set(reference, found)
                is_found = True
        if is_found:
            matched(event)

    return translate


def _bracketed(name: str) -> str:
    return name if name.startswith("[") else f"[{name}]"


def _within(prefix: str, index: int, name: str) -> Reference:
    return parse_reference(f"{prefix}[{index}]{name}")


def _as_list(value: Value) -> list[Value]:
    if isinstance(value, list):
        return value
    return [] if value is MISSING or value is None else [value]


class _Known(NamedTuple):
    """A dictionary file, and what looks texts up in it."""

    dictionary: Dictionary
    lookup: Lookup


def _lookup(setup: FilterSetup) -> LookupOf:
    options = setup.options
    if options["dictionary_path"] is None:
        try:
            lookup = _compiled(options, dict(options["dictionary"]))
        except BadRegex as error:
            raise options.refuse(
                str(error), "dictionary", is_unsupported=error.is_unsupported
            ) from error
        return lambda _event: lookup
    if options["dictionary"]:
        raise options.refuse("dictionary and dictionary_path exclude each other", "dictionary_path")

    def known(dictionary: Dictionary) -> _Known:
        return _Known(dictionary, _compiled(options, dictionary))

    merges = options["refresh_behaviour"] == "merge"
    file = RefreshedFile(
        setup, "dictionary_path", lambda path: known(read_dictionary(path)),
        join=(lambda old, new: known({**old.dictionary, **new.dictionary})) if merges else None,
    )  # fmt: skip
    return lambda event: file.content(event.now_ns).lookup


def _compiled(options: Options, dictionary: Dictionary) -> Lookup:
    if not options["exact"]:
        return _replacing(dictionary)
    if not options["regex"]:
        return lambda text: dictionary.get(text, MISSING)
    expressions = [(compile_regex(key), value) for key, value in dictionary.items()]

    def first(text: str) -> Value:
        for expression, value in expressions:
            if expression.is_match(text):
                return value
        return MISSING

    return first


def _replacing(dictionary: Dictionary) -> Lookup:
    """Return what replaces every key that stands in a text; of two at one place the first."""
    if not dictionary:
        return lambda _text: MISSING
    keys = re.compile("|".join(map(re.escape, dictionary)))
    texts = {key: ruby_text(value) for key, value in dictionary.items()}

    def replace(text: str) -> Value:
        made = keys.sub(lambda found: texts[found[0]], text)
        return MISSING if made == text else made

    return replace
