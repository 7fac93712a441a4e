"""Settings of a server from the input and output sections of a ``logstash.conf``.

    input  { beats { port, host, ssl_* ... } }      --> beats
    input  { kafka { ... } }                        --> kafka; role index where no Beats are taken
    output { elasticsearch { hosts, user ... } }    --> sinks.elasticsearch, sinks.clusters
    output { file, stdout, kafka }                  --> sinks.file, sinks.stdout, sinks.kafka

Everything else has its default. An option that cannot be followed is refused with its place.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ptingest.errors import ConfigInvalid, ConfigProblem
from ptingest.pipeline.logstash.options import Options, RefusedConfig
from ptingest.pipeline.logstash.pipeline import LogstashPipeline, compile_logstash, invalid
from ptingest.pipeline.logstash.targets import ELASTICSEARCH, FILE, KAFKA, STDOUT, sink_names
from ptingest.server.logstash_kafka import sink_values, source_values
from ptingest.settings.load import resolved
from ptingest.settings.logstash import load_logstash
from ptingest.settings.server import ServerSettings


def settings_of(path: Path, environ: Mapping[str, str]) -> ServerSettings:
    """Return the settings that a config says, with itself as the profile.

    Raises:
        ConfigInvalid: with one problem for each fault; nothing was started.
    """
    rules = load_logstash(path, environ)
    values = server_values(compile_logstash(rules))
    try:
        settings = ServerSettings.model_validate({**values, "profile": str(path.absolute())})
    except ValidationError as error:
        # Not chained: pydantic's own message would print the values, secrets included.
        raise ConfigInvalid(tuple(_problems(error, str(path)))) from None
    return resolved(settings, Path(rules.folder))


def _problems(error: ValidationError, file: str) -> Iterator[ConfigProblem]:
    for one in error.errors(include_input=False, include_url=False, include_context=False):
        place = ".".join(map(str, one["loc"]))
        cure = f"correct the option that becomes {place} of a ptingest.yaml"
        yield ConfigProblem(file=file, path="", seen=f"{place}: {one['msg']}", cure=cure)


def server_values(pipeline: LogstashPipeline) -> dict[str, Any]:
    """Return what the sections of a compiled config say of a server, as in a ``ptingest.yaml``.

    Raises:
        ConfigInvalid: an option cannot be followed.
    """
    found: dict[str, Any] = {}
    try:
        beats, kafka = pipeline.inputs
        if beats is not None:
            found["beats"] = dict(_beats(beats.options))
        if kafka is not None:
            found["kafka"] = dict(source_values(kafka.options))
            if beats is None:
                found["role"] = "index"
        if sinks := _sinks(pipeline):
            found["sinks"] = sinks
    except RefusedConfig as error:
        raise ConfigInvalid((invalid(error),)) from None
    return found


# --- input ------------------------------------------------------------------------------


def _beats(options: Options) -> Iterator[tuple[str, Any]]:
    host = str(options["host"])
    yield "listen", f"{f'[{host}]' if ':' in host else host}:{int(options['port'])}"
    limits: dict[str, Any] = {}
    if options.is_set("client_inactivity_timeout"):
        limits["idle_seconds"] = max(1.0, float(options["client_inactivity_timeout"]))
    if options.is_set("ssl_handshake_timeout"):
        limits["handshake_seconds"] = max(0.001, options["ssl_handshake_timeout"] / 1000)
    if limits:
        yield "limits", limits
    if options["ssl_enabled"] or (options["ssl_enabled"] is None and options["ssl"]):
        yield "tls", dict(_beats_tls(options))


def _beats_tls(options: Options) -> Iterator[tuple[str, Any]]:
    if not options["ssl_certificate"]:
        raise options.refuse("ssl is on, and ssl_certificate names no certificate")
    yield "certificate", options["ssl_certificate"]
    if options["ssl_key"]:
        yield "key", options["ssl_key"]
    if options["ssl_key_passphrase"]:
        yield "key_password", options["ssl_key_passphrase"]
    modes = {"none": "none", "peer": "optional", "force_peer": "required"}
    asked = options["ssl_client_authentication"] or modes[options["ssl_verify_mode"] or "none"]
    authorities = options["ssl_certificate_authorities"] or []
    if asked != "none":
        if not authorities:
            raise options.refuse("clients are asked for a certificate of no authority")
        yield "client_ca", _single_file(options, "ssl_certificate_authorities")
        yield "client_auth", asked
    if lowest := lowest_version(options):
        yield "min_version", lowest


def lowest_version(options: Options) -> str | None:
    """Return the oldest version of TLS that an input asks for, None for the default."""
    protocols = options["ssl_supported_protocols"]
    if protocols:
        return "1.3" if {*protocols} <= {"TLSv1.3"} else None
    return "1.3" if float(options["tls_min_version"] or 0) >= 1.3 else None


# --- outputs ----------------------------------------------------------------------------


def _sinks(pipeline: LogstashPipeline) -> dict[str, Any]:
    outputs = pipeline.program.outputs
    sinks: dict[str, Any] = {}
    clusters: dict[str, Any] = {}
    for name, output in zip(sink_names(outputs), outputs, strict=True):
        if name in (FILE, STDOUT):
            sinks[name] = {}
        elif name == ELASTICSEARCH:
            sinks.setdefault(name, dict(_elasticsearch(output.options)))
        elif name != KAFKA and name not in clusters:
            clusters[name] = dict(_elasticsearch(output.options))
    if clusters:
        sinks["clusters"] = clusters
    topics = [one.options for one in outputs if one.options.plugin == KAFKA]
    if topics:
        sinks[KAFKA] = sink_values(topics)
    return sinks


def _elasticsearch(options: Options) -> Iterator[tuple[str, Any]]:
    for name, sentence in _NOT_FOLLOWED.items():
        if options.is_set(name) and options[name] not in (None, [], "full", True):
            raise options.refuse(sentence, name)
    yield "hosts", _hosts(options)
    user, password = options["user"], options["password"]
    if options["cloud_auth"]:
        user, _, password = str(options["cloud_auth"]).partition(":")
    if user:
        yield from (("username", user), ("password", password or ""))
    elif options["api_key"]:
        yield "api_key", options["api_key"]
    yield from _elasticsearch_tls(options)


def _elasticsearch_tls(options: Options) -> Iterator[tuple[str, Any]]:
    if options["ssl_certificate_authorities"]:
        yield "ca_file", _single_file(options, "ssl_certificate_authorities")
    elif options["cacert"]:
        yield "ca_file", options["cacert"]
    elif options["ca_trusted_fingerprint"]:
        yield "fingerprint", options["ca_trusted_fingerprint"][0]
    if options["ssl_certificate"]:
        yield "certificate", options["ssl_certificate"]
        if options["ssl_key"]:
            yield "key", options["ssl_key"]


_NOT_FOLLOWED = {
    "proxy": "proxies to Elasticsearch are not supported; name what stands in front of it in hosts",
    "custom_headers": "headers of one's own are not sent to Elasticsearch",
    "ssl_verification_mode": "certificates are always verified; name their authority in "
    "ssl_certificate_authorities, or ca_trusted_fingerprint",
    "ssl_certificate_verification": "certificates are always verified; name their authority in "
    "cacert, or ca_trusted_fingerprint",
}


def _hosts(options: Options) -> list[str]:
    is_encrypted = options["ssl_enabled"] or options["ssl"]
    if options["cloud_id"]:
        return [_cloud_host(options)]
    path = str(options["path"] or "").strip("/")
    found = []
    for one in options["hosts"]:
        text = str(one).rstrip("/")
        scheme, separator, rest = text.rpartition("://")
        address, slash, own_path = rest.partition("/")
        if not _has_port(address):
            address = f"{address}:9200"
        scheme = scheme if separator else "https" if is_encrypted else "http"
        below = own_path if slash else path
        found.append(f"{scheme}://{address}" + (f"/{below}" if below else ""))
    return found


def _has_port(address: str) -> bool:
    # A variable that is left as it is written may have a default.
    address = re.sub(r"\$\{[^}]*\}", "", address)
    return address.rpartition("]")[2].count(":") == 1


def _cloud_host(options: Options) -> str:
    encoded = str(options["cloud_id"]).rpartition(":")[2]
    try:
        parts = base64.b64decode(encoded, validate=True).decode("ascii").split("$")
    except (binascii.Error, ValueError):
        parts = []
    if len(parts) < 2 or not all(parts[:2]):
        raise options.refuse("cloud_id is none: copy it from the deployment's page", "cloud_id")
    domain, port = parts[0].partition(":")[::2]
    return f"https://{parts[1]}.{domain}:{port or 443}"


def _single_file(options: Options, name: str) -> str:
    files = options[name]
    if len(files) > 1:
        raise options.refuse(f"{name} names {len(files)} files; put them into one PEM file", name)
    return str(files[0])
