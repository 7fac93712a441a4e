"""Updates data streams that existed before the templates, which affect new ones only.

Mappings and settings of a template reach a stream at its next rollover. Retention and failure
store belong to the stream, not to its backing indices, and keep the values it was created with;
the `_lifecycle` and `_options` APIs change them at once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote

import orjson

from ptingest.model.streams import StreamNames
from ptingest.sinks.elasticsearch.answer import Answer, Requester
from ptingest.sinks.elasticsearch.inspection import SIMULATED, object_in, simulated_template
from ptingest.sinks.elasticsearch.names import TEMPLATE
from ptingest.sinks.elasticsearch.templates import is_failure_store_known
from ptingest.tools.setup.compare import holds
from ptingest.tools.setup.elasticsearch import Done, reason_of

LIFECYCLE = ("enabled", "data_retention", "downsampling")
"""Members of a lifecycle that a PUT accepts; answers have more."""


KEPT_BY_POLICY = (
    "templates of OpenSearch have no lifecycle: documents are kept until an ISM policy deletes "
    "them; deploy/opensearch/ism-policy-pt-logs.json is one, for PUT _plugins/_ism/policies/pt-logs"
)


async def bring_up_to_date(
    client: Requester, streams: StreamNames, *, version: str, failure_store: bool
) -> AsyncIterator[Done]:
    """Set retention and failure store of the streams of our template; yields what changed.

    ``failure_store`` is the option of the command: where the template has no failure store,
    streams keep theirs, unless the option is off.
    """
    answer = await client.request("GET", f"/_data_stream/{streams.joined}")
    if not answer.dialect.has_lifecycle:
        yield Done("note", "retention", KEPT_BY_POLICY)
        return
    for stream in object_in(answer).get("data_streams") or []:
        if not isinstance(stream, dict) or stream.get("template") != TEMPLATE:
            continue
        path = f"/_data_stream/{quote(str(stream.get('name')), safe='')}"
        wanted = await _template_of(client, str(stream.get("name")))
        if wanted is None:
            continue
        yield await _retention(client, path, stream, wanted)
        if is_failure_store_known(version):
            yield await _failure_store(client, path, stream, wanted, is_wanted=failure_store)


async def _template_of(client: Requester, name: str) -> Mapping[str, Any] | None:
    """Return what a new stream of this name would get."""
    target = SIMULATED + quote(name, safe="")
    return simulated_template(await client.request("POST", target))


async def _retention(
    client: Requester, path: str, stream: Mapping[str, Any], wanted: Mapping[str, Any]
) -> Done:
    lifecycle = wanted.get("lifecycle")
    subject = f"retention of data stream {stream['name']}"
    if not isinstance(lifecycle, dict):
        return Done("unchanged", subject, "the template names none")
    body = {name: value for name, value in lifecycle.items() if name in LIFECYCLE}
    before = stream.get("lifecycle")
    old = before if isinstance(before, dict) else {}
    if old and holds(body, old) and ("data_retention" in old) == ("data_retention" in body):
        return Done("unchanged", subject)
    answer = await client.request("PUT", f"{path}/_lifecycle", orjson.dumps(body))
    now = body.get("data_retention", "for ever")
    was = old.get("data_retention", "for ever") if old else "no lifecycle"
    return _done(answer, subject, f"{now} (before: {was})")


async def _failure_store(
    client: Requester,
    path: str,
    stream: Mapping[str, Any],
    wanted: Mapping[str, Any],
    *,
    is_wanted: bool,
) -> Done:
    subject = f"failure store of data stream {stream['name']}"
    options = wanted.get("data_stream_options")
    body = options if isinstance(options, dict) and options else None
    if body is None:
        if is_wanted:
            return Done("unchanged", subject, "the template names none")
        body = {"failure_store": {"enabled": False}}
    there = stream.get("failure_store")
    if isinstance(there, dict) and holds(body, {"failure_store": there}):
        return Done("unchanged", subject)
    answer = await client.request("PUT", f"{path}/_options", orjson.dumps(body))
    is_on = (body.get("failure_store") or {}).get("enabled")
    return _done(answer, subject, "on" if is_on else "off")


def _done(answer: Answer, subject: str, detail: str) -> Done:
    if answer.status == 200:
        return Done("updated", subject, detail)
    said = reason_of(answer)
    if answer.status in (400, 404, 405) and "no handler found" in said:
        return Done("skipped", subject, f"this server has no API for it: {said}")
    why = answer.failure or f"{answer.status}: {said}"
    return Done("refused", subject, f"{why}; it stays as it was")
