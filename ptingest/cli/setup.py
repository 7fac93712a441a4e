"""`ptingest setup`: make what a cluster and Kibana need; a second run changes nothing."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from ptingest.cli.exit_codes import ExitCode
from ptingest.cli.options import config_option, load_settings, why_refused
from ptingest.cli.terminal import marked_lines, width_of
from ptingest.cli.visible import visible
from ptingest.sinks.elasticsearch.dialect import ELASTICSEARCH, OPENSEARCH
from ptingest.sinks.elasticsearch.names import USER
from ptingest.tools.setup.plan import (
    KIBANA_PARTS,
    PARTS,
    FailureRights,
    Part,
    RoleName,
    Wanted,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import SecretStr

    from ptingest.settings.server import ServerSettings
    from ptingest.settings.sinks import ClusterSettings
    from ptingest.sinks.elasticsearch.dialect import Dialect
    from ptingest.tools.setup.elasticsearch import Done, LoginWorks

    Say = Callable[[Done], None]

LOCAL = "http://127.0.0.1:9200"
WRITER_VARIABLE = "LOGSTASH_WRITER_PASSWORD"
COLOURS = {
    "created": "green",
    "updated": "yellow",
    "unchanged": "cyan",
    "refused": "red",
    "skipped": "yellow",
    "note": "cyan",
}


INDENT = 10
"""Width of a mark and the blanks behind it."""


class Target(NamedTuple):
    """Where to, and as whom."""

    admin: ClusterSettings
    writer_password: SecretStr | None
    kibana: str | None
    api_key_file: Path | None


@click.command(epilog="Example: ELASTIC_PASSWORD=... ptingest setup --config ptingest.yaml")
@config_option
@click.option("--elasticsearch", metavar="URL", help="Instead of sinks.elasticsearch.hosts.")
@click.option("--opensearch", metavar="URL", help="Instead of sinks.opensearch.hosts.")
@click.option("--kibana", metavar="URL", help="Also create data views, searches and a dashboard.")
@click.option("--ca-file", metavar="FILE", help="Certificate authority of the hosts.")
@click.option(
    "--user",
    metavar="NAME",
    help=f"Superuser, else {ELASTICSEARCH.superuser} or, of OpenSearch, {OPENSEARCH.superuser}; "
    f"password: {ELASTICSEARCH.superuser_variable}, {OPENSEARCH.superuser_variable} or a prompt.",
)
@click.option(
    "--only", multiple=True, type=click.Choice(PARTS), help="Look only at this part; repeatable."
)
@click.option("--dry-run", is_flag=True, help="Print each request and send none.")
@click.option("--retention", default="30d", show_default=True, help="`none`: keep for ever.")
@click.option(
    "--replicas",
    default=0,
    show_default=True,
    type=click.IntRange(0, 10),
    help="Replicas of each shard.",
)
@click.option("--logsdb", is_flag=True, help="index.mode logsdb: less disk, more CPU.")
@click.option(
    "--failure-store/--no-failure-store",
    default=True,
    show_default=True,
    help="Whether Elasticsearch redirects documents that it cannot index to a failure store.",
)
@click.option(
    "--role",
    type=click.Choice(["lean", "as-described"]),
    default="lean",
    show_default=True,
    help="Privileges that ptingest needs, or those that Logstash had.",
)
@click.option(
    "--failures",
    type=click.Choice(["none", "read", "purge"]),
    help="What the role may do with failure stores, for `ptingest failures`: read and requeue, or "
    "purge as well.  [default: read; none with --role as-described]",
)
@click.option(
    "--api-key",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Create an API key instead of a user and write it to FILE, readable by its owner only.",
)
def setup(
    config: Path | None,
    elasticsearch: str | None,
    opensearch: str | None,
    kibana: str | None,
    ca_file: str | None,
    user: str | None,
    only: tuple[Part, ...],
    dry_run: bool,
    retention: str,
    replicas: int,
    logsdb: bool,
    failure_store: bool,
    role: RoleName,
    failures: FailureRights | None,
    api_key: Path | None,
) -> ExitCode:
    """Prepare Elasticsearch or OpenSearch, and Kibana: templates, role, user, data views,
    dashboard.

    What is there already stays as it is. Exit codes: 0 all is there, 1 something was
    refused, 4 not reachable or the login is not taken.
    """
    settings = load_settings(config)
    dialect = _dialect(settings, elasticsearch, opensearch)
    _require_counterparts(dialect, kibana=kibana, api_key=api_key, role=role)
    options = Wanted(
        dialect=dialect,
        retention=None if retention == "none" else retention,
        replicas=replicas,
        logsdb=logsdb,
        failure_store=failure_store,
        role=role,
        failures=failures or ("read" if role == "lean" else "none"),
        parts=_parts(only, kibana=kibana, api_key=api_key),
    )
    wanted = _of_profile(options, settings)
    if dry_run:
        for line in _requests(wanted):
            click.echo(line)
        return ExitCode.DONE
    target = _target(settings, elasticsearch or opensearch, ca_file, user, wanted)._replace(
        kibana=kibana, api_key_file=api_key
    )
    return asyncio.run(_prepare(target, wanted))


def _parts(only: tuple[Part, ...], *, kibana: str | None, api_key: Path | None) -> frozenset[Part]:
    """Decide what to create; a part that was named needs its address."""
    if only:
        if KIBANA_PARTS & set(only) and kibana is None:
            raise click.UsageError("--only with a Kibana part needs --kibana URL")
        if "api-key" in only and api_key is None:
            raise click.UsageError("--only api-key needs --api-key FILE")
        return frozenset(only)
    login: set[Part] = {"role", "user"} if api_key is None else {"api-key"}
    found: set[Part] = {"templates", *login}
    return frozenset(found | KIBANA_PARTS if kibana is not None else found)


def _dialect(
    settings: ServerSettings, elasticsearch: str | None, opensearch: str | None
) -> Dialect:
    """Return what is prepared: what an option names, else what the config has."""
    if elasticsearch is not None and opensearch is not None:
        raise click.UsageError("--elasticsearch excludes --opensearch: prepare one at a time")
    has_both = settings.sinks.elasticsearch is not None and settings.sinks.opensearch is not None
    if has_both and elasticsearch is None and opensearch is None:
        raise click.UsageError(
            "the config has sinks.elasticsearch and sinks.opensearch: name the one to prepare "
            "with --elasticsearch URL or --opensearch URL"
        )
    if opensearch is not None or (elasticsearch is None and settings.sinks.opensearch is not None):
        return OPENSEARCH
    return ELASTICSEARCH


def _require_counterparts(
    dialect: Dialect, *, kibana: str | None, api_key: Path | None, role: RoleName
) -> None:
    """Refuse options for what a cluster does not have."""
    if dialect is not OPENSEARCH:
        return
    if kibana is not None:
        raise click.UsageError("--kibana: OpenSearch Dashboards has another API; see docs")
    if api_key is not None:
        raise click.UsageError("--api-key: OpenSearch has no API keys; a user is made instead")
    if role != "lean":
        raise click.UsageError("--role: OpenSearch has the role `lean` only")


def _of_profile(wanted: Wanted, settings: ServerSettings) -> Wanted:
    """Return the same for the data streams and groups of the config's profile."""
    from ptingest.pipeline.route import stream_names
    from ptingest.server.assembly import read_profile
    from ptingest.settings.profiles import groups_of

    profile = read_profile(settings, os.environ)
    groups = groups_of(profile)
    if not groups:
        raise click.UsageError(
            "profile names a logstash.conf, which says nothing of templates and roles: name data "
            "streams with a profile in YAML, or prepare Elasticsearch as for Logstash"
        )
    return replace(
        wanted,
        streams=stream_names(profile),
        groups=tuple(one.group for one in groups),
        failure_tags=tuple(dict.fromkeys(one.failure_tag for one in groups)),
    )


# --- as whom ----------------------------------------------------------------------------


def _target(
    settings: ServerSettings,
    url: str | None,
    ca_file: str | None,
    user: str | None,
    wanted: Wanted,
) -> Target:
    from pydantic import SecretStr, ValidationError

    from ptingest.settings.sinks import ElasticsearchSettings, OpenSearchSettings

    dialect, sinks = wanted.dialect, settings.sinks
    sink = sinks.opensearch if dialect is OPENSEARCH else sinks.elasticsearch
    user = user or dialect.superuser
    values: dict[str, object] = {"hosts": (LOCAL,)}
    if sink is not None:
        values = sink.model_dump(exclude={"username", "password", "api_key"})
    if url is not None:
        values["hosts"] = (url,)
    if ca_file is not None:
        values |= {"ca_file": ca_file, "fingerprint": None}
    password = _secret(dialect.superuser_variable, f"Password of {user}")
    if password is not None:
        values |= {"username": user, "password": password}
    try:
        model = OpenSearchSettings if dialect is OPENSEARCH else ElasticsearchSettings
        admin = model.model_validate(values)
    except ValidationError as error:
        raise click.UsageError(f"--{dialect.name}: {why_refused(error)}") from error
    written: SecretStr | None = None
    if sink is not None and sink.username == USER:
        written = sink.password
    if "user" in wanted.parts and written is None:
        asked = _secret(WRITER_VARIABLE, f"Password of {USER} (empty: keep it)", twice=True)
        written = SecretStr(asked) if asked else None
    return Target(admin, written, None, None)


def _secret(variable: str, prompt: str, *, twice: bool = False) -> str | None:
    """Take a password from the environment, else from a person; None where there is neither."""
    given = os.environ.get(variable)
    if given or not sys.stdin.isatty():
        return given or None
    asked: str = click.prompt(
        prompt, hide_input=True, default="", show_default=False, confirmation_prompt=twice, err=True
    )
    return asked or None


# --- nothing is sent --------------------------------------------------------------------


def _requests(wanted: Wanted) -> Iterable[str]:
    from ptingest.tools.setup.elasticsearch import fitted
    from ptingest.tools.setup.kibana import IMPORT
    from ptingest.tools.setup.plan import data_view_steps, elasticsearch_steps, saved_objects

    for step in fitted(elasticsearch_steps(wanted), None, wanted.dialect):
        body = step.body
        if step.part == "user":
            body = {**body, "password": f"<{WRITER_VARIABLE}>"}
            body |= {"enabled": True} if wanted.dialect is ELASTICSEARCH else {}
        yield f"# {step.subject}\n{step.method} {step.path}\n{_pretty(body)}\n"
    if "templates" in wanted.parts and wanted.dialect.has_lifecycle:
        yield (
            "# existing data streams that differ from the template\n"
            "PUT /_data_stream/<name>/_lifecycle\nPUT /_data_stream/<name>/_options\n"
        )
    for step in data_view_steps(wanted):
        yield f"# {step.subject}\n{step.method} kbn:{step.path}\n{_pretty(step.body)}\n"
    for part in ("searches", "dashboard"):
        if part in wanted.parts:
            objects = saved_objects(part, wanted)
            yield f"# {part}\nPOST kbn:{IMPORT}   (form field `file`)"
            yield "\n".join(_pretty(one) for one in objects) + "\n"


def _pretty(body: object) -> str:
    import orjson

    return orjson.dumps(body, option=orjson.OPT_INDENT_2).decode()


# --- sending ----------------------------------------------------------------------------


async def _prepare(target: Target, wanted: Wanted) -> ExitCode:
    marks: list[str] = []

    def say(done: Done) -> None:
        marks.append(done.mark)
        detail = f": {done.detail}" if done.detail else ""
        text = visible(f"{done.subject}{detail}")
        width, colour = width_of(sys.stdout), COLOURS[done.mark]
        for line in marked_lines(done.mark, colour, text, indent=INDENT, width=width):
            click.echo(line)

    if wanted.parts - KIBANA_PARTS:
        await _prepare_cluster(target, wanted, say)
    if target.kibana is not None and wanted.parts & KIBANA_PARTS:
        await _prepare_kibana(target, wanted, say)
    if "refused" in marks:
        return ExitCode.FAILED
    return ExitCode.DONE


async def _prepare_cluster(target: Target, wanted: Wanted, say: Say) -> None:
    from ptingest.sinks.elasticsearch.client import ElasticsearchClient
    from ptingest.tools.setup.elasticsearch import Preparation, afterwards, fitted, version_of
    from ptingest.tools.setup.plan import elasticsearch_steps
    from ptingest.tools.setup.streams import bring_up_to_date

    client = ElasticsearchClient(target.admin)
    try:
        version = await version_of(client)
        dialect = client.dialect
        click.echo(f"{dialect.title} {visible(version)} at {', '.join(target.admin.hosts)}")
        steps = fitted(elasticsearch_steps(wanted), version, dialect)
        preparation = Preparation(
            client,
            password=target.writer_password,
            login_works=_login_check(target.admin, dialect.security.who),
            keep=lambda key: _keep_key(target.api_key_file, key),
        )
        async for done in preparation.run(steps):
            say(done)
        if "templates" in wanted.parts:
            async for done in afterwards(client, wanted.streams):
                say(done)
            updating = bring_up_to_date(
                client, wanted.streams, version=version, failure_store=wanted.failure_store
            )
            async for done in updating:
                say(done)
    finally:
        await client.close()


def _login_check(admin: ClusterSettings, who: str) -> LoginWorks:
    """Return a function that says whether a login is accepted."""

    async def login_works(user: str, password: SecretStr) -> bool:
        from ptingest.sinks.elasticsearch.client import ElasticsearchClient

        client = ElasticsearchClient(
            admin.model_copy(update={"username": user, "password": password})
        )
        try:
            return (await client.request("GET", who)).status == 200
        finally:
            await client.close()

    return login_works


def _keep_key(path: Path | None, key: str) -> None:
    """Write a secret where only its owner reads it; it can be had only once."""
    assert path is not None
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(key + "\n")
    click.echo(f'          kept in {path}: sinks.elasticsearch.api_key: "${{file:{path}}}"')


async def _prepare_kibana(target: Target, wanted: Wanted, say: Say) -> None:
    from ptingest.tools.setup.kibana import KibanaClient, import_objects, make_views, version_of
    from ptingest.tools.setup.plan import data_view_steps, saved_objects

    admin = target.admin
    login = None
    if admin.username is not None and admin.password is not None:
        login = (admin.username, admin.password)
    client = KibanaClient(target.kibana or "", login=login, ca_file=admin.ca_file)
    click.echo(f"Kibana {visible(await version_of(client))} at {target.kibana}")
    async for done in make_views(client, data_view_steps(wanted)):
        say(done)
    for part in ("searches", "dashboard"):
        if part in wanted.parts:
            async for done in import_objects(client, part, saved_objects(part, wanted)):
                say(done)
