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
from ptingest.sinks.elasticsearch.templates import version_number

NEEDED = ("auto_configure", "create_doc")
USEFUL = "read"
OLDEST = (8, 13)
"""The first version that knows ``require_data_stream`` in a bulk."""

ROOT = "/"
RIGHTS = "/_security/user/_has_privileges"
SIMULATED = "/_index_template/_simulate_index/"
"""What a new data stream of this name would get."""


class Reached(Enum):
    """What the answer to ``GET /`` says of who answers."""

    NO_ANSWER = "no answer"
    ELSEWHERE = "a redirect, which is not followed"
    SOMETHING_ELSE = "not Elasticsearch"
    LOGIN_REFUSED = "login refused"
    FAILING = "Elasticsearch, which cannot answer now"
    YES = "Elasticsearch, logged in"
    """Its version may be a secret (403)."""


def reached(root: Answer) -> Reached:
    """Return who answered ``GET /``."""
    if root.is_redirect:
        return Reached.ELSEWHERE
    if root.status is None:
        return Reached.NO_ANSWER
    if not root.is_from_elasticsearch:
        return Reached.SOMETHING_ELSE
    if root.status == 401:
        return Reached.LOGIN_REFUSED
    return Reached.YES if root.status in (200, 403) else Reached.FAILING


def version_in(root: Answer) -> str:
    """Return the version in the answer to ``GET /``; empty where it is not there."""
    version = object_in(root).get("version")
    return str(version.get("number", "")) if isinstance(version, dict) else ""


def is_too_old(version: str) -> bool:
    """Whether a server of this version cannot be written to; an unknown one can."""
    return bool(version) and version_number(version) < OLDEST


def rights_body(streams: StreamNames) -> dict[str, Any]:
    """Return what to ask ``RIGHTS`` about the patterns and every known stream."""
    names = [*streams.patterns, *(one.name for one in streams.known)]
    return {"index": [{"names": names, "privileges": [*NEEDED, USEFUL]}]}


def granted_in(rights: Answer) -> Mapping[str, Mapping[str, bool]]:
    """Return the privileges of each stream that ``RIGHTS`` was asked about."""
    found = object_in(rights).get("index")
    return found if isinstance(found, dict) else {}


def missing_rights(
    granted: Mapping[str, Mapping[str, bool]], streams: StreamNames
) -> Iterator[str]:
    """Yield each needed privilege that is missing, with the narrowest streams that lack it."""
    for privilege in NEEDED:
        for pattern in streams.patterns:
            if granted.get(pattern, {}).get(privilege):
                continue
            known = streams.of_pattern(pattern)
            missing = [name for name in known if not granted.get(name, {}).get(privilege)]
            if missing and len(missing) < len(known):
                yield f"{privilege} on {', '.join(missing)}"
            elif missing or not known:
                yield f"{privilege} on {pattern}"


def lookup_lacks(
    granted: Mapping[str, Mapping[str, bool]], streams: StreamNames
) -> tuple[str, ...]:
    """Return the patterns where lost answers cannot be looked up after a rollover."""
    return tuple(one for one in streams.patterns if not granted.get(one, {}).get(USEFUL))


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
