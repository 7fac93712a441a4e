"""The input section: which options a ``beats`` input has, under the names of 7.x to 9.x.

What they say of events is used here; what they say of the port becomes settings of the server
(``server/logstash_settings.py``).
"""

from __future__ import annotations

from typing import NamedTuple

from ptingest.pipeline.logstash.attributes import check_attributes
from ptingest.pipeline.logstash.beats_input import CODECS, BeatsInput
from ptingest.pipeline.logstash.options import Option, Options, RefusedConfig
from ptingest.pipeline.logstash.tree import Branch, Config, Plugin

BEATS = ("beats", "elastic_agent")
"""Two names of one input."""
_THREADS = "one event loop serves every connection here; workers: N in ptingest.yaml takes cores"
_WAYS_OUT = {
    "kafka": "topics are read by the section kafka of a ptingest.yaml: remove the input, and name "
    "this config as its profile; events are then built as the input beats builds them",
}
"""What to do instead, for inputs that have more than the usual way out."""
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
    """One input of a config."""

    options: Options
    builder: BeatsInput


def beats_inputs(config: Config, *, has_ecs: bool) -> list[Input]:
    """Return the ``beats`` input of a config, or nothing where it has none.

    Raises:
        RefusedConfig: another input, a second one, or an option that cannot be used.
    """
    found: list[Input] = []
    for statement in config.inputs:
        if isinstance(statement, Branch):
            raise RefusedConfig(statement.place, "inputs do not stand below a condition")
        if statement.name not in BEATS:
            raise RefusedConfig(
                statement.place,
                f"the input {statement.name} is not supported: "
                + _WAYS_OUT.get(
                    statement.name,
                    "events come from Beats here; remove it, or let Filebeat read what it read",
                ),
                is_unsupported=True,
            )
        if found:
            raise RefusedConfig(
                statement.place,
                "a second input for Beats: ptingest listens on one port; run a second server "
                "with a config of its own",
                is_unsupported=True,
            )
        found.append(_input(statement, has_ecs=has_ecs))
    return found


def _input(plugin: Plugin, *, has_ecs: bool) -> Input:
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
        tags=options["tags"],
        type_name=options["type"],
        add_field=options["add_field"],
        tags_codec=options["include_codec_tag"] and _adds(enrichments, "codec_metadata"),
        names_peer=_adds(enrichments, "source_metadata"),
    )
    return Input(options, builder)


def _adds(enrichments: list[str], what: str) -> bool:
    return what in enrichments or "all" in enrichments
