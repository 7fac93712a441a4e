"""Runs the steps in a cluster: sends what is missing or different, and reports the result.

    GET -> same: unchanged;  else PUT -> created, updated or refused

A refusal is a value, and the next step is tried. An error that would make all further steps
pointless is raised.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import orjson
from pydantic import SecretStr

from ptingest.errors import SinkUnavailable
from ptingest.model.streams import StreamNames
from ptingest.sinks.elasticsearch.answer import (
    Answer,
    Requester,
    cure_of_something_else,
    something_else,
)
from ptingest.sinks.elasticsearch.dialect import ELASTICSEARCH, FAILURE_STORE, Dialect
from ptingest.sinks.elasticsearch.inspection import (
    ROOT,
    Reached,
    is_too_old,
    object_in,
    reached,
    version_in,
)
from ptingest.sinks.elasticsearch.names import TEMPLATE, USER
from ptingest.sinks.elasticsearch.templates import (
    matching,
    read_templates,
    unknown_parts,
)
from ptingest.tools.setup.compare import holds, is_same
from ptingest.tools.setup.failure_rights import without_failure_rights
from ptingest.tools.setup.plan import API_KEY, Step, keeping_patterns, patterns_of

Mark = Literal["created", "updated", "unchanged", "refused", "skipped", "note"]
NOT_YET = (429, 503)
"""Status of answers while a cluster starts or is busy."""


@dataclass(frozen=True, slots=True)
class Done:
    """The result of one step."""

    mark: Mark
    subject: str
    detail: str = ""


LoginWorks = Callable[[str, SecretStr], Awaitable[bool]]
KeepKey = Callable[[str], None]


async def version_of(client: Requester) -> str:
    """Return the server's version.

    Raises:
        SinkUnavailable: no answer, the login is refused, or the server is another one or too
            old; nothing was changed.
    """
    answer = await client.request("GET", ROOT)
    dialect = answer.dialect
    if answer.status is None or answer.is_redirect:
        raise SinkUnavailable(sink=dialect.name, cause=answer.failure)
    if answer.status in (401, 403):
        cause = f"{reason_of(answer)}; setup needs a superuser: --user, and its password"
        raise SinkUnavailable(sink=dialect.name, cause=cause)
    number = version_in(answer)
    if reached(answer) is not Reached.YES or not number:
        cause = f"{something_else(answer)}; {cure_of_something_else(answer)}"
        raise SinkUnavailable(sink=dialect.name, cause=cause)
    if is_too_old(number, dialect):
        needed = f"ptingest needs {dialect.oldest_text} or newer"
        cause = f"version {number} is too old, {needed}; nothing was changed"
        raise SinkUnavailable(sink=dialect.name, cause=cause)
    return number


def fitted(
    steps: Iterable[Step], version: str | None, dialect: Dialect = ELASTICSEARCH
) -> Iterable[Step]:
    """Remove from the steps what a server of this version does not support, and say so."""
    for step in steps:
        if FAILURE_STORE not in dialect.lacks:
            step = without_failure_rights(step, version or "")
        body, lacking = step.body, list[str]()
        for part in unknown_parts(dialect, version) if step.part == "templates" else ():
            if (less := _without(body, part.path)) is not None:
                body = less
                lacking.append(part.name)
        who = f"{dialect.title} {version or ''}".rstrip()
        why = f" (without {', '.join(lacking)}: {who} has none)" if lacking else ""
        yield replace(step, subject=f"{step.subject}{why}", body=body)


def _without(body: Mapping[str, Any], path: tuple[str, ...]) -> dict[str, Any] | None:
    """Return the body without one of its members; None where it does not have it."""
    name, *rest = path
    if name not in body:
        return None
    if not rest:
        return {key: value for key, value in body.items() if key != name}
    inner = _without(body[name], tuple(rest))
    return None if inner is None else {**body, name: inner}


class RetryingRequester:
    """Repeats a request while the cluster says that it is not ready yet.

    On a new cluster the first role makes the index that the user is written to a moment
    later: its shard is being allocated then, and the answer is 503.
    """

    def __init__(self, client: Requester, *, patience_seconds: float, pause_seconds: float) -> None:
        self._client = client
        self._pause = pause_seconds
        self._pauses = round(patience_seconds / pause_seconds)

    async def request(self, method: str, target: str, body: bytes | None = None) -> Answer:
        """Send one request; returns the last answer when the time is over."""
        answer = await self._client.request(method, target, body)
        while answer.status in NOT_YET and self._pauses > 0:
            self._pauses -= 1
            await asyncio.sleep(self._pause)
            answer = await self._client.request(method, target, body)
        return answer


class Preparation:
    """One run over the steps."""

    def __init__(
        self,
        client: Requester,
        *,
        password: SecretStr | None,
        login_works: LoginWorks,
        keep: KeepKey,
        patience_seconds: float = 60.0,
        pause_seconds: float = 0.5,
    ) -> None:
        self._client = RetryingRequester(
            client, patience_seconds=patience_seconds, pause_seconds=pause_seconds
        )
        self._password = password
        self._login_works = login_works
        self._keep = keep

    async def run(self, steps: Iterable[Step]) -> AsyncIterator[Done]:
        """Run the steps in order; yields one result for each."""
        for step in steps:
            match step.part:
                case "user":
                    yield await self._user(step)
                case "api-key":
                    yield await self._api_key(step)
                case _:
                    yield await self._plain(step)

    async def _plain(self, step: Step) -> Done:
        looked = await self._client.request("GET", step.look)
        if looked.status not in (200, 404):
            return refusal(step, looked)
        found = _current(step, looked) if looked.status == 200 else None
        if step.is_theirs and found is not None:
            return Done("unchanged", step.subject, "yours")
        body = step.body if found is None else keeping_patterns(step.body, found)
        more = [one for one in patterns_of(body) if one not in patterns_of(step.body)]
        detail = f"keeps {', '.join(more)}, which is not of this profile" if more else ""
        if found is not None and is_same(body, found):
            return Done("unchanged", step.subject, detail)
        done = await self._send(step, body, is_new=found is None)
        return replace(done, detail=done.detail or detail)

    async def _send(self, step: Step, body: Mapping[str, Any], *, is_new: bool) -> Done:
        answer = await self._client.request(step.method, step.path, orjson.dumps(body))
        if answer.status not in (200, 201):
            return refusal(step, answer)
        return Done("created" if is_new else "updated", step.subject)

    # --- the user ---------------------------------------------------------------------------

    async def _user(self, step: Step) -> Done:
        looked = await self._client.request("GET", step.look)
        if looked.status == 404:
            if self._password is None:
                detail = "no password: set LOGSTASH_WRITER_PASSWORD, or run it in a terminal"
                return Done("refused", step.subject, detail)
            body = self._with_password(step.body, looked.dialect)
            return await self._send(step, body, is_new=True)
        if looked.status != 200:
            return refusal(step, looked)
        found, member = object_in(looked).get(USER, {}), looked.dialect.security.roles_member
        roles = list(dict.fromkeys([*found.get(member, []), *step.body[member]]))
        body = {**step.body, member: roles}
        if self._password is not None and not await self._login_works(USER, self._password):
            changed = self._with_password(body, looked.dialect)
            done = await self._send(step, changed, is_new=False)
            return replace(done, detail=done.detail or "with the password given")
        if holds(body, found) and found.get("enabled", True) is True:
            detail = "" if self._password else "its password was not looked at: none was given"
            return Done("unchanged", step.subject, detail)
        return await self._send(step, {**body, **_enabled(looked.dialect)}, is_new=False)

    def _with_password(self, body: Mapping[str, Any], dialect: Dialect) -> dict[str, Any]:
        assert self._password is not None
        return {**body, "password": self._password.get_secret_value(), **_enabled(dialect)}

    # --- the API key ------------------------------------------------------------------------

    async def _api_key(self, step: Step) -> Done:
        looked = await self._client.request("GET", step.look)
        if looked.status != 200:
            return refusal(step, looked)
        keys = object_in(looked).get("api_keys") or []
        live = [key for key in keys if not key.get("invalidated")]
        if live:
            covered = [
                name
                for role in (live[0].get("role_descriptors") or {}).values()
                for name in patterns_of(role)
            ]
            lacking = [name for name in patterns_of(_role_of(step)) if name not in covered]
            if covered and lacking:
                detail = (
                    f"{live[0].get('id')} is active and may not write to {', '.join(lacking)}: "
                    f'invalidate it to get another (DELETE /_security/api_key {{"name": '
                    f'"{API_KEY}"}})'
                )
                return Done("refused", step.subject, detail)
            detail = (
                f"{live[0].get('id')} is active; its secret cannot be shown again: invalidate it "
                f'to get another (DELETE /_security/api_key {{"name": "{API_KEY}"}})'
            )
            return Done("unchanged", step.subject, detail)
        answer = await self._client.request(step.method, step.path, orjson.dumps(step.body))
        if answer.status != 200:
            return refusal(step, answer)
        made = object_in(answer)
        self._keep(f"{made.get('id')}:{made.get('api_key')}")
        return Done("created", step.subject, f"id {made.get('id')}")


def _enabled(dialect: Dialect) -> dict[str, bool]:
    """The member that makes a user usable, where users can be switched off."""
    return {"enabled": True} if dialect is ELASTICSEARCH else {}


async def afterwards(client: Requester, names: StreamNames) -> AsyncIterator[Done]:
    """Report whether the template will be used, and which streams do not use it yet."""
    answer = await client.request("GET", "/_index_template")
    for example in names.examples:
        fitting = matching(read_templates(object_in(answer)), example)
        if not fitting or fitting[0].name == TEMPLATE:
            continue
        other = fitting[0]
        detail = (
            f"{other.name} matches {example} with priority {other.priority} and is used "
            f"instead: lower it, or narrow its patterns {', '.join(other.patterns)}"
        )
        yield Done("refused", f"index template {TEMPLATE}", detail)
    found = await client.request("GET", f"/_resolve/index/{names.joined}")
    streams = object_in(found).get("data_streams") or []
    if streams:
        there = ", ".join(str(stream.get("name")) for stream in streams)
        detail = (
            f"{there}: made earlier, they take new mappings and settings at their next rollover "
            "(POST /<name>/_rollover brings it on)"
        )
        if found.dialect.has_lifecycle:
            detail += "; retention and failure store hold at once"
        yield Done("note", "data streams", detail)


def _role_of(step: Step) -> dict[str, Any]:
    """Return the one role of an API key."""
    role: dict[str, Any] = next(iter(step.body["role_descriptors"].values()))
    return role


def _current(step: Step, answer: Answer) -> dict[str, Any] | None:
    """Return the one object in the answer to a GET."""
    found: Any = object_in(answer)
    for kind in ("component_template", "index_template"):
        if step.path.startswith(f"/_{kind}/"):
            rows = found.get(f"{kind}s") or [{}]
            found = {step.name: rows[0].get(kind)}
    current = found.get(step.name)
    return current if isinstance(current, dict) else None


def refusal(step: Step, answer: Answer) -> Done:
    """Report why a step failed, in the words of the server."""
    if answer.status is None or answer.is_redirect:
        raise SinkUnavailable(sink=answer.dialect.name, cause=answer.failure)
    if step.part in ("role", "user", "api-key") and answer.status in (400, 405):
        is_missing = answer.dialect is ELASTICSEARCH or "no handler found" in reason_of(answer)
        if is_missing:
            return Done("skipped", step.subject, answer.dialect.security.is_off)
    return Done("refused", step.subject, f"{answer.status}: {reason_of(answer)}")


def reason_of(answer: Answer) -> str:
    """The server's own sentence, else what came."""
    error = object_in(answer).get("error")
    if isinstance(error, dict):
        inner = error
        while isinstance(inner.get("caused_by"), dict):
            inner = inner["caused_by"]
        outer, cause = str(error.get("reason", "")), str(inner.get("reason", ""))
        return outer if cause in outer else f"{outer}: {cause}"
    return str(error or f"status {answer.status}")
