from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import orjson
import pytest
from pydantic import SecretStr

from ptingest.errors import SinkUnavailable
from ptingest.sinks.elasticsearch.answer import Answer
from ptingest.sinks.elasticsearch.dialect import OPENSEARCH
from ptingest.tools.setup.elasticsearch import (
    Done,
    Preparation,
    afterwards,
    fitted,
    reason_of,
    version_of,
)
from ptingest.tools.setup.plan import Wanted, elasticsearch_steps
from tests.support.streams import streams_of

PRODUCT = {"x-elastic-product": "Elasticsearch"}
SECRET = SecretStr("pass-word")


def answer(status: int, body: object = None) -> Answer:
    return Answer(status, PRODUCT, orjson.dumps(body or {}))


class Node:
    """Answers by (method, path); whatever it does not know is 404, whatever is put is taken."""

    def __init__(self, **answers: Answer) -> None:
        self.answers = {name.replace("__", "/"): found for name, found in answers.items()}
        self.sent: list[tuple[str, str, Any]] = []

    async def request(self, method: str, target: str, body: bytes | None = None) -> Answer:
        if method != "GET":
            self.sent.append((method, target, orjson.loads(body or b"null")))
        for path, found in self.answers.items():
            if target.startswith(f"/{path}") and (method == "GET" or found.status != 200):
                return found
        return answer(404 if method == "GET" else 200)


class NotReadyYet(Node):
    """Answers 503 to the first few changes, as a cluster whose index is being allocated."""

    def __init__(self, refusals: int) -> None:
        super().__init__()
        self.refusals = refusals

    async def request(self, method: str, target: str, body: bytes | None = None) -> Answer:
        if method == "PUT" and self.refusals:
            self.refusals -= 1
            return answer(503, {"error": {"reason": "primary shard is not active"}})
        return await super().request(method, target, body)


@pytest.mark.parametrize(
    ("refusals", "mark"), [(3, "created"), (9, "refused")], ids=["it passes", "it stays"]
)
async def test_a_cluster_that_is_not_ready_yet_is_asked_again(refusals: int, mark: str) -> None:
    preparation = Preparation(
        NotReadyYet(refusals),
        password=SECRET,
        login_works=lambda user, password: asyncio.sleep(0, result=True),  # no race: a yes
        keep=lambda key: None,
        patience_seconds=0.005,
        pause_seconds=0.001,
    )
    steps = elasticsearch_steps(Wanted(parts=frozenset({"user"})))

    done = [one async for one in preparation.run(steps)]

    assert [one.mark for one in done] == [mark]


async def run(
    node: Node,
    *parts: Any,
    password: SecretStr | None = SECRET,
    login_works: bool = True,
    kept: list[str] | None = None,
) -> list[Done]:
    async def works(user: str, password: SecretStr) -> bool:
        return login_works

    preparation = Preparation(
        node,
        password=password,
        login_works=works,
        keep=(kept if kept is not None else []).append,
    )
    steps = elasticsearch_steps(Wanted(parts=frozenset(parts)))
    return [done async for done in preparation.run(steps)]


def marks(done: Iterable[Done]) -> list[str]:
    return [one.mark for one in done]


@pytest.mark.parametrize(
    ("found", "told"),
    [
        pytest.param(Answer(None, failure="refused"), "refused", id="nobody"),
        pytest.param(answer(401, {"error": "who are you"}), "--user", id="a wrong login"),
        pytest.param(answer(200, {"version": {"number": "8.12.9"}}), "too old", id="too old"),
        pytest.param(Answer(200, {}, b"<html>"), "something else than", id="a stranger"),
    ],
)
async def test_what_cannot_be_prepared_is_left_alone(found: Answer, told: str) -> None:
    class Other(Node):
        async def request(self, method: str, target: str, body: bytes | None = None) -> Answer:
            return found

    with pytest.raises(SinkUnavailable, match=told):
        await version_of(Other())


async def test_a_user_is_made_with_its_password() -> None:
    node = Node()

    done = await run(node, "user")

    assert marks(done) == ["created"]
    ((method, path, body),) = node.sent
    assert (method, path) == ("PUT", "/_security/user/logstash_writer")
    assert (body["password"], body["roles"]) == ("pass-word", ["logstash_writer_pt"])


async def test_without_a_password_no_user_is_made() -> None:
    node = Node()

    done = await run(node, "user", password=None)

    assert (marks(done), node.sent) == (["refused"], [])
    assert "LOGSTASH_WRITER_PASSWORD" in done[0].detail


USER = {"roles": ["logstash_writer_pt"], "enabled": True}
NAME = {"full_name": "Writes the logs of Parcel Tracking (ptingest)"}


@pytest.mark.parametrize(
    ("there", "password", "works", "mark"),
    [
        pytest.param({**USER, **NAME}, SECRET, True, "unchanged", id="as it should be"),
        pytest.param({**USER, **NAME}, None, False, "unchanged", id="no password to compare"),
        pytest.param({**USER, **NAME}, SECRET, False, "updated", id="another password"),
        pytest.param({**USER, **NAME, "roles": []}, SECRET, True, "updated", id="no role"),
        pytest.param({**USER, **NAME, "enabled": False}, SECRET, True, "updated", id="disabled"),
    ],
)
async def test_a_user_that_is_there_is_only_mended(
    there: dict[str, Any], password: SecretStr | None, works: bool, mark: str
) -> None:
    node = Node(_security__user=answer(200, {"logstash_writer": there}))

    done = await run(node, "user", password=password, login_works=works)

    assert marks(done) == [mark]
    assert bool(node.sent) is (mark == "updated")


async def test_a_new_api_key_is_handed_over_once_and_never_shown() -> None:
    class Keys(Node):
        async def request(self, method: str, target: str, body: bytes | None = None) -> Answer:
            if method == "POST":
                return answer(200, {"id": "i1", "api_key": "k1"})
            return answer(200, {"api_keys": [{"id": "old", "invalidated": True}]})

    kept: list[str] = []

    done = await run(Keys(), "api-key", kept=kept)

    assert kept == ["i1:k1"]
    assert "k1" not in f"{done}"


async def test_an_api_key_that_is_active_stays() -> None:
    keys = {"api_keys": [{"id": "i1", "invalidated": False}]}
    node = Node(_security__api_key=answer(200, keys))

    done = await run(node, "api-key")

    assert (marks(done), node.sent) == (["unchanged"], [])


async def test_without_security_users_are_skipped_and_templates_made() -> None:
    off = answer(405, {"error": "Incorrect HTTP method"})
    node = Node(_security=off)

    done = await run(node, "templates", "role", "user")

    assert marks(done) == ["created"] * 3 + ["skipped"] * 2


async def test_a_server_before_the_failure_store_is_not_asked_for_one() -> None:
    steps = {one.name: one for one in fitted(elasticsearch_steps(Wanted()), "8.18.1")}

    settings = steps["pt@settings"]

    assert "data_stream_options" not in settings.body["template"]
    assert "without failure store" in settings.subject


@pytest.mark.parametrize(("version", "is_known"), [("8.14.3", False), ("8.15.0", True)])
def test_a_server_before_logsdb_is_not_asked_for_it(version: str, is_known: bool) -> None:
    steps = {one.name: one for one in fitted(elasticsearch_steps(Wanted(logsdb=True)), version)}

    settings = steps["pt@settings"]

    assert ("mode" in settings.body["template"]["settings"]["index"]) is is_known
    assert ("logsdb" in settings.subject) is not is_known
    assert "without failure store" in settings.subject


async def test_streams_made_earlier_are_named_after_the_template() -> None:
    node = Node(_resolve=answer(200, {"data_streams": [{"name": "logs-django-pt"}]}))

    done = [one async for one in afterwards(node, streams_of("django"))]

    assert marks(done) == ["note"]
    assert "logs-django-pt" in done[0].detail
    assert "rollover" in done[0].detail


def test_a_reason_holds_its_cause_once() -> None:
    error = {"error": {"reason": "outer", "caused_by": {"reason": "inner"}}}

    assert reason_of(answer(400, error)) == "outer: inner"
    assert reason_of(answer(400, {"error": {"reason": "same same"}})) == "same same"
    assert reason_of(Answer(502, {}, b"<html>")) == "status 502"


ELSEWHERE = Answer(307, PRODUCT, b"", "http://a:1 answers 307 to http://b:2: write that into hosts")


async def test_a_redirect_ends_the_setup_at_once() -> None:
    with pytest.raises(SinkUnavailable, match="307 to http://b:2"):
        await version_of(Node(**{"": ELSEWHERE}))


async def test_a_redirect_of_a_change_ends_it_as_well() -> None:
    class SendsAway(Node):
        async def request(self, method: str, target: str, body: bytes | None = None) -> Answer:
            if method == "GET":
                return answer(404)
            return ELSEWHERE

    with pytest.raises(SinkUnavailable, match="307 to http://b:2"):
        await run(SendsAway(), "user")


# --- another server's data streams in the same cluster ---------------------------------------


def prepared(node: Node) -> Preparation:
    return Preparation(
        node,
        password=SECRET,
        login_works=lambda user, password: asyncio.sleep(0, result=True),  # no race: a yes
        keep=lambda key: None,
    )


SHOP = streams_of("till", namespaces=("shop",))


async def test_a_template_and_a_role_keep_the_patterns_that_they_have() -> None:
    ours = Wanted(parts=frozenset({"templates", "role"}))
    bodies = {step.name: step.body for step in elasticsearch_steps(ours)}
    template = {"index_templates": [{"name": "x", "index_template": bodies["pt-logs"]}]}
    role = {"logstash_writer_pt": bodies["logstash_writer_pt"]}
    node = Node(_index_template=answer(200, template), _security__role=answer(200, role))

    steps = elasticsearch_steps(Wanted(streams=SHOP, parts=ours.parts))
    done = {one.subject: one async for one in prepared(node).run(steps)}

    sent = {target: body for _, target, body in node.sent}
    assert sent["/_index_template/pt-logs"]["index_patterns"] == ["logs-*-pt", "logs-*-shop"]
    (rights,) = sent["/_security/role/logstash_writer_pt"]["indices"]
    assert rights["names"] == ["logs-*-pt", "logs-*-shop"]
    assert done["index template pt-logs"].mark == "updated"
    assert "keeps logs-*-pt" in done["index template pt-logs"].detail


async def test_a_template_that_has_more_patterns_than_ours_is_left_as_it_is() -> None:
    both = Wanted(streams=streams_of(namespaces=("pt", "shop")), parts=frozenset({"templates"}))
    body = {step.name: step.body for step in elasticsearch_steps(both)}["pt-logs"]
    template = {"index_templates": [{"name": "x", "index_template": body}]}
    node = Node(_index_template=answer(200, template))

    steps = elasticsearch_steps(Wanted(streams=SHOP, parts=both.parts))
    done = {one.subject: one async for one in prepared(node).run(steps)}

    assert done["index template pt-logs"].mark == "unchanged"


@pytest.mark.parametrize(
    ("names", "mark"), [(["logs-*-pt"], "refused"), (["logs-*-shop"], "unchanged")]
)
async def test_an_api_key_that_may_not_write_to_our_streams_is_no_success(
    names: list[str], mark: str
) -> None:
    key = {"id": "k", "role_descriptors": {"r": {"indices": [{"names": names}]}}}
    node = Node(_security__api_key=answer(200, {"api_keys": [key]}))

    steps = elasticsearch_steps(Wanted(streams=SHOP, parts=frozenset({"api-key"})))
    (done,) = [one async for one in prepared(node).run(steps)]

    assert done.mark == mark


async def test_a_stronger_template_is_told_for_the_namespace_that_it_takes() -> None:
    ours = {"name": "pt-logs", "index_template": {"index_patterns": ["logs-*-*"], "priority": 501}}
    other = {"name": "o", "index_template": {"index_patterns": ["logs-*-shop"], "priority": 900}}
    node = Node(_index_template=answer(200, {"index_templates": [ours, other]}))

    done = [one async for one in afterwards(node, streams_of("a", namespaces=("pt", "shop")))]

    assert [one.mark for one in done] == ["refused"]
    assert done[0].detail.startswith("o matches logs-a-shop with priority 900")


# --- OpenSearch, whose security plugin is not run in tests: answers of the documented shapes ----

NO_PLUGIN = b'{"error":"no handler found for uri [/_plugins/_security/x] and method [GET]"}'
JSON = {"content-type": "application/json; charset=UTF-8"}
ROLES = "/_plugins/_security/api/roles/logstash_writer_pt"
USERS = "/_plugins/_security/api/internalusers/logstash_writer"


class OpenSearchNode(Node):
    """The same answers as OpenSearch; what is put there is CREATED with 201."""

    async def request(self, method: str, target: str, body: bytes | None = None) -> Answer:
        found = await super().request(method, target, body)
        status = 201 if method == "PUT" and found.status == 200 else found.status
        return found._replace(status=status, headers=JSON, dialect=OPENSEARCH)


async def run_opensearch(
    node: Node, *, password: SecretStr | None = SECRET, login_works: bool = True
) -> list[Done]:
    async def works(user: str, password: SecretStr) -> bool:
        return login_works

    wanted = Wanted(parts=frozenset({"role", "user"}), dialect=OPENSEARCH)
    preparation = Preparation(node, password=password, login_works=works, keep=[].append)
    return [done async for done in preparation.run(elasticsearch_steps(wanted))]


def as_read(**members: object) -> dict[str, object]:
    """What a GET adds to what was put."""
    return {"reserved": False, "hidden": False, "static": False, **members}


async def test_role_and_user_of_opensearch_are_made_by_its_security_plugin() -> None:
    node = OpenSearchNode()

    done = await run_opensearch(node)

    assert marks(done) == ["created", "created"]
    (_, role_path, role), (_, user_path, user) = node.sent
    assert (role_path, user_path) == (ROLES, USERS)
    assert role["index_permissions"][0]["index_patterns"] == ["logs-*-pt"]
    assert "indices:admin/data_stream/create" in role["index_permissions"][0]["allowed_actions"]
    assert user["opendistro_security_roles"] == ["logstash_writer_pt"]
    assert user["password"] == "pass-word"
    assert "enabled" not in user


async def test_what_is_there_in_opensearch_stays_with_roles_and_patterns_of_others() -> None:
    wanted = Wanted(parts=frozenset({"role"}), dialect=OPENSEARCH)
    (step,) = elasticsearch_steps(wanted)
    (row,) = step.body["index_permissions"]
    rows = [{**row, "dls": "", "fls": [], "masked_fields": []}]
    role = as_read(**{**step.body, "index_permissions": rows, "tenant_permissions": []})
    user = as_read(
        hash="", backend_roles=[], attributes={},
        opendistro_security_roles=["logstash_writer_pt", "another"],
        description="Writes the logs of Parcel Tracking (ptingest)",
    )  # fmt: skip
    node = OpenSearchNode(
        _plugins___security__api__roles=answer(200, {"logstash_writer_pt": role}),
        _plugins___security__api__internalusers=answer(200, {"logstash_writer": user}),
    )

    done = await run_opensearch(node)

    assert marks(done) == ["unchanged", "unchanged"]
    assert node.sent == []


async def test_without_the_security_plugin_role_and_user_are_left_out() -> None:
    nothing = Answer(400, PRODUCT, NO_PLUGIN)

    done = await run_opensearch(OpenSearchNode(_plugins=nothing))

    assert [(one.mark, one.detail) for one in done] == [
        ("skipped", "there is no security plugin")
    ] * 2


async def test_what_the_security_plugin_refuses_is_named() -> None:
    refused = answer(403, {"status": "FORBIDDEN", "message": "No permission to access REST API"})

    done = await run_opensearch(OpenSearchNode(_plugins=refused))

    assert marks(done) == ["refused", "refused"]


async def test_templates_for_opensearch_hold_what_it_takes_and_its_own_text() -> None:
    wanted = Wanted(parts=frozenset({"templates"}), dialect=OPENSEARCH, logsdb=True)

    steps = {one.name: one for one in fitted(elasticsearch_steps(wanted), "2.19.6", OPENSEARCH)}

    assert list(steps) == ["pt@settings", "pt@mappings", "pt@custom", "pt-logs"]
    settings = steps["pt@settings"]
    assert set(settings.body["template"]) == {"settings"}
    assert "mode" not in settings.body["template"]["settings"]["index"]
    for lacking in ("failure store", "logsdb", "lifecycle", "OpenSearch 2.19.6 has none"):
        assert lacking in settings.subject
    mappings = steps["pt@mappings"].body["template"]["mappings"]
    assert "subobjects" not in mappings
    assert mappings["properties"]["message"] == {"type": "text"}
    assert steps["pt@custom"].is_theirs
    assert "ignore_missing_component_templates" not in steps["pt-logs"].body
