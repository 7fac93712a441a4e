"""The filter ``geoip``: where an address is, after a MaxMind database that the config names.

It needs the package ``maxminddb``: ``pip install "ptingest[geoip]"``.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from ptingest.pipeline.logstash.event import MISSING, Event
from ptingest.pipeline.logstash.field_reference import parse_reference
from ptingest.pipeline.logstash.geoip_fields import (
    DATABASES,
    FIELDS,
    GeoDatabase,
    chosen_fields,
    geo_values,
)
from ptingest.pipeline.logstash.options import FilterFunction, FilterSetup, Option, Options
from ptingest.pipeline.logstash.sprintf import known_reference
from ptingest.pipeline.logstash.values import FieldError, Value, ruby_text

OPTIONS = (
    Option("source", is_required=True),
    Option("target"),
    Option("database", "path"),
    Option(
        "default_database_type", default="City", choices=("City", "ASN"),
        ignored="the file that database names says what it is",
    ),
    Option("fields", "array", []),
    Option("cache_size", "number", 1000),
    Option("tag_on_failure", "array", ["_geoip_lookup_failure"]),
)  # fmt: skip


def build(setup: FilterSetup) -> FilterFunction:
    """Return the filter; of a list the first element counts, and names are not looked up."""
    options, matched = setup.options, setup.matched
    reader = _reader(setup)
    database = _database(options, reader)
    target = _target(options, has_ecs=setup.has_ecs)
    places = _places(options, database, target, has_ecs=setup.has_ecs)
    source, whole = known_reference(options["source"]), known_reference(target)
    failure_tags = options["tag_on_failure"]

    @lru_cache(maxsize=max(1, int(options["cache_size"])))
    def values_of(text: str) -> dict[str, Any]:
        return _values(reader, database, text)

    def geoip(event: Event) -> None:
        text = _text(event.get(source(event)))
        values = values_of(text) if text else {}
        if text and event.get(whole(event)) in (MISSING, None):
            # As in Logstash, an address that is not found leaves an empty target.
            event.set(whole(event), {})
        if not values:
            for tag in failure_tags:
                event.tag(tag)
            return
        for name, reference in places:
            if name in values:
                value = values[name]
                event.set(reference, dict(value) if isinstance(value, dict) else value)
        matched(event)

    return geoip


def _text(value: Value) -> str:
    if isinstance(value, list):
        value = value[0] if value else None
    if value is MISSING or value is None:
        return ""
    if not isinstance(value, str):
        raise FieldError(f"geoip: {ruby_text(value)} is no text")
    return value if value.strip() else ""


def _reader(setup: FilterSetup) -> Any:
    """Return the reader of the database; its package is imported where a config needs it."""
    options = setup.options
    try:
        maxminddb: Any = import_module("maxminddb")
    except ImportError as error:
        raise options.refuse(
            f'it needs the package maxminddb: pip install "ptingest[geoip]" ({error})',
            is_unsupported=True,
        ) from error
    if options["database"] is None:
        raise options.refuse(
            "Logstash would download a database; here one must be given: "
            'database => "/path/to/GeoLite2-City.mmdb"',
            is_unsupported=True,
        )
    path = setup.folder / options["database"]
    try:
        return maxminddb.open_database(path)
    except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
        raise options.refuse(f"{path} cannot be read: {error}", "database") from error


def _database(options: Options, reader: Any) -> GeoDatabase:
    found = reader.metadata().database_type
    for database in DATABASES:
        if database.kind in found:
            return database
    raise options.refuse(
        f"the database is of the type {found!r}; known are "
        f"{', '.join(database.kind for database in DATABASES)}",
        "database",
    )


def _target(options: Options, *, has_ecs: bool) -> str:
    if options["target"]:
        return str(options["target"])
    if not has_ecs:
        return "geoip"
    source: str = options["source"]
    if source.endswith("[ip]") and len(source) > len("[ip]"):
        return source.removesuffix("[ip]")
    raise options.refuse("it needs a target, since the source does not end in [ip]")


def _places(
    options: Options, database: GeoDatabase, target: str, *, has_ecs: bool
) -> list[tuple[str, Any]]:
    wanted = [str(name).lower() for name in options["fields"]]
    unknown = [name for name in wanted if name not in FIELDS]
    if unknown:
        raise options.refuse(
            f"there is no field {unknown[0]!r}; the fields are {', '.join(FIELDS)}", "fields"
        )
    prefix = target if target.startswith("[") else f"[{target}]"
    places = []
    for name in chosen_fields(database, wanted, has_ecs=has_ecs):
        below = FIELDS[name].ecs if has_ecs else FIELDS[name].legacy
        if below:
            places.append((name, parse_reference(prefix + below)))
    return places


def _values(reader: Any, database: GeoDatabase, text: str) -> dict[str, Any]:
    """Return the values of an address; none when it is no address or is not found."""
    try:
        address = ip_address(text)
    except ValueError:
        return {}
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    try:
        record, length = reader.get_with_prefix_len(address)
    except ValueError:  # an IPv6 address in a database of IPv4 alone
        return {}
    if not isinstance(record, dict):
        return {}
    values = geo_values(
        record, ip=_java_text(address), network=f"{_first(address, length)}/{length}"
    )
    if database.needs_location and "latitude" not in values and "longitude" not in values:
        return {}
    return values


def _first(address: IPv4Address | IPv6Address, length: int) -> str:
    bits = address.max_prefixlen - length
    return _java_text(type(address)(int(address) >> bits << bits))


def _java_text(address: IPv4Address | IPv6Address) -> str:
    """Return the text of ``getHostAddress()``, which shortens no run of zeros."""
    if isinstance(address, IPv4Address):
        return str(address)
    return ":".join(f"{int(group, 16):x}" for group in address.exploded.split(":"))
