"""What a cluster can be asked, and what its answers mean: for the sink, the doctor and setup.

All three ask the same questions and give different advice. What an answer means is decided here
once; the caller says what to do about it. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

import orjson

from ptingest.model.streams import StreamNames
from ptingest.sinks.elasticsearch.answer import Answer
from ptingest.sinks.elasticsearch.dialect import ELASTICSEARCH, Dialect
from ptingest.sinks.elasticsearch.templates import version_number

READ, MONITOR = "read", "monitor"
USEFUL: Mapping[str, str] = {
    READ: "a lost answer cannot be looked up after a rollover, and its documents may be doubled",
    MONITOR: "how far a shard is cannot be asked, so that an event which is sent again and was "
    "just being written counts as safe a second later, by the clock alone",
}
"""Privileges that the writer can do without -> what is lost then."""

ROOT = "/"
SIMULATED = "/_index_template/_simulate_index/"
"""What a new data stream of this name would get."""


class Reached(Enum):
    """What the answer to ``GET /`` says of who answers."""

    NO_ANSWER = "no answer"
    ELSEWHERE = "a redirect, which is not followed"
    SOMETHING_ELSE = "not this kind of cluster"
    LOGIN_REFUSED = "login refused"
    FAILING = "the cluster, which cannot answer now"
    YES = "the cluster, logged in"
    """Its version may be a secret (403)."""


def reached(root: Answer) -> Reached:
    """Return who answered ``GET /``."""
    if root.is_redirect:
        return Reached.ELSEWHERE
    if root.status is None:
        return Reached.NO_ANSWER
    if not root.is_from_cluster or not _is_named(root):
        return Reached.SOMETHING_ELSE
    if root.status == 401:
        return Reached.LOGIN_REFUSED
    return Reached.YES if root.status in (200, 403) else Reached.FAILING


def _is_named(root: Answer) -> bool:
    """Whether the answer names the distribution, where there is one."""
    wanted = root.dialect.distribution
    return not wanted or root.status != 200 or _version(root).get("distribution") == wanted


def _version(root: Answer) -> dict[str, Any]:
    version = object_in(root).get("version")
    return version if isinstance(version, dict) else {}


def version_in(root: Answer) -> str:
    """Return the version in the answer to ``GET /``; empty where it is not there."""
    return str(_version(root).get("number", ""))


def is_too_old(version: str, dialect: Dialect = ELASTICSEARCH) -> bool:
    """Whether a server of this version cannot be written to; an unknown one can."""
    return bool(version) and version_number(version) < dialect.oldest


def rights_body(streams: StreamNames) -> dict[str, Any]:
    """Return what to ask Elasticsearch about its patterns and every known stream."""
    names = [*streams.patterns, *(one.name for one in streams.known)]
    return {"index": [{"names": names, "privileges": [*ELASTICSEARCH.needed, *USEFUL]}]}


def granted_in(rights: Answer) -> Mapping[str, Mapping[str, bool]]:
    """Return the privileges of each stream that was asked about."""
    found = object_in(rights).get("index")
    return found if isinstance(found, dict) else {}


def missing_rights(
    granted: Mapping[str, Mapping[str, bool]], streams: StreamNames
) -> Iterator[str]:
    """Yield each needed privilege that is missing, with the narrowest streams that lack it."""
    for privilege in ELASTICSEARCH.needed:
        for pattern in streams.patterns:
            if granted.get(pattern, {}).get(privilege):
                continue
            known = streams.of_pattern(pattern)
            missing = [name for name in known if not granted.get(name, {}).get(privilege)]
            if missing and len(missing) < len(known):
                yield f"{privilege} on {', '.join(missing)}"
            elif missing or not known:
                yield f"{privilege} on {pattern}"


def useful_lacks(
    granted: Mapping[str, Mapping[str, bool]], streams: StreamNames
) -> Iterator[tuple[str, str]]:
    """Yield each useful privilege that is missing somewhere, and a sentence of where and what
    for."""
    for privilege, loss in USEFUL.items():
        lacking = [one for one in streams.patterns if not granted.get(one, {}).get(privilege)]
        if lacking:
            yield privilege, f"lacks {privilege} on {', '.join(lacking)}: {loss}"


def simulated_template(answer: Answer) -> Mapping[str, Any] | None:
    """Return what a new data stream would get, by the answer of ``SIMULATED``; None: nothing."""
    template = object_in(answer).get("template")
    return template if isinstance(template, dict) else None


def mappings_of(template: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return the mappings of a template, empty where it has none."""
    mappings = {} if template is None else template.get("mappings")
    return mappings if isinstance(mappings, dict) else {}


def object_in(answer: Answer) -> dict[str, Any]:
    """Return an answer's JSON object; empty where there is none."""
    found = json_in(answer)
    return found if isinstance(found, dict) else {}


def json_in(answer: Answer) -> Any:
    """Return an answer's JSON; None where there is none."""
    try:
        return orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return None
