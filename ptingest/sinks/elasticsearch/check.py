"""Whether documents can be written, for ``ptingest check --connect`` and health checks.

Most of these requests need more rights than the writer needs. A request that is refused for
that reason is reported and is not a failure; only what would keep documents out is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import orjson

from ptingest.model.finding import Finding
from ptingest.model.streams import StreamNames
from ptingest.sinks.elasticsearch.answer import (
    Answer,
    Requester,
    cure_of_something_else,
    something_else,
)
from ptingest.sinks.elasticsearch.dialect import Dialect
from ptingest.sinks.elasticsearch.inspection import (
    ROOT,
    SIMULATED,
    Reached,
    granted_in,
    mappings_of,
    missing_rights,
    object_in,
    reached,
    rights_body,
    simulated_template,
    useful_lacks,
    version_in,
)
from ptingest.sinks.elasticsearch.names import ROLE, USER
from ptingest.sinks.elasticsearch.templates import matching, read_templates

NO_RIGHT_TO_ASK = (400, 403, 404, 405)


async def findings(client: Requester, streams: StreamNames) -> Sequence[Finding]:
    """Request in order, and stop where further requests cannot be answered."""
    root = await client.request("GET", ROOT)
    if root.is_redirect:
        # A proxy may send only `/` to a login page, and let bulks through.
        bulk = await client.request("POST", "/_bulk")
        return [_redirected(root, stops_all=bulk.is_redirect or bulk.status is None)]
    first = _reached(root)
    if not first[-1].is_ok:
        return first
    if not streams.patterns:
        seen = "not asked: the events of a logstash.conf may go to any data stream"
        return [*first, Finding("ok", "rights", seen)]
    rights = await _rights(client, root.dialect, streams)
    templates = [await _template(client, name) for name in streams.examples]
    return [*first, *rights, *dict.fromkeys(templates)]


def _redirected(answer: Answer, *, stops_all: bool) -> Finding:
    detail = answer.failure or f"{answer.status}, a redirect, which is not followed"
    return Finding("problem", "reachable", detail, stops_all=stops_all)


def _reached(answer: Answer) -> list[Finding]:
    who = reached(answer)
    title, place = answer.dialect.title, answer.dialect.place
    if who is Reached.NO_ANSWER:
        cure = f"check that {title} runs, and {place}.hosts"
        return [_unreachable(answer.failure, cure, stops_all=True)]
    assert answer.status is not None
    if who is Reached.SOMETHING_ELSE:
        detail, cure = something_else(answer), cure_of_something_else(answer)
        # A proxy may let bulks through and nothing else: only what bulks would meet as well.
        stops_all = answer.status in (200, 401) or answer.status >= 500
        return [_unreachable(detail, cure, stops_all=stops_all)]
    if who is Reached.LOGIN_REFUSED:
        return [
            Finding("ok", "reachable", f"{title} answers"),
            Finding(
                "problem",
                "login",
                f"{title} does not take this {_secrets(answer.dialect)} (401)",
                f"is this a role name? The user is {USER}, its role {ROLE}",
                stops_all=True,
            ),
        ]
    if who is Reached.FAILING:
        detail = f"{title} answers {answer.status}"
        stops_all = answer.status >= 500
        return [_unreachable(detail, "look at the cluster's health", stops_all=stops_all)]
    detail = f"{title} {version_in(answer) or 'unknown'}"
    if answer.status == 403:
        detail = f"{title} answers; its version may not be asked (403), which is fine"
    return [Finding("ok", "reachable", detail), Finding("ok", "login", "taken")]


def _unreachable(detail: str, cure: str, *, stops_all: bool) -> Finding:
    return Finding("problem", "reachable", detail, cure, stops_all=stops_all)


def _secrets(dialect: Dialect) -> str:
    return "user, password or api_key" if dialect.api_keys else "user or password"


async def _rights(client: Requester, dialect: Dialect, streams: StreamNames) -> list[Finding]:
    if dialect.rights is None:
        seen = f"not asked: {dialect.title} has no question for them; a refused write names what"
        return [Finding("ok", "rights", f"{seen} is missing")]
    answer = await client.request("POST", dialect.rights, orjson.dumps(rights_body(streams)))
    if answer.status in NO_RIGHT_TO_ASK:
        detail = f"could not be asked ({answer.status}): security is off, or too old"
        return [Finding("ok", "rights", detail)]
    if answer.status != 200:
        return [_unanswered("rights", answer)]
    granted = granted_in(answer)
    missing = list(missing_rights(granted, streams))
    found = [
        Finding(
            "problem" if missing else "ok",
            "rights",
            f"lacks {', '.join(missing)}"
            if missing
            else f"{dialect.needed_text} on {streams.joined}",
            f"grant them to the writer's role ({ROLE}): `ptingest setup --only role`"
            if missing
            else "",
        )
    ]
    for privilege, detail in useful_lacks(granted, streams):
        cure = f"grant {privilege} to the writer's role ({ROLE}) to rule that out"
        found.append(Finding("ok", privilege, detail, cure))
    return found


async def _template(client: Requester, stream: str) -> Finding:
    answer = await client.request("POST", SIMULATED + quote(stream, safe=""))
    cure = "run `ptingest setup`"
    if answer.status in NO_RIGHT_TO_ASK:
        detail = (
            f"could not be asked ({answer.status}); if it is missing, documents wait and the "
            "sink says so"
        )
        return Finding("ok", "template", detail)
    if answer.status != 200:
        return _unanswered("template", answer)
    template = simulated_template(answer)
    if template is None:
        return Finding("problem", "template", f"none matches {stream}", cure)
    mappings = mappings_of(template)
    if not await _makes_data_streams(client, stream, mappings):
        detail = f"the one that matches {stream} makes no data stream"
        return Finding("problem", "template", detail, cure)
    if mappings.get("date_detection") is False:
        return Finding("ok", "template", f"one matches {stream}")
    detail = f"the one that matches {stream} guesses dates in strings (date_detection)"
    return Finding("ok", "template", detail, cure)


async def _makes_data_streams(client: Requester, stream: str, mappings: Mapping[str, Any]) -> bool:
    """Whether the template that wins makes data streams; 8.13 does not show it in ``mappings``."""
    if "_data_stream_timestamp" in mappings:
        return True
    answer = await client.request("GET", "/_index_template")
    return any(
        one.makes_data_streams for one in matching(read_templates(object_in(answer)), stream)[:1]
    )


def _unanswered(subject: str, answer: Answer) -> Finding:
    detail = answer.failure or f"{answer.dialect.title} answers {answer.status}"
    return Finding("problem", subject, detail, "try again")
