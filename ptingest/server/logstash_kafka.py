"""Settings of Kafka from the inputs and outputs ``kafka`` of a ``logstash.conf``.

    input  { kafka { topics, group_id ... } }   --> kafka
    output { kafka { ... } }                    --> sinks.kafka
    bootstrap_servers, sasl_*, ssl_*            --> brokers, sasl, tls

An option that cannot be followed is refused with its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from ptingest.pipeline.logstash.options import Options
from ptingest.settings.topic_pattern import client_pattern

_SCHEME = re.compile(r"[0-9A-Za-z_.%-]+://")
_CREDENTIAL = re.compile(
    r"""\b(username|password)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')"""
)
_MODULES = {
    "PLAIN": "PlainLoginModule",
    "SCRAM-SHA-256": "ScramLoginModule",
    "SCRAM-SHA-512": "ScramLoginModule",
}
"""SASL mechanism -> the Java class that its entry of ``sasl_jaas_config`` names."""
_PEM = (
    "Java's key stores cannot be read here; export PEM files (keytool -exportcert -rfc, openssl "
    'pkcs12), name those, and write {} => "PEM"'
)


def connection_values(options: Options) -> Iterator[tuple[str, Any]]:
    """Yield how the brokers are reached, as in a ``ptingest.yaml``.

    Raises:
        RefusedConfig: it cannot be followed.
    """
    servers = str(options["bootstrap_servers"])
    yield "brokers", ",".join(_SCHEME.sub("", one.strip()) for one in servers.split(","))
    protocol = options["security_protocol"]
    if protocol.startswith("SASL_"):
        yield "sasl", _login(options)
    if protocol.endswith("SSL"):
        yield "tls", dict(_tls(options))
    if options["client_id"]:
        yield "client_id", options["client_id"]


def _login(options: Options) -> dict[str, str]:
    mechanism, entry = options["sasl_mechanism"], options["sasl_jaas_config"]
    if mechanism not in _MODULES:
        sentence = f"sasl_mechanism {mechanism} is not supported; {', '.join(_MODULES)} are"
        raise options.refuse(sentence, "sasl_mechanism", is_unsupported=True)
    if entry is None:
        raise options.refuse("security_protocol asks for a login: write sasl_jaas_config")
    found = {name: double or single for name, double, single in _CREDENTIAL.findall(entry)}
    if _MODULES[mechanism] not in entry or found.keys() != {"username", "password"}:
        raise options.refuse(
            "sasl_jaas_config has no login that is understood; for "
            f"{mechanism} it is `org.apache.kafka.common.security.....{_MODULES[mechanism]} "
            'required username="..." password="...";`',
            "sasl_jaas_config",
        )
    unescaped = {name: re.sub(r"\\(.)", r"\1", value) for name, value in found.items()}
    return {"mechanism": mechanism, **unescaped}


def _tls(options: Options) -> Iterator[tuple[str, Any]]:
    if options["ssl_endpoint_identification_algorithm"] != "https":
        raise options.refuse(
            "the names in the brokers' certificates are always compared; write brokers as they "
            "are named there, and remove it",
            "ssl_endpoint_identification_algorithm",
            is_unsupported=True,
        )
    for store in ("truststore", "keystore"):
        _require_pem(options, store)
    if options["ssl_truststore_location"]:
        yield "ca_file", options["ssl_truststore_location"]
    if options["ssl_keystore_location"]:
        yield "certificate", options["ssl_keystore_location"]
        if options["ssl_key_password"]:
            yield "key_password", options["ssl_key_password"]


def _require_pem(options: Options, store: str) -> None:
    kind, password = f"ssl_{store}_type", f"ssl_{store}_password"
    if options[f"ssl_{store}_location"] and str(options[kind] or "JKS").upper() != "PEM":
        where = kind if options.is_set(kind) else f"ssl_{store}_location"
        raise options.refuse(_PEM.format(kind), where, is_unsupported=True)
    if options[password]:
        sentence = f"{password}: a PEM file has none; ssl_key_password opens an encrypted key"
        raise options.refuse(sentence, password)


def sink_values(outputs: Sequence[Options]) -> dict[str, Any]:
    """Return the section ``sinks.kafka`` of all outputs.

    Raises:
        RefusedConfig: it cannot be followed, or two outputs differ in it.
    """
    found: dict[str, Any] = {}
    for options in outputs:
        one = dict(_sink(options))
        if found and one != found:
            name = next(name for name in {**one, **found} if one.get(name) != found.get(name))
            raise options.refuse(
                f"two outputs differ in what becomes {name} of sinks.kafka: one client writes to "
                "all topics, so let them say the same",
                is_unsupported=True,
            )
        found = one
    return found


def _sink(options: Options) -> Iterator[tuple[str, Any]]:
    yield from connection_values(options)
    yield "compression", options["compression_type"]
    if options.is_set("max_request_size"):
        yield "record_bytes", int(options["max_request_size"])


# --- the input ----------------------------------------------------------------------------------


def source_values(options: Options) -> Iterator[tuple[str, Any]]:
    """Yield the section ``kafka`` of an input.

    Raises:
        RefusedConfig: it cannot be followed.
    """
    yield from connection_values(options)
    if options["topics_pattern"]:
        yield "topics", [f"^({_expression(options)})$"]
    else:
        yield "topics", [str(one) for one in options["topics"]]
    yield "group", options["group_id"]
    start = options["auto_offset_reset"]
    if start not in ("earliest", "latest"):
        sentence = f"auto_offset_reset {start} is not supported; earliest and latest are"
        raise options.refuse(sentence, "auto_offset_reset", is_unsupported=True)
    yield "start", start
    if options.is_set("auto_commit_interval_ms"):
        yield "commit_seconds", max(0.1, options["auto_commit_interval_ms"] / 1000)
    if options.is_set("session_timeout_ms"):
        yield "session_seconds", min(1800.0, max(1.0, options["session_timeout_ms"] / 1000))


def _expression(options: Options) -> str:
    try:
        return client_pattern(options["topics_pattern"])
    except ValueError as error:
        sentence = f"topics_pattern {error}"
        raise options.refuse(sentence, "topics_pattern", is_unsupported=True) from None
