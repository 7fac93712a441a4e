"""`ptingest doctor`: find out what is wrong, and say what to do about it.

Looks at the config, at a running server through its HTTP port, and at Elasticsearch, or only
at one of them. It only reads.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
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
    from ptingest.settings.sinks import ElasticsearchSettings

Part = Literal["config", "server", "elasticsearch"]
PARTS: tuple[Part, ...] = ("config", "server", "elasticsearch")
JSON_KEYS = ("mark", "subject", "looked_at", "found", "cure")
UNREACHABLE = frozenset({"server", "Elasticsearch", "login"})
"""Subjects of problems that mean: no answer, or no access."""


class Examination(NamedTuple):
    """What doctor looks at, and with which settings."""

    settings: ServerSettings
    parts: frozenset[Part]
    api: ApiSettings
    elasticsearch: ElasticsearchSettings | None
    better_user: str | None


@click.command(epilog="Example: ptingest doctor --config ptingest.yaml --user elastic")
@config_option
@click.option("--server", metavar="HOST:PORT", help="Instead of the config's api.listen.")
@token_option
@click.option("--elasticsearch", metavar="URL", help="Instead of sinks.elasticsearch.hosts.")
@click.option(
    "--user",
    metavar="NAME",
    help="User for questions that the writer may not ask; password: ELASTIC_PASSWORD.",
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
    user: str | None,
    only: tuple[Part, ...],
    as_json: bool,
) -> ExitCode:
    """Find out what is wrong, and say what to do about it.

    It only reads. It looks at the config, the server that runs with it, and Elasticsearch;
    without --config, at the one that --server or --elasticsearch names. Exit codes: 0 no
    problem, 1 a problem, 3 config invalid, 4 the server or Elasticsearch is not reachable or
    refuses the login.
    """
    import asyncio

    settings = load_settings(config)
    parts = frozenset(only) or _parts(config, server, elasticsearch)
    examination = Examination(
        settings,
        parts,
        api_of(settings, server, token_file),
        _elasticsearch(settings, elasticsearch),
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


def _parts(config: Path | None, server: str | None, elasticsearch: str | None) -> frozenset[Part]:
    if config is None and (server or elasticsearch):
        named: set[Part] = set()
        if server:
            named.add("server")
        if elasticsearch:
            named.add("elasticsearch")
        return frozenset(named)
    return frozenset(PARTS)


def _elasticsearch(settings: ServerSettings, url: str | None) -> ElasticsearchSettings | None:
    """The sink's settings, or an address given by hand with the writer's login."""
    sink = settings.sinks.elasticsearch
    if url is None:
        return sink
    from pydantic import ValidationError

    from ptingest.settings.sinks import ElasticsearchSettings

    password = os.environ.get("LOGSTASH_WRITER_PASSWORD")
    login = {"username": "logstash_writer", "password": password} if password else {}
    try:
        named = ElasticsearchSettings.model_validate({"hosts": (url,), **login})
    except ValidationError as error:
        raise click.UsageError(f"--elasticsearch: {why_refused(error)}") from error
    return named if sink is None else sink.model_copy(update={"hosts": named.hosts})


async def _examine(examination: Examination) -> list[Finding]:
    findings: list[Finding] = []
    if "config" in examination.parts:
        findings += _look_at_config(examination.settings)
    active: frozenset[str] = frozenset()
    if "server" in examination.parts:
        found, active = await _look_at_server(examination)
        findings += found
    if "elasticsearch" in examination.parts:
        findings += await _look_at_elasticsearch(examination, examination.elasticsearch, active)
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


# --- Elasticsearch ----------------------------------------------------------------------


async def _look_at_elasticsearch(
    examination: Examination, sink: ElasticsearchSettings | None, active: frozenset[str]
) -> Sequence[Finding]:
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
    login = _better_login(sink, examination.better_user)
    better = None if login is None else ElasticsearchClient(login)
    try:
        facts = await ask_cluster(
            client,
            better,
            where=", ".join(sink.hosts),
            username=sink.username,
            streams=stream_names(profile),
        )
    finally:
        await client.close()
        if better is not None:
            await better.close()
    facts = replace(facts, active=active, expires_in_days=await _expiries(sink))
    return list(findings_of_cluster(facts))


def _better_login(sink: ElasticsearchSettings, user: str | None) -> ElasticsearchSettings | None:
    if user is None:
        return None
    from pydantic import SecretStr

    password = os.environ.get("ELASTIC_PASSWORD")
    if not password:
        password = click.prompt(f"Password of {user}", hide_input=True, err=True)
    login = {"username": user, "password": SecretStr(password), "api_key": None}
    return sink.model_copy(update=login)


async def _expiries(sink: ElasticsearchSettings) -> dict[str, float]:
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
