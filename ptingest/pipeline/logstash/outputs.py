"""Outputs: where an event goes, and under which name.

``elasticsearch`` (data streams and indices), ``stdout``, ``file`` and ``kafka``. Names may hold
``%{...}``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ptingest.pipeline.logstash.attributes import check_attributes
from ptingest.pipeline.logstash.event import Event
from ptingest.pipeline.logstash.kafka_options import OUTPUT as KAFKA
from ptingest.pipeline.logstash.kafka_options import check_classes
from ptingest.pipeline.logstash.options import Options, RefusedConfig
from ptingest.pipeline.logstash.output_options import ELASTICSEARCH, FILE, ONLY_FOR_INDICES, STDOUT
from ptingest.pipeline.logstash.sprintf import Template, compile_lenient
from ptingest.pipeline.logstash.text_codecs import text_of_codec
from ptingest.pipeline.logstash.tree import Plugin
from ptingest.pipeline.logstash.values import Value, java_text

ACTIONS = ("create", "index")
_CODECS = {"stdout": ("rubydebug", "json", "json_lines"), "file": ("json_lines", "json")}
KEPT_TARGETS = 4096
"""Targets cached; dated indices and names from events make ever new ones."""
_DATA_STREAM = ("type", "dataset", "namespace")


class Target(NamedTuple):
    """Where one event goes.

    A name that cannot be made of the event (``%{...}`` of a bad reference) stays as written, and
    so does one whose field is missing: whoever writes refuses it then.
    """

    output: int
    """Which output of the config, counted from 0 in the order written."""
    name: str
    """Of the data stream or index; the path of a file; a topic; ``stdout``."""
    is_data_stream: bool = False
    action: str = "index"
    """``create`` or ``index``; anything else came out of an event and cannot be done."""
    document_id: str | None = None
    pipeline: str | None = None
    routing: str | None = None
    """In Kafka the record's key."""
    text: str | None = None
    """What Kafka gets in place of the event as JSON."""


Route = Callable[[Event], Target]


class Output(NamedTuple):
    """One output of a config."""

    options: Options
    route: Route


def compile_output(plugin: Plugin, number: int, *, has_ecs: bool = True) -> Output:
    """Compile one output.

    Args:
        plugin: the output as it stands in the config.
        number: which one, counted from 0; its targets have it.
        has_ecs: ``pipeline.ecs_compatibility`` is v1 or v8.

    Raises:
        RefusedConfig: there is no such output, or an option cannot be used.
    """
    match plugin.name:
        case "elasticsearch":
            options = check_attributes(plugin, ELASTICSEARCH)
            own = options["ecs_compatibility"]
            has_ecs = has_ecs if own is None else own != "disabled"
            if _is_data_stream(options, has_ecs=has_ecs):
                return Output(options, _to_data_streams(options, number))
            return Output(options, _to_indices(options, number, has_ecs=has_ecs))
        case "stdout":
            options = check_attributes(plugin, STDOUT)
            _check_codec(options)
            target = Target(number, "stdout")
            return Output(options, lambda _event: target)
        case "file":
            options = check_attributes(plugin, FILE)
            _check_codec(options)
            path = compile_lenient(options["path"])
            return Output(options, lambda event: Target(number, path(event)))
        case "opensearch":
            raise RefusedConfig(
                plugin.place,
                "the output opensearch is not supported; name this config as the profile of a "
                "ptingest.yaml with sinks.opensearch, and write it as an output elasticsearch: its "
                "documents go to the sinks that there are",
                is_unsupported=True,
            )
        case "kafka":
            return _to_kafka(plugin, number)
    raise RefusedConfig(
        plugin.place,
        f"there is no output {plugin.name!r}; the outputs are elasticsearch, file, "
        "kafka and stdout",
    )


def _to_kafka(plugin: Plugin, number: int) -> Output:
    options = check_attributes(plugin, KAFKA)
    check_classes(options)
    topic, key = compile_lenient(options["topic_id"]), _optional(options["message_key"])
    write = text_of_codec(options)

    def route(event: Event) -> Target:
        return Target(
            number,
            topic(event),
            action="create",
            routing=None if key is None else key(event),
            text=None if write is None else write(event),
        )

    return Output(options, route)


def _check_codec(options: Options) -> None:
    codec: Plugin | None = options["codec"]
    known = _CODECS[options.plugin]
    if codec is not None and (codec.name not in known or codec.attributes):
        what = f"options of the codec {codec.name}" if codec.attributes else f"{codec.name}"
        raise options.refuse(
            f"{what} cannot be used; lines are JSON: write {' or '.join(known)}, or nothing",
            "codec",
            is_unsupported=True,
        )


def _is_data_stream(options: Options, *, has_ecs: bool) -> bool:
    """Decide as Logstash 8 does for ``data_stream => auto``; refuse what excludes each other."""
    asked = options["data_stream"]
    own = sorted(one for one in options.places if one.startswith("data_stream_"))
    opposed = sorted(set(options.places) & ONLY_FOR_INDICES)
    if options["action"] not in (None, "create"):
        opposed.append("action")
    if options.is_set("manage_template") and options["manage_template"]:
        opposed.append("manage_template")
    if asked == "true" and opposed:
        raise options.refuse(
            f"data_stream => true excludes {', '.join(opposed)}; remove one of them", opposed[0]
        )
    if asked == "false" and own:
        raise options.refuse(
            f"data_stream => false excludes {', '.join(own)}; remove one of them", own[0]
        )
    return asked == "true" or (asked == "auto" and has_ecs and not opposed)


def _to_data_streams(options: Options, number: int) -> Route:
    route = _Streams(options, number).route
    pipeline, routing = _optional(options["pipeline"]), _optional(options["routing"])
    if pipeline is None and routing is None:
        return route

    def route_further(event: Event) -> Target:
        return route(event)._replace(
            pipeline=None if pipeline is None else pipeline(event),
            routing=None if routing is None else routing(event),
        )

    return route_further


class _Streams:
    """The data streams of one output."""

    def __init__(self, options: Options, number: int) -> None:
        self._given = tuple(str(options[f"data_stream_{part}"]) for part in _DATA_STREAM)
        self._is_routed = options["data_stream_auto_routing"]
        self._is_synced = options["data_stream_sync_fields"]
        self._known = _Targets(number, is_data_stream=True)
        self._named: dict[tuple[Value, ...], Target] = {}

    def route(self, event: Event) -> Target:
        """Return the stream of an event; most name one that an event before them named."""
        own = event.root.get("data_stream")
        if type(own) is dict:
            try:
                target = self._named.get(
                    (own.get("type"), own.get("dataset"), own.get("namespace"))
                )
            except TypeError:  # a list or an object
                target = None
            if target is not None:
                return target
        return self._name(event)

    def _name(self, event: Event) -> Target:
        found = event.read("data_stream")
        own: dict[str, Value] = found if isinstance(found, dict) else {}
        parts = tuple(map(own.get, _DATA_STREAM)) if self._is_routed else (None, None, None)
        if all(type(part) is str for part in parts):
            target = self._known["-".join(map(str, parts)), "create"]
            if len(self._named) >= KEPT_TARGETS:
                self._named.clear()
            self._named[parts] = target
            return target
        texts = tuple(map(_part, parts, self._given))
        if self._is_synced:
            # The stream's mapping holds these three to one value each; what is no object is
            # overwritten, as recorded from Logstash.
            event.root["data_stream"] = {**own, **dict(zip(_DATA_STREAM, texts, strict=True))}
        return self._known["-".join(texts), "create"]


class _Targets(dict[tuple[str, str], Target]):
    """Targets of one output by name and action: most events go where one went before."""

    def __init__(self, number: int, *, is_data_stream: bool) -> None:
        self._number, self._is_data_stream = number, is_data_stream

    def __missing__(self, place: tuple[str, str]) -> Target:
        if len(self) >= KEPT_TARGETS:
            self.clear()
        name, action = place
        target = self[place] = Target(self._number, name, self._is_data_stream, action)
        return target


def _part(value: object, otherwise: str) -> str:
    if type(value) is str:
        return value
    return otherwise if value is None or value is False else java_text(value)


def _to_indices(options: Options, number: int, *, has_ecs: bool) -> Route:
    if options["ilm_enabled"] == "true":
        raise options.refuse(
            "ilm_enabled => true would make indices that roll over; use a data stream, or let "
            "index name the alias that is written to",
            "ilm_enabled",
            is_unsupported=True,
        )
    fixed = options["action"] or "index"
    if "%{" not in fixed and fixed not in ACTIONS:
        sentence = f"action {fixed!r} is not supported; create and index are"
        raise options.refuse(sentence, "action", is_unsupported=True)
    otherwise = "ecs-logstash-%{+yyyy.MM.dd}" if has_ecs else "logstash-%{+yyyy.MM.dd}"
    index, action = compile_lenient(options["index"] or otherwise), compile_lenient(fixed)
    document_id, pipeline, routing = (
        _optional(options[name]) for name in ("document_id", "pipeline", "routing")
    )
    known = _Targets(number, is_data_stream=False)

    def route(event: Event) -> Target:
        target = known[index(event), action(event)]
        if document_id is None and pipeline is None and routing is None:
            return target
        return target._replace(
            document_id=None if document_id is None else document_id(event),
            pipeline=None if pipeline is None else pipeline(event),
            routing=None if routing is None else routing(event),
        )

    return route


def _optional(text: str | None) -> Template | None:
    return None if text is None else compile_lenient(text)
