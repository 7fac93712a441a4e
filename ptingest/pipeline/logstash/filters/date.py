"""The filter ``date``: a field's text becomes a time, ``@timestamp`` unless told otherwise."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, tzinfo

from ptingest.pipeline.logstash.date_formats import DateFormat, compile_date_format
from ptingest.pipeline.logstash.decoration import unchanged
from ptingest.pipeline.logstash.event import MISSING, Event
from ptingest.pipeline.logstash.field_access import reader, root_key, writer
from ptingest.pipeline.logstash.locale_names import LocaleNames, known_languages, locale_names
from ptingest.pipeline.logstash.options import FilterFunction, FilterSetup, Option, Options
from ptingest.pipeline.logstash.sprintf import compile_template
from ptingest.pipeline.logstash.values import FieldError, Timestamp
from ptingest.pipeline.logstash.zones import zone_of

_NANOS_A_MILLI = 1_000_000
OPTIONS = (
    Option("match", "array", []),
    Option("target", default="@timestamp"),
    Option("timezone"),
    Option("locale"),
    Option("tag_on_failure", "array", ["_dateparsefailure"]),
)


def build(setup: FilterSetup) -> FilterFunction:
    """Return the filter; it tries the formats in the order written."""
    options, matched = setup.options, setup.matched
    formats = _formats(options)
    field, write = options["match"][0], writer(options["target"])
    key, read_field = root_key(field), reader(field)
    is_event_time = options["target"] in ("@timestamp", "[@timestamp]")
    zone, own = _zone(options)
    failure_tags, is_decorated = options["tag_on_failure"], matched is not unchanged

    def date(event: Event) -> None:
        # Nearly always a text that a filter made of the message.
        value = None if key is None else event.root.get(key)
        if type(value) is not str:
            value = read_field(event)
        if value is MISSING or value is None:
            return
        own_zone = zone if own is None else own(event)
        if own_zone is not None:
            for read in formats:
                millis = read(value, own_zone, event.now_ns)
                if millis is not None:
                    if is_event_time:
                        event.root["@timestamp"] = Timestamp(millis * _NANOS_A_MILLI)
                    else:
                        write(event, Timestamp(millis * _NANOS_A_MILLI))
                    if is_decorated:
                        matched(event)
                    return
        for tag in failure_tags:
            event.tag(tag)

    return date


def _formats(options: Options) -> list[DateFormat]:
    match = options["match"]
    if len(match) < 2 or not all(isinstance(one, str) for one in match):
        raise options.refuse("match needs the name of a field and at least one format", "match")
    names = _names(options)
    try:
        return [compile_date_format(one, names) for one in match[1:]]
    except ValueError as error:
        raise options.refuse(str(error), "match") from error


def _names(options: Options) -> LocaleNames:
    tag = options["locale"] or "en"
    names = locale_names(tag)
    if names is None:
        raise options.refuse(
            f"the locale {tag!r} has no names of months and days here; the languages are "
            f"{', '.join(known_languages())}",
            "locale", is_unsupported=True,
        )  # fmt: skip
    return names


def _zone(options: Options) -> tuple[tzinfo, Callable[[Event], tzinfo | None] | None]:
    """Return the zone of times without one, and what finds it where each event has its own."""
    name = options["timezone"]
    if name is None:
        return UTC, None
    if "%{" in name:
        template = compile_template(name)

        def own(event: Event) -> tzinfo | None:
            try:
                return zone_of(template(event))
            except FieldError:
                return None

        return UTC, own
    zone = zone_of(name)
    if zone is None:
        raise options.refuse(
            f"there is no time zone {name!r}; write a name of the tz database such as "
            "Europe/Berlin, or an offset such as +02:00",
            "timezone",
        )
    return zone, None
