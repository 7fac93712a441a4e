"""The filter ``bytes``: texts such as ``1.5 MB`` become numbers of bytes."""

from __future__ import annotations

import re

from ptingest.pipeline.logstash.conversions import ruby_float
from ptingest.pipeline.logstash.event import Event
from ptingest.pipeline.logstash.field_access import reader, writer
from ptingest.pipeline.logstash.options import FilterFunction, FilterSetup, Option
from ptingest.pipeline.logstash.values import FieldError

OPTIONS = (
    Option("source", default="message"),
    Option("target"),
    Option("conversion_method", default="binary", choices=("binary", "metric")),
    Option("decimal_separator", default=".", choices=(".", ",")),
    Option("tag_on_failure", "array", ["_bytesparsefailure"]),
)
# As in Ruby, a line of the text is enough.
_SIZE = re.compile(r"^([0-9 _,.]*)\s*([kmgtpe]?)b?$", re.IGNORECASE | re.MULTILINE)
_SPACE = " \t\n\v\f\r\0"
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5, "e": 6}


def build(setup: FilterSetup) -> FilterFunction:
    """Return the filter; ``kb``, ``KB`` and ``k`` are the same."""
    options, matched = setup.options, setup.matched
    read, rewrite = reader(options["source"]), writer(options["source"])
    write = None if options["target"] is None else writer(options["target"])
    base = 1024 if options["conversion_method"] == "binary" else 1000
    point = options["decimal_separator"]
    failure_tags = options["tag_on_failure"]

    def in_bytes(event: Event) -> None:
        value = read(event)
        found = None
        if isinstance(value, str):
            # Logstash strips the text where it stands, even when the result goes elsewhere.
            value = value.strip(_SPACE)
            rewrite(event, value)
            found = _SIZE.search(value)
        number = "".join(one for one in found[1] if one.isdigit() or one == point) if found else ""
        if found is None or not number or number.count(".") > 1:
            for tag in failure_tags:
                event.tag(tag)
            return
        if write is None:
            raise FieldError("bytes: there is no target for the number")
        write(
            event,
            _rounded(ruby_float(number.replace(point, ".")) * base ** _POWERS[found[2].lower()]),
        )
        matched(event)

    return in_bytes


def _rounded(number: float) -> int:
    """Round halves away from zero, as Ruby does."""
    if number == float("inf"):
        raise FieldError("bytes: the number is too large")
    return int(number + 0.5) if number < 2**52 else int(number)
