"""What ``ptingest check --connect`` asks Elasticsearch, and how it reads the answers.

Most questions need more rights than the writer has or wants. What may not be asked is
said plainly and is no failure; only what would keep documents out is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import orjson

from ptingest.model.finding import Finding
from ptingest.sinks.elasticsearch.answer import Answer

STREAMS = "logs-*-pt"
ANY_STREAM = "logs-django-pt"
NEEDED = ("auto_configure", "create_doc")
USEFUL = "read"
NO_RIGHT_TO_ASK = (400, 403, 404, 405)


class Asks(Protocol):
    """The part of the client that is needed here."""

    async def request(self, method: str, target: str, body: bytes | None = None) -> Answer:
        """Send one request and return what came back."""
        ...


async def findings(client: Asks) -> Sequence[Finding]:
    """Ask in order and stop where further questions cannot be answered."""
    root = await client.request("GET", "/")
    if root.is_redirect:
        # Only `/` may be sent to a login page, say, and bulks let through.
        bulk = await client.request("POST", "/_bulk")
        return [_redirected(root, stops_all=bulk.is_redirect or bulk.status is None)]
    first = _reached(root)
    if not first[-1].is_ok:
        return first
    wanted = {"index": [{"names": [STREAMS], "privileges": [*NEEDED, USEFUL]}]}
    privileges = await client.request(
        "POST", "/_security/user/_has_privileges", orjson.dumps(wanted)
    )
    simulated = await client.request("POST", f"/_index_template/_simulate_index/{ANY_STREAM}")
    return [*first, *_rights(privileges), _template(simulated)]


def _redirected(answer: Answer, *, stops_all: bool) -> Finding:
    detail = answer.failure or f"{answer.status}, a redirect, which is not followed"
    return Finding("problem", "reachable", detail, stops_all=stops_all)


def _reached(answer: Answer) -> list[Finding]:
    if answer.status is None:
        cure = "check that Elasticsearch runs, and sinks.elasticsearch.hosts"
        return [Finding("problem", "reachable", answer.failure, cure, stops_all=True)]
    if not answer.is_from_elasticsearch:
        detail = f"something else answers here (status {answer.status}, no X-Elastic-Product)"
        cure = "correct sinks.elasticsearch.hosts, or let the proxy pass the header on"
        # A proxy may let bulks through and nothing else: only what bulks would meet as well.
        stops_all = answer.status in (200, 401) or answer.status >= 500
        return [Finding("problem", "reachable", detail, cure, stops_all=stops_all)]
    if answer.status == 401:
        return [
            Finding("ok", "reachable", "Elasticsearch answers"),
            Finding(
                "problem",
                "login",
                "Elasticsearch does not take this user, password or api_key (401)",
                "is this a role name? The user is logstash_writer, its role logstash_writer_pt",
                stops_all=True,
            ),
        ]
    if answer.status == 200:
        version = _parsed(answer).get("version")
        number = version.get("number", "unknown") if isinstance(version, dict) else "unknown"
        return [Finding("ok", "reachable", f"Elasticsearch {number}"), _logged_in()]
    if answer.status == 403:
        detail = "Elasticsearch answers; its version may not be asked (403), which is fine"
        return [Finding("ok", "reachable", detail), _logged_in()]
    detail, cure = f"Elasticsearch answers {answer.status}", "look at the cluster's health"
    stops_all = answer.status >= 500
    return [Finding("problem", "reachable", detail, cure, stops_all=stops_all)]


def _logged_in() -> Finding:
    return Finding("ok", "login", "taken")


def _rights(answer: Answer) -> list[Finding]:
    if answer.status in NO_RIGHT_TO_ASK:
        detail = f"could not be asked ({answer.status}): security is off, or too old"
        return [Finding("ok", "rights", detail)]
    if answer.status != 200:
        return [_unanswered("rights", answer)]
    index = _parsed(answer).get("index")
    granted = index.get(STREAMS, {}) if isinstance(index, dict) else {}
    missing = [name for name in NEEDED if not granted.get(name)]
    found = [
        Finding(
            "ok" if not missing else "problem",
            "rights",
            f"lacks {', '.join(missing)} on {STREAMS}"
            if missing
            else f"{' and '.join(NEEDED)} on {STREAMS}",
            "grant them to the writer's role (logstash_writer_pt)" if missing else "",
        )
    ]
    if not granted.get(USEFUL):
        detail = f"lacks read on {STREAMS}: a lost answer cannot be looked up after a rollover"
        cure = "grant read to the writer's role to rule out doubles there"
        found.append(Finding("ok", "read", detail, cure))
    return found


def _template(answer: Answer) -> Finding:
    cure = "run `ptingest setup`"
    if answer.status in NO_RIGHT_TO_ASK:
        detail = (
            f"could not be asked ({answer.status}); if it is missing, documents wait and the "
            "sink says so"
        )
        return Finding("ok", "template", detail)
    if answer.status != 200:
        return _unanswered("template", answer)
    template = _parsed(answer).get("template")
    if not isinstance(template, dict):
        return Finding("problem", "template", f"none matches {ANY_STREAM}", cure)
    mappings = template.get("mappings")
    if not isinstance(mappings, dict) or "_data_stream_timestamp" not in mappings:
        detail = f"the one that matches {ANY_STREAM} makes no data stream"
        return Finding("problem", "template", detail, cure)
    if mappings.get("date_detection") is False:
        return Finding("ok", "template", f"one matches {ANY_STREAM}")
    detail = f"the one that matches {ANY_STREAM} guesses dates in strings (date_detection)"
    return Finding("ok", "template", detail, cure)


def _unanswered(subject: str, answer: Answer) -> Finding:
    detail = answer.failure or f"Elasticsearch answers {answer.status}"
    return Finding("problem", subject, detail, "try again")


def _parsed(answer: Answer) -> dict[str, object]:
    try:
        parsed = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
