"""`ptingest doctor`: find out what is wrong, and say what to do about it.

Looks at the config, at a running server through its HTTP port, and at the clusters that it
writes to, or only at one of them. It only reads.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import click

from ptingest.cli.exit_codes import ExitCode
from ptingest.cli.options import (
    api_of,
    config_option,
    copyable,
    load_settings,
    token_option,
    why_refused,
)
from ptingest.cli.terminal import show_finding
from ptingest.cli.visible import write_json_line
from ptingest.doctor.units import plural
from ptingest.model.finding import Finding

if TYPE_CHECKING:
    from ptingest.settings.api import ApiSettings
    from ptingest.settings.server import ServerSettings
    from ptingest.settings.sinks import ClusterSettings

ClusterPart = Literal["elasticsearch", "opensearch"]
Part = Literal["config", "server"] | ClusterPart
CLUSTERS: tuple[ClusterPart, ...] = ("elasticsearch", "opensearch")
PARTS: tuple[Part, ...] = ("config", "server", *CLUSTERS)
JSON_KEYS = ("mark", "subject", "looked_at", "found", "cure")
UNREACHABLE = frozenset({"server", "Elasticsearch", "OpenSearch", "login"})
"""Subjects of problems that mean: no answer, or no access."""


class Examination(NamedTuple):
    """What doctor looks at, and with which settings."""

    settings: ServerSettings
    parts: frozenset[Part]
    api: ApiSettings
    clusters: Mapping[ClusterPart, ClusterSettings | None]
    better_user: str | None


@click.command(epilog="Example: ptingest doctor --config ptingest.yaml --user elastic")
@config_option
@click.option("--server", metavar="HOST:PORT", help="Instead of the config's api.listen.")
@token_option
@click.option("--elasticsearch", metavar="URL", help="Instead of sinks.elasticsearch.hosts.")
@click.option("--opensearch", metavar="URL", help="Instead of sinks.opensearch.hosts.")
@click.option(
    "--user",
    metavar="NAME",
    help="User for questions that the writer may not ask; password: ELASTIC_PASSWORD, for "
    "OpenSearch OPENSEARCH_INITIAL_ADMIN_PASSWORD.",
)
@click.option(
    "--only", multiple=True, type=click.Choice(PARTS), help="Look only at this part; repeatable."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each finding.")
def doctor(
    config: Path | None,
    server: str | None,
    token_file: Path | None,
    elasticsearch: str | None,
    opensearch: str | None,
    user: str | None,
    only: tuple[Part, ...],
    as_json: bool,
) -> ExitCode:
    """Find out what is wrong, and say what to do about it.

    It only reads. It looks at the config, the server that runs with it, and its Elasticsearch
    or OpenSearch; without --config, at the one that --server, --elasticsearch or --opensearch
    names. Exit codes: 0 no problem, 1 a problem, 3 config invalid, 4 the server or a cluster is
    not reachable or refuses the login.
    """
    import asyncio

    settings = load_settings(config)
    urls: dict[ClusterPart, str | None] = {
        "elasticsearch": elasticsearch,
        "opensearch": opensearch,
    }
    parts = frozenset(only) or _parts(settings, config, server, urls)
    examination = Examination(
        settings,
        parts,
        api_of(settings, server, token_file),
        {part: cluster_of(settings, part, url) for part, url in urls.items()},
        user,
    )
    findings = [one._replace(cure=copyable(one.cure)) for one in asyncio.run(_examine(examination))]
    for finding in findings:
        _print(finding, as_json=as_json)
    problems = [finding.subject for finding in findings if finding.mark == "problem"]
    if not as_json:
        warnings = sum(finding.mark == "warning" for finding in findings)
        click.echo(f"{plural(len(problems), 'problem')}, {plural(warnings, 'warning')}")
    if UNREACHABLE.intersection(problems):
        return ExitCode.NOT_REACHABLE
    return ExitCode.FAILED if problems else ExitCode.DONE


def _parts(
    settings: ServerSettings,
    config: Path | None,
    server: str | None,
    urls: Mapping[ClusterPart, str | None],
) -> frozenset[Part]:
    named: set[Part] = {part for part, url in urls.items() if url}
    if config is None and (server or named):
        return frozenset(named | {"server"} if server else named)
    # A receiver opens no sinks, whatever its config says of them.
    unused = frozenset() if settings.writes_to_sinks else frozenset(CLUSTERS)
    return frozenset(PARTS) - unused | named


def cluster_of(
    settings: ServerSettings, part: ClusterPart, url: str | None
) -> ClusterSettings | None:
    """The sink's settings, or an address given by hand with the writer's login."""
    sinks = settings.sinks
    sink = sinks.elasticsearch if part == "elasticsearch" else sinks.opensearch
    if url is None:
        return sink
    from pydantic import ValidationError

    from ptingest.settings.sinks import ElasticsearchSettings, OpenSearchSettings

    password = os.environ.get("LOGSTASH_WRITER_PASSWORD")
    login = {"username": "logstash_writer", "password": password} if password else {}
    try:
        model = ElasticsearchSettings if part == "elasticsearch" else OpenSearchSettings
        named = model.model_validate({"hosts": (url,), **login})
    except ValidationError as error:
        raise click.UsageError(f"--{part}: {why_refused(error)}") from error
    return named if sink is None else sink.model_copy(update={"hosts": named.hosts})


async def _examine(examination: Examination) -> list[Finding]:
    findings: list[Finding] = []
    if "config" in examination.parts:
        findings += _look_at_config(examination.settings)
    active: frozenset[str] = frozenset()
    if "server" in examination.parts:
        found, active = await _look_at_server(examination)
        findings += found
    for part in CLUSTERS:
        if part in examination.parts:
            findings += await _look_at_cluster(examination, part, active)
    return findings


# --- the config -------------------------------------------------------------------------


def _look_at_config(settings: ServerSettings) -> Iterator[Finding]:
    from ptingest.cli.check import look_at_files, look_at_profile, look_at_values
    from ptingest.doctor.host import finding_of_space

    _, findings = look_at_profile(settings)
    for finding in (*findings, *look_at_files(settings), *look_at_values(settings)):
        yield finding._replace(looked_at="config")
    yield finding_of_space(Path(settings.data_dir))


# --- a running server -------------------------------------------------------------------


async def _look_at_server(examination: Examination) -> tuple[list[Finding], frozenset[str]]:
    """Return the findings, and the services whose documents should be in the sinks."""
    import asyncio

    from ptingest.api.client import ServerClient
    from ptingest.doctor.host import findings_of_port, listeners
    from ptingest.doctor.server_facts import ASK_SECONDS, read_facts
    from ptingest.doctor.traffic import active_services, findings_of_traffic
    from ptingest.model.address import split_listen

    findings: list[Finding] = []
    listen = examination.settings.beats.listen
    has_port = examination.settings.has_beats_port
    if has_port and "config" in examination.parts and (port := split_listen(listen)[1]):
        findings += findings_of_port(listen, listeners(port))
    with ServerClient(examination.api, seconds=ASK_SECONDS) as client:
        facts = await asyncio.to_thread(read_facts, client.url, client.get)
    if facts.failure:
        cure = facts.cure or (
            "is it running? api.listen is its address; run doctor where that can be reached"
        )
        seen = facts.failure if facts.cure else f"no answer: {facts.failure}"
        findings.append(
            Finding("problem", "server", seen, cure, looked_at=f"GET {facts.where}/status")
        )
        return findings, frozenset()
    return [*findings, *findings_of_traffic(facts)], active_services(facts)


# --- a cluster -----------------------------------------------------------------------------


async def _look_at_cluster(
    examination: Examination, part: ClusterPart, active: frozenset[str]
) -> Sequence[Finding]:
    sink = examination.clusters[part]
    if sink is None and (part == "opensearch" or examination.clusters["opensearch"] is not None):
        return []
    if sink is None:
        seen = "no sinks.elasticsearch: documents go to the other sinks, not to Kibana"
        cure = "set hosts and a login; `ptingest search` searches the embedded store"
        return [Finding("note", "Elasticsearch", seen, cure, looked_at="config")]
    from ptingest.doctor.cluster import findings_of_cluster
    from ptingest.doctor.cluster_facts import ask_cluster
    from ptingest.pipeline.route import stream_names
    from ptingest.server.assembly import read_profile
    from ptingest.sinks.elasticsearch.client import ElasticsearchClient

    profile = read_profile(examination.settings, os.environ)
    client = ElasticsearchClient(sink)
    login = better_login(sink, examination.better_user)
    better = None if login is None else ElasticsearchClient(login)
    try:
        facts = await ask_cluster(
            client,
            better,
            where=", ".join(sink.hosts),
            username=sink.username,
            streams=stream_names(profile),
            dialect=client.dialect,
        )
    finally:
        await client.close()
        if better is not None:
            await better.close()
    facts = replace(facts, active=active, expires_in_days=await _expiries(sink))
    return list(findings_of_cluster(facts))


def better_login(sink: ClusterSettings, user: str | None) -> ClusterSettings | None:
    if user is None:
        return None
    from pydantic import SecretStr

    from ptingest.sinks.elasticsearch.dialect import dialect_of

    password = os.environ.get(dialect_of(sink).superuser_variable)
    if not password:
        password = click.prompt(f"Password of {user}", hide_input=True, err=True)
    login: dict[str, object] = {"username": user, "password": SecretStr(password)}
    without_key = {"api_key": None} if "api_key" in type(sink).model_fields else {}
    return sink.model_copy(update=login | without_key)


async def _expiries(sink: ClusterSettings) -> dict[str, float]:
    """Return when the certificates of the hosts expire, where they are trusted."""
    import asyncio

    from ptingest.doctor.host import certificate_days
    from ptingest.errors import SinkUnavailable
    from ptingest.sinks.elasticsearch.client import with_port
    from ptingest.sinks.elasticsearch.tls import tls_context

    urls = [url for url in map(with_port, sink.hosts) if url.startswith("https://")]
    try:
        context = await asyncio.to_thread(tls_context, sink, urls)
    except SinkUnavailable:
        return {}  # the first request has reported why
    found: dict[str, float] = {}
    for url in urls:
        if context is not None:
            days = await asyncio.to_thread(certificate_days, url, context, time.time())
            found |= {} if days is None else {url: days}
    return found


def _print(finding: Finding, *, as_json: bool) -> None:
    if as_json:
        import orjson

        row = {name: getattr(finding, name) for name in JSON_KEYS}
        write_json_line(orjson.dumps(row))
        return
    show_finding(finding)
