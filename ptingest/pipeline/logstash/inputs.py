"""The input section: ``beats``, with its options under the names of 7.x to 9.x, and ``kafka``.

What they say of events is used here; what they say of port and brokers becomes settings of the
server (``server/logstash_settings.py``, ``server/logstash_kafka.py``).
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from ptingest.pipeline.logstash.attributes import check_attributes
from ptingest.pipeline.logstash.beats_input import CODECS, BeatsInput
from ptingest.pipeline.logstash.decoration import Change, compile_decoration
from ptingest.pipeline.logstash.kafka_input import KafkaInput, KafkaOptions, Level
from ptingest.pipeline.logstash.kafka_options import INPUT as KAFKA_OPTIONS
from ptingest.pipeline.logstash.kafka_options import check_classes
from ptingest.pipeline.logstash.options import Option, Options, RefusedConfig, refuse_all
from ptingest.pipeline.logstash.tree import Branch, Config, Plugin, Statement, Text

BEATS = ("beats", "elastic_agent")
"""Two names of one input."""
KAFKA = "kafka"
_LEVELS: dict[str, Level] = {
    "true": "basic", "false": "none", "none": "none", "basic": "basic", "extended": "extended",
}  # fmt: skip
_THREADS = "one event loop serves every connection here; workers: N in ptingest.yaml takes cores"
_ENRICHMENTS = ("codec_metadata", "source_metadata", "ssl_peer_metadata", "all", "none")

OPTIONS = (
    Option("add_field", "hash", []),
    Option("add_hostname", "boolean", False, refused="it copied the Beat's hostname to host; "
           "Filebeat sends host.name since 7.0: remove it"),
    Option("cipher_suites", "array"),
    Option("client_inactivity_timeout", "number", 60),
    Option("codec", "codec"),
    Option("ecs_compatibility", choices=("disabled", "v1", "v8")),
    Option("enable_metric", "boolean", True, ignored="figures by plugin cost next to nothing here"),
    Option("enrich", "array"),
    Option("event_loop_threads", "number", ignored=_THREADS),
    Option("executor_threads", "number", ignored=_THREADS),
    Option("host", "string", "0.0.0.0"),
    Option("id"),
    Option("include_codec_tag", "boolean", True),
    Option("port", "number", is_required=True),
    Option("ssl", "boolean"),
    Option("ssl_certificate", "path"),
    Option("ssl_certificate_authorities", "array"),
    Option("ssl_cipher_suites", "array"),
    Option("ssl_client_authentication", choices=("none", "optional", "required")),
    Option("ssl_enabled", "boolean"),
    Option("ssl_handshake_timeout", "number", 10000),
    Option("ssl_key", "path"),
    Option("ssl_key_passphrase", "password"),
    Option("ssl_peer_metadata", "boolean", False, refused="it would put the Beat's certificate "
           "into @metadata; who may send is beats.tls.allow and beats.tls.senders here"),
    Option("ssl_supported_protocols", "array"),
    Option("ssl_verify_mode", choices=("none", "peer", "force_peer")),
    Option("tags", "array", []),
    Option("tls_max_version", "number"),
    Option("tls_min_version", "number"),
    Option("type"),
)  # fmt: skip
"""Options of the ``beats`` input."""


class Input(NamedTuple):
    """The input for Beats."""

    options: Options
    builder: BeatsInput


class RecordInput(NamedTuple):
    """The input that reads Kafka."""

    options: Options
    builder: KafkaInput


class Inputs(NamedTuple):
    """The inputs of a config; None for a kind that it has not."""

    beats: Input | None = None
    kafka: RecordInput | None = None


def inputs_of(config: Config, *, has_ecs: bool) -> Inputs:
    """Return the inputs of a config.

    Raises:
        RefusedConfig: another input, a second one of a kind, or an option that cannot be used.
    """
    found = Inputs()
    problems: list[RefusedConfig] = []
    for statement in config.inputs:
        try:
            found = _with(found, statement, has_ecs=has_ecs)
        except RefusedConfig as problem:
            problems.append(problem)
    refuse_all(problems)
    return found


def _with(found: Inputs, statement: Statement, *, has_ecs: bool) -> Inputs:
    if isinstance(statement, Branch):
        raise RefusedConfig(statement.place, "inputs do not stand below a condition")
    if statement.name in BEATS:
        if found.beats is not None:
            raise _second(statement, "for Beats: ptingest listens on one port")
        return found._replace(beats=_beats(statement, has_ecs=has_ecs))
    if statement.name == KAFKA:
        if found.kafka is not None:
            raise _second(
                statement,
                "of Kafka: one group reads, so name all topics in one input, whose "
                "decorate_events tells filters which it was",
            )
        return found._replace(kafka=_kafka(statement, has_ecs=has_ecs))
    raise RefusedConfig(
        statement.place,
        f"the input {statement.name} is not supported: events come from Beats and Kafka here; "
        "remove it, or let Filebeat read what it read",
        is_unsupported=True,
    )


def _second(statement: Plugin, why: str) -> RefusedConfig:
    sentence = f"a second input {why}; or run a second server with a config of its own"
    return RefusedConfig(statement.place, sentence, is_unsupported=True)


def _beats(plugin: Plugin, *, has_ecs: bool) -> Input:
    options = check_attributes(plugin, OPTIONS)
    codec: Plugin | None = options["codec"]
    if codec is not None and codec.name not in CODECS:
        raise options.refuse(
            f"the codec {codec.name} is not supported; plain and json are", "codec"
        )
    if codec is not None and any(one.name != "ecs_compatibility" for one in codec.attributes):
        raise options.refuse(f"options of the codec {codec.name} are not supported", "codec")
    enrichments = options["enrich"] or ["codec_metadata", "source_metadata"]
    for one in enrichments:
        if one not in _ENRICHMENTS:
            raise options.refuse(f"enrich takes {', '.join(_ENRICHMENTS)}, is {one!r}", "enrich")
    if "ssl_peer_metadata" in enrichments:
        raise options.refuse("enrich with ssl_peer_metadata is not supported", "enrich")
    own = options["ecs_compatibility"]
    builder = BeatsInput(
        codec="plain" if codec is None else codec.name,
        has_ecs=has_ecs if own is None else own != "disabled",
        type_name=options["type"],
        decorate=_decoration(options) if options["add_field"] or options["tags"] else None,
        tags_codec=options["include_codec_tag"] and _adds(enrichments, "codec_metadata"),
        names_peer=_adds(enrichments, "source_metadata"),
    )
    return Input(options, builder)


def _adds(enrichments: list[str], what: str) -> bool:
    return what in enrichments or "all" in enrichments


def _kafka(plugin: Plugin, *, has_ecs: bool) -> RecordInput:
    options = check_attributes(plugin, KAFKA_OPTIONS)
    check_classes(options)
    codec: Plugin | None = options["codec"]
    builder = KafkaInput(
        KafkaOptions(
            codec="plain" if codec is None else codec.name,
            has_ecs=_codec_has_ecs(options, codec, otherwise=has_ecs),
            level=_LEVELS[options["decorate_events"]],
            group=options["group_id"],
            topic=str(options["topics_pattern"] or next(iter(options["topics"]), "")),
            type_name=options["type"],
            decorate=_decoration(options),
        )
    )
    return RecordInput(options, builder)


def _decoration(options: Options) -> Change:
    """Compile ``add_field`` and ``tags`` of an input."""
    added = {"add_field": options["add_field"], "add_tag": options["tags"]}
    return compile_decoration(replace(options, values={**_NOTHING, **added}))


_NOTHING: dict[str, list[str]] = {"remove_field": [], "remove_tag": []}


def _codec_has_ecs(options: Options, codec: Plugin | None, *, otherwise: bool) -> bool:
    """Check the codec, and say whether it keeps ``event.original``."""
    if codec is None:
        return otherwise
    if codec.name not in CODECS:
        sentence = (
            f"the codec {codec.name} is not supported; plain and json are, which read a record as "
            "one text, or as one JSON object or a list of them"
        )
        raise options.refuse(sentence, "codec", is_unsupported=True)
    for one in codec.attributes:
        given = one.value.value if isinstance(one.value, Text) else None
        if one.name == "ecs_compatibility" and given in ("disabled", "v1", "v8"):
            otherwise = given != "disabled"
        elif (one.name, given) != ("charset", "UTF-8"):
            sentence = (
                f"{one.name} of the codec {codec.name} cannot be used; ecs_compatibility and "
                'charset => "UTF-8" can'
            )
            raise options.refuse(sentence, "codec", is_unsupported=True)
    return otherwise
