"""What a cluster and Kibana need, as a list of steps computed from the options.

Each step has the request that shows the current state and the one that changes it, so that
the same list serves a first run, a second run and ``--dry-run``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import orjson

from ptingest.model.streams import StreamNames
from ptingest.sinks.elasticsearch.dialect import ELASTICSEARCH, Dialect
from ptingest.sinks.elasticsearch.names import ROLE, TEMPLATE, USER, VIEW
from ptingest.tools.setup.assets import read_json, read_lines
from ptingest.tools.setup.failure_rights import with_failure_rights

Part = Literal["templates", "role", "user", "api-key", "data-views", "searches", "dashboard"]
PARTS: tuple[Part, ...] = (
    "templates",
    "role",
    "user",
    "api-key",
    "data-views",
    "searches",
    "dashboard",
)
KIBANA_PARTS: frozenset[Part] = frozenset({"data-views", "searches", "dashboard"})
RoleName = Literal["lean", "as-described"]
FailureRights = Literal["none", "read", "purge"]

API_KEY = "ptingest"
CUSTOM = "pt@custom"
"""The component template with the operator's own settings and mappings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The options of the operator; the defaults are those of the files in ``deploy/``."""

    retention: str | None = "30d"
    """How long documents are kept; None means for ever."""
    replicas: int = 0
    logsdb: bool = False
    failure_store: bool = True
    role: RoleName = "lean"
    failures: FailureRights = "none"
    """What the role may do with failure stores."""
    streams: StreamNames = field(default_factory=lambda: StreamNames(("logs-*-pt",)))
    """The data streams of the profile; each of its services gets a data view of its own."""
    groups: tuple[str, ...] = ("pt",)
    """Groups whose events the saved searches find."""
    failure_tags: tuple[str, ...] = ("_grokparsefailure_pt",)
    """Tags that the searches for parse failures look for."""
    parts: frozenset[Part] = frozenset({"templates", "role", "user"})
    dialect: Dialect = ELASTICSEARCH
    """What kind of cluster is prepared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One object that must exist."""

    part: Part
    subject: str
    name: str
    look: str
    """Path of the GET that returns it."""
    method: str
    path: str
    body: dict[str, Any]
    is_theirs: bool = False
    """Whether it is the operator's: made where it is missing, never changed."""


def elasticsearch_steps(wanted: Wanted) -> Iterator[Step]:
    """Yield what the cluster needs, in the order in which it can be created."""
    dialect = wanted.dialect
    if "templates" in wanted.parts:
        yield from _template_steps(wanted)
    if "role" in wanted.parts:
        path = f"{dialect.security.role}/{ROLE}"
        yield _put("role", f"role {ROLE} ({wanted.role})", ROLE, path, role_body(wanted))
    if "user" in wanted.parts:
        body = read_json(f"{dialect.name}/user-{USER}.json")
        yield _put("user", f"user {USER}", USER, f"{dialect.security.user}/{USER}", body)
    if "api-key" in wanted.parts and dialect.api_keys is not None:
        role = role_body(wanted)
        yield Step(
            part="api-key",
            subject=f"API key {API_KEY}",
            name=API_KEY,
            look=f"{dialect.api_keys}?name={API_KEY}&active_only=true",
            method="POST",
            path=dialect.api_keys,
            body={
                "name": API_KEY,
                "role_descriptors": {
                    ROLE: {"cluster": role["cluster"], "indices": role["indices"]}
                },
                "metadata": {"managed_by": "ptingest setup"},
            },
        )


def _template_steps(wanted: Wanted) -> Iterator[Step]:
    for name, body in (
        ("pt@settings", settings_body(wanted)),
        ("pt@mappings", mappings_body(wanted.dialect)),
    ):
        path = f"/_component_template/{name}"
        yield _put("templates", f"component template {name}", name, path, body)
    if not wanted.dialect.has_optional_templates:
        path, subject = f"/_component_template/{CUSTOM}", f"component template {CUSTOM}"
        yield replace(_put("templates", subject, CUSTOM, path, {"template": {}}), is_theirs=True)
    body = read_json(f"elasticsearch/index-template-{TEMPLATE}.json")
    body["index_patterns"] = list(wanted.streams.patterns)
    path = f"/_index_template/{TEMPLATE}"
    yield _put("templates", f"index template {TEMPLATE}", TEMPLATE, path, body)


def _put(part: Part, subject: str, name: str, path: str, body: dict[str, Any]) -> Step:
    return Step(
        part=part, subject=subject, name=name, look=path, method="PUT", path=path, body=body
    )


def mappings_body(dialect: Dialect = ELASTICSEARCH) -> dict[str, Any]:
    """The component template that maps every field of a document."""
    body = read_json("elasticsearch/component-template-pt@mappings.json")
    for one in body["template"]["mappings"]["properties"].values():
        if one["type"] == ELASTICSEARCH.text_type:
            one["type"] = dialect.text_type
        if not dialect.searches_doc_values and one.get("doc_values", True):
            one.pop("index", None)
    return body


def settings_body(wanted: Wanted) -> dict[str, Any]:
    """The component template with the operator's options."""
    body = read_json("elasticsearch/component-template-pt@settings.json")
    template = body["template"]
    template["settings"]["index"]["number_of_replicas"] = str(wanted.replicas)
    if wanted.logsdb:
        template["settings"]["index"]["mode"] = "logsdb"
    if wanted.retention is None:
        del template["lifecycle"]["data_retention"]
    else:
        template["lifecycle"]["data_retention"] = wanted.retention
    if not wanted.failure_store:
        del template["data_stream_options"]
    return body


def role_body(wanted: Wanted) -> dict[str, Any]:
    """The writer's role: what ptingest needs, or what the Logstash output needs."""
    suffix = "" if wanted.role == "lean" else f"-{wanted.role}"
    body = read_json(f"{wanted.dialect.name}/role-{ROLE}{suffix}.json")
    rows, names = _members_of_role(body)
    for row in body[rows]:
        row[names] = list(wanted.streams.patterns)
    if wanted.dialect.name == "opensearch":
        return body  # it has no failure stores
    return with_failure_rights(body, wanted.failures, wanted.streams.patterns)


def _members_of_role(role: dict[str, Any]) -> tuple[str, str]:
    """Return what a role calls its rows about indices, and the patterns of a row."""
    if "index_permissions" in role:
        return "index_permissions", "index_patterns"
    return "indices", "names"


def keeping_patterns(wanted: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """Return a template or role that also keeps the patterns it has.

    A second server with a profile of its own may use the same cluster; its streams must not
    lose template and rights.
    """
    if "index_patterns" in wanted:
        patterns = _joined(found.get("index_patterns"), wanted["index_patterns"])
        return {**wanted, "index_patterns": patterns}
    rows, names = _members_of_role(wanted)
    if wanted.get(rows) and found.get(rows):
        first, *others = wanted[rows]
        kept = {_privileges(row): row.get(names) for row in found[rows][1:]}
        joined = [{**first, names: _joined(found[rows][0].get(names), first[names])}]
        joined += [
            {**row, names: _joined(kept.get(_privileges(row)), row[names])} for row in others
        ]
        return {**wanted, rows: joined}
    return wanted


def _privileges(row: dict[str, Any]) -> frozenset[str]:
    return frozenset(row.get("privileges") or ())


def patterns_of(body: dict[str, Any]) -> tuple[str, ...]:
    """Return the patterns that a template or a role names."""
    rows, names = _members_of_role(body)
    found = body.get("index_patterns") or [
        name for row in body.get(rows) or () for name in row.get(names) or ()
    ]
    return tuple(found)


def _joined(found: list[str] | None, wanted: list[str]) -> list[str]:
    return list(dict.fromkeys([*(found or ()), *wanted]))


# --- Kibana -----------------------------------------------------------------------------


def data_view_steps(wanted: Wanted) -> Iterator[Step]:
    """Yield one data view for all streams and one for each service."""
    if "data-views" not in wanted.parts:
        return
    streams = wanted.streams
    views = [(VIEW, streams.joined, "Parcel Tracking logs")]
    views += [
        (
            f"{VIEW}-{service}",
            ",".join(streams.of_service(service)),
            f"Parcel Tracking logs: {service}",
        )
        for service in streams.services
    ]
    for identity, title, name in views:
        view = {"id": identity, "title": title, "name": name, "timeFieldName": "@timestamp"}
        yield Step(
            part="data-views",
            subject=f"data view {title}",
            name=identity,
            look=f"/api/data_views/data_view/{identity}",
            method="POST",
            path="/api/data_views/data_view",
            body={"data_view": view, "override": False},
        )


def saved_objects(part: Part, wanted: Wanted) -> list[dict[str, Any]]:
    """The saved objects of one part, for an import; their queries name the profile's groups."""
    objects = read_lines(f"kibana/{part}.ndjson")
    if (wanted.groups, wanted.failure_tags) == (("pt",), ("_grokparsefailure_pt",)):
        return objects  # as shipped
    for one in objects:
        meta = one["attributes"].get("kibanaSavedObjectMeta")
        if meta is not None:
            source = orjson.loads(meta["searchSourceJSON"])
            source["query"]["query"] = _of_profile(source["query"]["query"], wanted)
            meta["searchSourceJSON"] = orjson.dumps(source).decode()
    return objects


def _of_profile(query: str, wanted: Wanted) -> str:
    tags = " OR ".join(f"tags:{_quoted(tag)}" for tag in wanted.failure_tags)
    groups = " OR ".join(f"group:{_quoted(group)}" for group in wanted.groups)
    groups = groups if len(wanted.groups) == 1 else f"({groups})"
    return query.replace("tags:_grokparsefailure_pt", tags).replace("group:pt", groups)


def _quoted(value: str) -> str:
    """Write a value of a query in Kibana's language."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return value if re.fullmatch(r"\w+", value) else f'"{escaped}"'
