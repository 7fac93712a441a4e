"""Asks a cluster what it does with the documents of one stream; changes nothing there.

What the login may read decides what is known, the best first:

    mapping    `_mapping` and `_settings` of the index that is written to (view_index_metadata)
    template   there is no such stream yet: what it would get (manage_index_templates)
    assumed    the types of fields (`_field_caps`: read) under the options of setup's template

Where rules are assumed, a node of 8.16 or newer is asked what it would do (`_ingest/_simulate`,
which create_doc allows); older ones do not look at mappings there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote

import orjson

from ptingest.errors import SinkUnavailable
from ptingest.sinks.elasticsearch.answer import Answer, Requester
from ptingest.sinks.elasticsearch.inspection import (
    ROOT,
    SIMULATED,
    Reached,
    mappings_of,
    object_in,
    reached,
    simulated_template,
    version_in,
)
from ptingest.sinks.elasticsearch.templates import version_number
from ptingest.tools.plan.refusals import Refusal
from ptingest.tools.plan.rules import Rules, read_rules, with_types
from ptingest.tools.setup.plan import Wanted, mappings_body, settings_body

Known = Literal["mapping", "template", "assumed"]
JUDGES_MAPPINGS = (8, 16)
"""The first version whose `_ingest/_simulate` looks at mappings."""


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """One stream, as much as the login may know."""

    name: str
    known: Known
    rules: Rules
    is_there: bool
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The object ``index`` of its settings; of setup's template where that is assumed."""
    stored_documents: int = 0
    stored_bytes: int = 0
    """Of the stream's primaries; both 0 where the login may not read them."""
    has_template: bool = True
    """Whether a stream that is not there yet would be made."""


async def ask_version(client: Requester) -> str:
    """Return the server's version, empty where it is a secret.

    Raises:
        SinkUnavailable: no answer, the login is refused, or something else answers.
    """
    answer = await client.request("GET", ROOT)
    found = reached(answer)
    if found is not Reached.YES:
        cause = answer.failure or f"{found.value} (status {answer.status})"
        raise SinkUnavailable(sink="elasticsearch", cause=cause)
    return version_in(answer)


async def ask_stream(client: Requester, name: str) -> StreamFacts:
    """Return what is known of a stream, or of the index that an output names."""
    path = f"/{quote(name, safe='')}"
    answer = await client.request("GET", f"{path}/_mapping")
    if answer.status == 200 and (indices := object_in(answer)):
        index = _newest(indices)
        said = await client.request("GET", f"/{quote(index, safe='')}/_settings")
        settings = _index_of((object_in(said).get(index) or {}).get("settings"))
        rules = read_rules(mappings_of(indices[index]), settings)
        documents, size = _stored(await client.request("GET", f"{path}/_stats/docs,store"))
        return StreamFacts(name, "mapping", rules, True, settings, documents, size)
    if answer.status == 404:
        return await _of_template(client, name)
    return await _assumed(client, name)


async def _of_template(client: Requester, name: str) -> StreamFacts:
    answer = await client.request("POST", SIMULATED + quote(name, safe=""))
    if answer.status != 200:
        return await _assumed(client, name)
    template = simulated_template(answer)
    settings = _index_of((template or {}).get("settings"))
    rules = read_rules(mappings_of(template), settings)
    return StreamFacts(name, "template", rules, False, settings, has_template=template is not None)


async def _assumed(client: Requester, name: str) -> StreamFacts:
    settings = _index_of(settings_body(Wanted())["template"]["settings"])
    rules = read_rules(mappings_body()["template"]["mappings"], settings)
    answer = await client.request("GET", f"/{quote(name, safe='')}/_field_caps?fields=*")
    fields = object_in(answer).get("fields")
    if answer.status != 200 or not isinstance(fields, dict) or not object_in(answer)["indices"]:
        return StreamFacts(name, "assumed", rules, False, settings)
    types = {
        field: next(iter(kinds))
        for field, kinds in fields.items()
        if not any(kind.get("metadata_field") for kind in kinds.values())
    }
    return StreamFacts(name, "assumed", with_types(rules, types), True, settings)


def _newest(indices: Mapping[str, Any]) -> str:
    """The backing index that is written to: names end in their generation."""
    return max(indices, key=lambda name: name.rpartition("-")[2])


def _index_of(settings: object) -> Mapping[str, Any]:
    found = settings.get("index") if isinstance(settings, dict) else None
    return found if isinstance(found, dict) else {}


def _stored(answer: Answer) -> tuple[int, int]:
    found = (object_in(answer).get("_all") or {}).get("primaries") or {}
    if answer.status != 200 or not found:
        return 0, 0
    return int(found["docs"]["count"]), int(found["store"]["size_in_bytes"])


# --- the node's own word ----------------------------------------------------------------


def may_simulate(version: str) -> bool:
    """Whether a node of this version says what it would do with a document."""
    return version_number(version) >= JUDGES_MAPPINGS


async def simulate(
    client: Requester, name: str, bodies: Sequence[bytes]
) -> list[Refusal | None] | None:
    """Return what the node would do with each document alone; None: it may not be asked.

    Nothing is stored. Documents do not meet each other: a field that is new in one is new in all.
    """
    docs = [
        b'{"_index":%b,"_id":"%d","_source":%b}' % (orjson.dumps(name), number, body)
        for number, body in enumerate(bodies)
    ]
    body = b'{"docs":[' + b",".join(docs) + b"]}"
    answer = await client.request("POST", "/_ingest/_simulate", body)
    rows = object_in(answer).get("docs")
    if answer.status != 200 or not isinstance(rows, list) or len(rows) != len(bodies):
        return None
    return [_refusal_in(row) for row in rows]


def _refusal_in(row: Mapping[str, Any]) -> Refusal | None:
    error = (row.get("doc") or row).get("error")
    if not isinstance(error, dict):
        return None
    reason = str(error.get("reason") or error.get("type"))
    cause = error.get("caused_by")
    if isinstance(cause, dict) and cause.get("reason") and str(cause["reason"]) not in reason:
        reason = f"{reason}: {cause['reason']}"
    return Refusal("", reason)
