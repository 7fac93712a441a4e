"""Compares what would be sent with what the server returns.

Servers do not return what they were sent: Elasticsearch turns numbers and booleans of settings
into text and adds defaults, Kibana adds attributes that it computed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

SPELLED_OUT = frozenset(
    {
        ("data_stream.hidden", "false"),
        ("data_stream.allow_custom_routing", "false"),
        ("indices.0.allow_restricted_indices", "false"),
        ("indices.1.allow_restricted_indices", "false"),
        ("transient_metadata.enabled", "true"),
        ("data_stream.timestamp_field.name", "@timestamp"),
        ("reserved", "false"),
        ("hidden", "false"),
        ("static", "false"),
        ("index_permissions.0.dls", ""),
        ("index_permissions.0.dls", "None"),
    }
)
"""Defaults that Elasticsearch, or from the fifth on OpenSearch, adds to its answers."""
KEPT_BY_SERVER = frozenset(
    {"created_date", "created_date_millis", "modified_date", "modified_date_millis"}
)
"""Members that Elasticsearch adds to templates, from 9.2 on, and does not accept in a PUT."""
UNORDERED = (
    "privileges",
    "roles",
    "cluster",
    "opendistro_security_roles",
    "cluster_permissions",
    "allowed_actions",
)
"""Lists whose order has no meaning."""


def is_same(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Return whether ``found`` equals ``wanted``, apart from defaults."""
    there = dict(_leaves(found))
    ours = dict(_leaves(wanted))
    more = {
        (path, value)
        for path, value in there.items()
        if path not in ours and path not in KEPT_BY_SERVER
    }
    return more <= SPELLED_OUT and all(there.get(path) == value for path, value in ours.items())


def holds(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Return whether ``found`` contains everything in ``wanted``."""
    there = dict(_leaves(found))
    return all(there.get(path) == value for path, value in _leaves(wanted))


def _leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Yield (dotted path, text) of every value that is not an object; empty lists are left out."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
        for number, inner in enumerate(value):
            yield from _leaves(inner, f"{path}.{number}")
    elif isinstance(value, list):
        texts = [str(one) for one in value]
        if texts:
            is_set = path.rpartition(".")[2] in UNORDERED
            yield path, tuple(sorted(texts) if is_set else texts)
    elif isinstance(value, bool):
        yield path, "true" if value else "false"
    else:
        yield path, str(value)
