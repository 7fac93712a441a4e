"""The rules for events, as data: patterns, categories, routing.

``config/pt.yaml`` is the shipped profile. Everything that can be checked without compiling is
checked here, with the value and the cure in the message; expressions are compiled once to see
that they can be used.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, field_validator, model_validator

from ptingest.settings.expression import compile_expression
from ptingest.settings.packaged_patterns import by_name
from ptingest.settings.strict import StrictSettings, section

FieldName = Annotated[str, Field(pattern=r"^[^\[\]{}%\s]+$", min_length=1)]
LINE_PIECE = re.compile(r"\{(word|data|timestamp|int|rest):([^\[\]{}%\s:]+)\}")
RESERVED_FIELDS = frozenset({"@metadata", "@timestamp", "@version", "data_stream", "event", "group",
                             "message", "service", "tags"})  # fmt: skip
_ILLEGAL_IN_NAME = re.compile(r'[A-Z\\/*?"<>|,#: ]')


def _off_is_no_boolean(value: Any) -> Any:
    # YAML 1.1 reads a bare off as false.
    return "off" if value is False else value


def _as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class PatternSample(StrictSettings):
    """One line with its expected fields; run by ``ptingest check`` and on every reload."""

    line: str
    """A message, as Filebeat sends it."""
    fields: dict[str, str] | None = None
    """Exactly the fields that must be set; null means that the pattern must not match."""


class PatternSettings(StrictSettings):
    """One shape of a message, written as a line of named pieces or as a regular expression."""

    name: Annotated[str, Field(min_length=1)]
    """Shown by ``ptingest try`` and with a failing sample."""
    line: str | None = None
    """The pieces ``{word:x}``, ``{data:x}``, ``{timestamp:x}``, ``{int:x}`` and ``{rest:x}``,
    with the text between them; found in linear time whatever the message is."""
    regex: str | None = None
    """A Python regular expression with named groups, matched at the start of the message.
    Python's engine runs it where the time is proven to be linear in the length of the message.
    Otherwise RE2 runs it with the same meaning, some eight times slower, and not on lines of
    many megabytes. An expression that neither can run is refused."""
    json_keys: Annotated[dict[str, FieldName], Field(min_length=1)] | None = None
    """A map from key to field. It matches a message that is one JSON object with at least one
    of these keys. Text is taken as it is, numbers and booleans as their JSON text; other values
    are left out."""
    formats: tuple[str, ...] = ()
    """Formats of this pattern's times, tried after those of ``time.formats``."""
    translate: dict[FieldName, dict[str, str]] = Field(default_factory=dict)
    """By field: values to replace, and what to write instead; others stay as they are."""
    samples: tuple[PatternSample, ...] = ()
    """A pattern without samples is not tested."""

    @field_validator("formats")
    @classmethod
    def _known_formats(cls, formats: tuple[str, ...]) -> tuple[str, ...]:
        return _checked_formats(formats)

    @model_validator(mode="after")
    def _one_shape(self) -> PatternSettings:
        shapes = [one for one in (self.line, self.regex, self.json_keys) if one is not None]
        if len(shapes) != 1:
            raise ValueError(
                "needs exactly one of line, regex and json_keys; keep the one you mean"
            )
        if self.json_keys is not None:
            names = list(self.json_keys.values())
        else:
            names = _line_fields(self.line) if self.line is not None else _regex_fields(self.regex)
        wrong = sorted(RESERVED_FIELDS.intersection(names))
        if wrong:
            raise ValueError(f"sets {wrong[0]}, which is not a pattern's to set; rename the piece")
        if strange := sorted(self.translate.keys() - set(names)):
            raise ValueError(
                f"translate names {strange[0]}, which the pattern does not set; it sets "
                f"{', '.join(names)}"
            )
        return self


def _line_fields(line: str) -> list[str]:
    names = [found.group(2) for found in LINE_PIECE.finditer(line)]
    between = LINE_PIECE.split(line)[::3]
    for text in between:
        if "{" in text or "}" in text:
            raise ValueError(
                f"line holds {text!r}, which is not a piece; write {{word:x}}, {{data:x}}, "
                "{timestamp:x}, {int:x} or {rest:x}, x being the field to set"
            )
    if len(set(names)) != len(names):
        raise ValueError("line names a field twice; give each piece its own field")
    if (
        not line.endswith("}")
        or not LINE_PIECE.findall(line)
        or LINE_PIECE.findall(line)[-1][0] != "rest"
    ):
        raise ValueError("line must end with {rest:x}, which takes what is left of the message")
    kinds = [kind for kind, _ in LINE_PIECE.findall(line)]
    if "rest" in kinds[:-1]:
        raise ValueError("line has a {rest:x} before its end; use {data:x} there")
    for left, text in zip(kinds, between[1:], strict=False):
        if left != "rest" and text == "":
            raise ValueError(
                "line has two pieces with nothing between them; put the text between them that "
                "tells where one ends"
            )
    return names


def _regex_fields(regex: str | None) -> list[str]:
    fields = compile_expression(regex or "").fields
    if not fields:
        raise ValueError(f"regex {regex!r} names no group; write (?P<field>...) for what to keep")
    return list(fields)


def _checked_formats(formats: tuple[str, ...]) -> tuple[str, ...]:
    for name in formats:
        if name not in ("ISO8601", "UNIX", "UNIX_MS") and "%" not in name:
            raise ValueError(
                f"format {name!r} is unknown; use ISO8601, UNIX, UNIX_MS or strptime's, "
                'such as "%d/%b/%Y:%H:%M:%S %z"'
            )
    return formats


class TimeSettings(StrictSettings):
    """Which field holds the event's time, and how to read it."""

    field: FieldName = "log_timestamp"
    """The field that holds the time."""
    fraction_field: FieldName | None = None
    """The field with digits that a pattern cut off the time; it is read only with
    ``timestamp_precision: full``."""
    formats: Annotated[tuple[str, ...], Field(min_length=1)] = ("ISO8601",)
    """Tried in order: ``ISO8601``, ``UNIX``, ``UNIX_MS``, or a format of strptime with ``%``."""

    @field_validator("formats")
    @classmethod
    def _known_formats(cls, formats: tuple[str, ...]) -> tuple[str, ...]:
        return _checked_formats(formats)


class CategoryRule(StrictSettings):
    """Logger names, or values of another field, and the fields that they set."""

    field: FieldName | None = None
    """The field that holds the name, instead of ``categories.field``: ``service``, or any other
    that holds text (``a.b`` is field ``b`` of object ``a``). With another one than ``service``
    the events of the group are processed some times slower."""
    match: Annotated[tuple[str, ...], BeforeValidator(_as_tuple), Field(min_length=1)]
    """``a.*`` is the name ``a`` or any below it, ``a*`` any that begins with it, ``*.a`` any
    that ends with it, ``a`` exactly this name."""
    set: Annotated[dict[FieldName, str], Field(min_length=1)]
    """Fields to set; existing values are overwritten."""

    @field_validator("match")
    @classmethod
    def _one_star_at_an_end(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            bare = name.strip("*")
            if not bare or "*" in bare or name.count("*") > 1:
                raise ValueError(
                    f"match {name!r} is not understood; one * at the end (`django.*`, `boto*`) or "
                    "at the start (`*.tasks`), or none"
                )
        return names

    @field_validator("set")
    @classmethod
    def _not_reserved(cls, fields: dict[str, str]) -> dict[str, str]:
        return _checked_constants(fields)


def _checked_constants(fields: dict[str, str]) -> dict[str, str]:
    for name in fields:
        if name in RESERVED_FIELDS:
            raise ValueError(f"sets {name}, which ptingest makes itself; remove it")
    return fields


class CategorySettings(StrictSettings):
    """From a name, usually a logger's, to the fields that classify the event."""

    field: FieldName = "logger_name"
    """The field that holds the name."""
    rules: tuple[CategoryRule, ...] = ()
    """Tried in order; the first one that matches is used."""
    otherwise: dict[FieldName, str] = Field(default_factory=dict)
    """Fields to set where no rule matches, or where the field is missing or is not text."""

    @field_validator("otherwise")
    @classmethod
    def _not_reserved(cls, fields: dict[str, str]) -> dict[str, str]:
        return _checked_constants(fields)


class DataStreamSettings(StrictSettings):
    """Names of data streams: ``type``-``service``-``namespace``."""

    type: Annotated[str, Field(pattern=r"^[a-z0-9_.]+$")] = "logs"
    """First part of the name."""
    namespace: Annotated[str, Field(min_length=1, max_length=100)]
    """Last part of the name."""

    @field_validator("namespace")
    @classmethod
    def _legal(cls, namespace: str) -> str:
        if _ILLEGAL_IN_NAME.search(namespace) or "-" in namespace:
            raise ValueError(
                f"namespace {namespace!r} is not allowed in a data stream's name; use lower-case "
                "letters, digits, _ and ."
            )
        return namespace


class GroupSettings(StrictSettings):
    """What becomes of the events of one group."""

    group: Annotated[str, Field(min_length=1)]
    """The value of the root field ``group`` of these events."""
    data_stream: DataStreamSettings
    fields: dict[str, str] = Field(default_factory=dict)
    """Set on every event, existing values are overwritten; ``a.b`` is field ``b`` of object
    ``a``."""
    known_services: tuple[str, ...] = ()
    """Services with a label of their own in metrics; others are counted as ``other``."""
    only_known_services: bool = False
    """``true``: events of other services go to the dead letters (reason
    ``service_not_allowed``), so that a typing error makes no data stream. ``false``: every
    legal name is indexed."""
    max_services: Annotated[int, Field(ge=0, le=10_000)] = 64
    """How many services beside ``known_services`` may begin a data stream, in each process
    since its start; events of further ones go to the dead letters (reason
    ``too_many_services``)."""
    failure_tag: Annotated[str, Field(min_length=1)] = "_grokparsefailure"
    """Tag of an event that no pattern matches."""
    patterns: Annotated[
        tuple[Annotated[PatternSettings, BeforeValidator(by_name)], ...], Field(min_length=1)
    ]
    """Tried in order; the first one that matches is used. A name alone switches on a packaged
    pattern: ``nginx_access``, ``nginx_error`` or ``react``."""
    numbers: tuple[FieldName, ...] = ()
    """Fields of patterns that become numbers; a text that is no number is then left out."""
    time: TimeSettings = section(TimeSettings)
    categories: CategorySettings = section(CategorySettings)

    @field_validator("fields")
    @classmethod
    def _settable(cls, fields: dict[str, str]) -> dict[str, str]:
        for path in fields:
            parts = path.split(".")
            if "" in parts or len(parts) > 2:
                raise ValueError(f"fields {path!r} is not understood; write `a` or `a.b`")
            if path in RESERVED_FIELDS or parts[0] in RESERVED_FIELDS - {"event"}:
                raise ValueError(f"fields sets {path}, which ptingest makes itself; remove it")
            if path == "event.original":
                raise ValueError("fields sets event.original; use event_original instead")
        return fields

    @model_validator(mode="after")
    def _numbers_are_not_read_as_text(self) -> GroupSettings:
        rules = {rule.field for rule in self.categories.rules}
        texts = {self.time.field, self.time.fraction_field, self.categories.field, *rules}
        for name in self.numbers:
            if name in texts:
                raise ValueError(f"numbers names {name}, which time or categories read as text")
        return self

    @property
    def times(self) -> TimeSettings:
        """``time`` with the formats of the patterns."""
        own = (name for pattern in self.patterns for name in pattern.formats)
        formats = tuple(dict.fromkeys([*self.time.formats, *own]))
        return self.time.model_copy(update={"formats": formats})


class ProfileSettings(StrictSettings):
    """The whole profile."""

    timezone: str = "UTC"
    """IANA name for times that name no zone. Logstash in its container uses UTC."""
    parsing: Literal["parity", "strict"] = "parity"
    """``strict``: a record begins at the start of the message, and a logger has neither ``|``
    nor a line break. The note ``loose_match`` counts the events that it would change."""
    timestamp_precision: Literal["parity", "full"] = "parity"
    """``full``: ``@timestamp`` has up to nine digits, joins ``log_timestamp`` and ``log_ms``, and
    is read from times that Logstash's date filter refuses."""
    event_original: Literal["keep", "drop", "on_failure"] = "keep"
    """``event.original`` is a second copy of the message. ``on_failure`` keeps it only for
    events that no pattern or time format matches."""
    sanitise_names: Annotated[
        Literal["off", "lower", "ecs"], BeforeValidator(_off_is_no_boolean)
    ] = "off"
    """Mends data stream names that Elasticsearch would refuse, instead of dead-lettering their
    events; two services may then share one data stream."""
    groups: Annotated[tuple[GroupSettings, ...], Field(min_length=1)]
    """One entry for each value of ``group``; events of other groups are dropped."""

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (OSError, ValueError, KeyError) as error:
            raise ValueError(_unknown_zone(name)) from error
        return name

    @model_validator(mode="after")
    def _groups_differ(self) -> ProfileSettings:
        names = [group.group for group in self.groups]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"group {name!r} is given twice; join the two or remove one")
        return self

    def group_of(self, service: str) -> str:
        """Return the group of a service's lines where none is named: the first that knows the
        service, else the first."""
        knowing = [one.group for one in self.groups if service in one.known_services]
        return [*knowing, self.groups[0].group][0]


def _unknown_zone(name: str) -> str:
    return f"timezone {name!r} is unknown; use an IANA name such as UTC or Europe/Warsaw"
