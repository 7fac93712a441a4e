"""Which index template a data stream would get, as Elasticsearch decides it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ptingest.sinks.elasticsearch.dialect import (
    ELASTICSEARCH,
    FAILURE_STORE,
    LOGSDB,
    Dialect,
    TemplatePart,
)

BUILT_IN_PRIORITY = 200
"""Elastic's own templates for ``logs-*-*`` have 100, those of integrations 200."""


class Template(NamedTuple):
    """One index template, as much of it as decides who wins."""

    name: str
    patterns: tuple[str, ...]
    priority: int
    makes_data_streams: bool

    def matches(self, name: str) -> bool:
        """Say whether a stream of this name is one of its patterns."""
        return any(_matches(pattern, name) for pattern in self.patterns)


def read_templates(answer: Mapping[str, Any]) -> list[Template]:
    """Read the answer of ``GET /_index_template``; what is oddly shaped is left out."""
    rows = answer.get("index_templates")
    found = []
    for row in rows if isinstance(rows, list) else []:
        body = row.get("index_template", {})
        patterns = body.get("index_patterns") or []
        found.append(
            Template(
                name=str(row.get("name", "")),
                patterns=tuple([patterns] if isinstance(patterns, str) else patterns),
                priority=int(body.get("priority") or 0),
                makes_data_streams=isinstance(body.get("data_stream"), dict),
            )
        )
    return found


def matching(templates: Iterable[Template], stream: str) -> Sequence[Template]:
    """Return the templates that match, the one that wins first."""
    fitting = [template for template in templates if template.matches(stream)]
    return sorted(fitting, key=lambda template: template.priority, reverse=True)


def is_failure_store_known(version: str) -> bool:
    """Say whether an Elasticsearch of this version takes ``data_stream_options`` (8.19, 9.1)."""
    number = version_number(version)
    return number >= (9, 1) or (8, 19) <= number < (9, 0)


def is_logsdb_known(version: str) -> bool:
    """Say whether an Elasticsearch of this version takes ``index.mode: logsdb`` (8.15)."""
    return version_number(version) >= (8, 15)


def unknown_parts(dialect: Dialect, version: str | None) -> Sequence[TemplatePart]:
    """Return what a server of this version does not take of our templates; with None what no
    version takes."""
    found = list(dialect.lacks)
    if dialect is ELASTICSEARCH and version is not None:
        found += [] if is_failure_store_known(version) else [FAILURE_STORE]
        found += [] if is_logsdb_known(version) else [LOGSDB]
    return found


def version_number(version: str) -> tuple[int, int]:
    """Return (major, minor); (0, 0) where it cannot be read."""
    found = re.match(r"(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _matches(pattern: str, name: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name) is not None
