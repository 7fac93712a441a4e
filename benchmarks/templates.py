"""Index templates that `benchmarks.elasticsearch` compares: what setup makes, and changes of it.

    python -m benchmarks.elasticsearch --only default,logsdb --template mine=FILE.json

A row is the template that `ptingest setup` makes with one choice taken back or one option added,
so that its difference from the first row is what this one choice brings or costs.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from ptingest.tools.setup.plan import Wanted, mappings_body, settings_body

Body = dict[str, Any]
ONCE_INDEXED = ("@version", "agent.ephemeral_id", "log.offset", "log_ms", "log_timestamp")
"""Fields that setup's template had in an index, and that nobody searches."""
LABELS = ("container.labels", "kubernetes.labels", "kubernetes.annotations")


class Template(NamedTuple):
    """One row of the table."""

    name: str
    body: Body
    """``settings`` and ``mappings``, as in an index template."""
    keyed: bool = True
    left_out: tuple[str, ...] = ()
    """Dotted names of fields that documents come without."""
    has_labels: bool = False
    """Whether documents come with labels and annotations, as those of a cluster do."""


def setups_own(*, logsdb: bool = False) -> Body:
    """What setup makes, as far as it concerns an index.

    ``match_only_text`` is in a module that is not published, and the node that is measured shows
    it as text. Text of documents only, without norms, is what the module stores; the node can
    answer no phrases from it, which the queries here do not ask for.
    """
    settings, mappings = (
        body["template"] for body in (settings_body(Wanted(logsdb=logsdb)), mappings_body())
    )
    body = copy.deepcopy({"settings": settings["settings"], "mappings": mappings["mappings"]})
    for field in body["mappings"]["properties"].values():
        if field["type"] == "match_only_text":
            field |= {"type": "text", "index_options": "docs", "norms": False}
    return body


def changed(change: Callable[[Body], None], *, logsdb: bool = False) -> Body:
    """Setup's own with one change."""
    body = setups_own(logsdb=logsdb)
    change(body)
    return body


def _index(body: Body) -> Body:
    settings: Body = body["settings"]["index"]
    return settings


def _fields(body: Body) -> Body:
    fields: Body = body["mappings"]["properties"]
    return fields


def with_usual_codec(body: Body) -> None:
    """Stored fields as Elasticsearch compresses them by itself (LZ4)."""
    _index(body)["codec"] = "default"


def with_all_indexed(body: Body) -> None:
    """An index for the fields that nobody searches."""
    for name in ONCE_INDEXED:
        _fields(body)[name].pop("index", None)


def as_before(body: Body) -> None:
    """What setup made before any of these was chosen."""
    with_usual_codec(body)
    with_all_indexed(body)
    _index(body).pop("sort", None)


def with_plain_text(body: Body) -> None:
    """Text with positions, frequencies and norms, as the tests' node has for match_only_text."""
    for name in ("message", "log_message"):
        _fields(body)[name] = {"type": "text"}


def with_message_once(body: Body) -> None:
    """The words of a line in one index instead of two: log_message is not searched by words."""
    _fields(body)["log_message"] = {"type": "text", "index": False}


def with_sort(*fields: str) -> Callable[[Body], None]:
    """Documents of a segment in the order of these fields, the newest first."""

    def change(body: Body) -> None:
        orders = ["desc" if field == "@timestamp" else "asc" for field in fields]
        _index(body)["sort"] = {"field": list(fields), "order": orders}

    return change


def with_flattened_labels(body: Body) -> None:
    """All labels of an object in one field."""
    for name in LABELS:
        _fields(body)[name] = {"type": "flattened", "ignore_above": 1024}


def known() -> dict[str, Template]:
    """Every template with a name, in the order of the table."""
    rows = (
        Template("default", setups_own()),
        Template("before", changed(as_before)),
        Template("codec default", changed(with_usual_codec)),
        Template("all indexed", changed(with_all_indexed)),
        Template("plain text", changed(with_plain_text)),
        Template("log_message without index", changed(with_message_once)),
        Template("sorted by time", changed(with_sort("@timestamp"))),
        Template("sorted by logger, time", changed(with_sort("logger_name", "@timestamp"))),
        Template("without event.original", setups_own(), left_out=("event.original",)),
        Template("ids by Elasticsearch", setups_own(), keyed=False),
        Template("logsdb", setups_own(logsdb=True)),
        Template(
            "logsdb without event.original", setups_own(logsdb=True), left_out=("event.original",)
        ),
        Template("labels", setups_own(), has_labels=True),
        Template("labels flattened", changed(with_flattened_labels), has_labels=True),
    )
    return {row.name: row for row in rows}


def read(text: str) -> Template:
    """NAME=FILE.json, an index template or its part ``template``.

    Raises:
        ValueError: no such form, or no JSON object.
    """
    name, _, path = text.partition("=")
    if not path:
        raise ValueError(f"--template {text!r}: write NAME=FILE.json")
    found = json.loads(Path(path).read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise ValueError(f"{path}: an index template is a JSON object")
    return Template(name, found.get("template", found))
