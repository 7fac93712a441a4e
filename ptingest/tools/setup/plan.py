"""What Elasticsearch and Kibana need, as a list of steps computed from the options.

Each step has the request that shows the current state and the one that changes it, so that
the same list serves a first run, a second run and ``--dry-run``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from ptingest.sinks.elasticsearch.names import ROLE, STREAMS, USER
from ptingest.tools.setup.assets import read_json, read_lines

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

API_KEY = "ptingest"
VIEW = "pt-logs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The options of the operator; the defaults are those of the files in ``deploy/``."""

    retention: str | None = "30d"
    """How long documents are kept; None means for ever."""
    replicas: int = 0
    logsdb: bool = False
    failure_store: bool = True
    role: RoleName = "lean"
    services: tuple[str, ...] = ()
    """Services that get a data view of their own, beside the one for all."""
    parts: frozenset[Part] = frozenset({"templates", "role", "user"})


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


def elasticsearch_steps(wanted: Wanted) -> Iterator[Step]:
    """Yield what Elasticsearch needs, in the order in which it can be created."""
    if "templates" in wanted.parts:
        yield from _template_steps(wanted)
    if "role" in wanted.parts:
        path = f"/_security/role/{ROLE}"
        yield _put("role", f"role {ROLE} ({wanted.role})", ROLE, path, role_body(wanted.role))
    if "user" in wanted.parts:
        body = read_json(f"elasticsearch/user-{USER}.json")
        yield _put("user", f"user {USER}", USER, f"/_security/user/{USER}", body)
    if "api-key" in wanted.parts:
        role = role_body(wanted.role)
        yield Step(
            part="api-key",
            subject=f"API key {API_KEY}",
            name=API_KEY,
            look=f"/_security/api_key?name={API_KEY}&active_only=true",
            method="POST",
            path="/_security/api_key",
            body={
                "name": API_KEY,
                "role_descriptors": {
                    ROLE: {"cluster": role["cluster"], "indices": role["indices"]}
                },
                "metadata": {"managed_by": "ptingest setup"},
            },
        )


def _template_steps(wanted: Wanted) -> Iterator[Step]:
    for name, body in (("pt@settings", settings_body(wanted)), ("pt@mappings", mappings_body())):
        path = f"/_component_template/{name}"
        yield _put("templates", f"component template {name}", name, path, body)
    body = read_json("elasticsearch/index-template-pt-logs.json")
    yield _put("templates", "index template pt-logs", "pt-logs", "/_index_template/pt-logs", body)


def _put(part: Part, subject: str, name: str, path: str, body: dict[str, Any]) -> Step:
    return Step(
        part=part, subject=subject, name=name, look=path, method="PUT", path=path, body=body
    )


def mappings_body() -> dict[str, Any]:
    """The component template that maps every field of a document."""
    return read_json("elasticsearch/component-template-pt@mappings.json")


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


def role_body(name: RoleName) -> dict[str, Any]:
    """The writer's role: what ptingest needs, or what the Logstash output needs."""
    suffix = "" if name == "lean" else f"-{name}"
    return read_json(f"elasticsearch/role-{ROLE}{suffix}.json")


# --- Kibana -----------------------------------------------------------------------------


def data_view_steps(wanted: Wanted) -> Iterator[Step]:
    """Yield one data view for all streams and one for each service."""
    if "data-views" not in wanted.parts:
        return
    views = [(VIEW, STREAMS, "Parcel Tracking logs")]
    views += [
        (f"{VIEW}-{service}", f"logs-{service}-pt", f"Parcel Tracking logs: {service}")
        for service in wanted.services
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


def saved_objects(part: Part) -> list[dict[str, Any]]:
    """The saved objects of one part, for an import."""
    return read_lines(f"kibana/{part}.ndjson")
