"""`ptingest setup` against a real Elasticsearch with security, and ptingest on what it made."""

from __future__ import annotations

import asyncio
import json
import re
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from ptingest.dead_letters.queue import read_letters
from ptingest.sinks.elasticsearch.dialect import ELASTICSEARCH, OPENSEARCH
from ptingest.sinks.elasticsearch.names import ROLE
from ptingest.tools.setup.plan import Wanted, mappings_body, role_body
from tests.peers.elasticsearch_peer import SUPERUSER, Node
from tests.peers.preparing import WRITER, clean, serving_to, setup, ship
from tests.peers.tools import require_tool
from tests.support.command import run
from tests.support.modules import ROOT
from tests.support.waiting import until

pytestmark = [pytest.mark.peer, pytest.mark.timeout(180)]

LINE = "ERROR|apps.parcels.views|2025-01-02T03:04:05.678|Parcel 42 is lost"
PRIVILEGES = ("auto_configure", "create_doc", "read", "monitor")


@pytest.fixture
def node(bare_elasticsearch: Node) -> Iterator[Node]:
    """Nothing prepared, before and after."""
    yield bare_elasticsearch
    clean(bare_elasticsearch)


def event(service: str, message: str = LINE, **more: Any) -> bytes:
    """An event as Filebeat's filestream input sends it."""
    fields = {
        "@timestamp": "2025-01-02T03:04:06.123Z",
        "group": "pt",
        "service": service,
        "message": message,
        "agent": {"id": "a1", "ephemeral_id": "e1", "name": "h", "type": "filebeat"},
        "host": {"name": "h", "ip": ["127.0.0.1"], "os": {"platform": "debian"}},
        "log": {"offset": 4096, "file": {"path": f"/var/log/pt/{service}.log", "inode": "7"}},
        "input": {"type": "filestream"},
        "ecs": {"version": "8.0.0"},
    }
    return orjson.dumps({**fields, **more})


VARIANTS: dict[str, list[Any]] = {
    "container": [
        {"id": "c", "labels": {"app": "x"}},
        {"labels": {"app": {"kubernetes": "y"}}},
        {"labels": {"app": "w", "app.kubernetes.io/name": "z"}},
        {"labels": "text"},
        "text",
    ],
    "kubernetes": [
        {"labels": {"app": "x", "app.kubernetes.io/name": "y"}, "annotations": {"a": "b"}},
        {"labels": {"app": {"value": "x", "kubernetes": {"io/name": "y"}}}},
        {"annotations": {"a": {"b": 5}}},
    ],
    "host": ["text", {"name": "n", "ip": ["no address"]}, ["a", {"name": "b"}]],
    "log": [{"offset": "text"}, {"offset": 10**20}, "text"],
    "agent": ["text"],
    "event": [{"module": {"a": 1}}, {"duration": "long"}, {"duration": 5}],
    "grown": [5, "text", 1.5, True, None, {"a": 1}, [1, "b", {"c": None}], 10**30, "x" * 40_000],
    "switched": [True, "perhaps", 5, {"a": True}, []],
    "said": ["text", 5, False, {"a": {"b": 1}}, "2025-01-02T03:04:05Z", "192.0.2.1"],
}
"""What Filebeat sends in some field, one site's after the other's: values of every kind."""


@pytest.mark.needs("subobjects")
def test_no_value_of_any_kind_is_refused_by_the_shipped_template(
    node: Node, tmp_path: Path
) -> None:
    setup(node, folder=tmp_path)
    sent = [{name: value} for name, values in VARIANTS.items() for value in values]
    lines = [
        line
        for one in sent
        for line in ({"create": {}}, {"@timestamp": "2025-01-02T03:04:05Z"} | one)
    ]
    bulk = "".join(f"{json.dumps(line)}\n" for line in lines).encode()

    answer = node.must("POST", "/logs-django-pt/_bulk?refresh=true", bulk)

    fates = [item["create"] for item in answer["items"]]
    refused = [
        (one, fate.get("error"))
        for one, fate in zip(sent, fates, strict=True)
        if fate["status"] != 201 or fate.get("failure_store") == "used"
    ]
    assert refused == []

    def found(name: str, value: object) -> int:
        query = {"query": {"term": {name: value}}}
        return int(node.must("POST", "/logs-django-pt/_count", query)["count"])

    wanted: list[tuple[str, object]] = [
        ("container.labels.app", "w"),
        ("container.labels.app.kubernetes.io/name", "z"),
        ("kubernetes.labels.app", "x"),
        ("host", "text"),
        ("host.name", "n"),
        ("grown", 5),
        ("grown.a", 1),
        ("said", "192.0.2.1"),
    ]
    assert [(name, found(name, value)) for name, value in wanted] == [(n, 1) for n, _ in wanted]


def marks(output: bytes) -> list[str]:
    return [line.split()[0] for line in output.decode().splitlines()[1:]]


def of_templates(node: Node, mark: str) -> list[str]:
    """The marks of templates; OpenSearch needs an empty one for the operator, too."""
    return [mark] * (4 if "lifecycle" in node.release.lacks else 3)


def of_retention(node: Node) -> list[str]:
    """The last mark: without a lifecycle, what deletes documents instead is said."""
    return ["note"] if "lifecycle" in node.release.lacks else []


def of_login(node: Node, mark: str) -> list[str]:
    """The marks of role and user: without users they are left out, and that is said."""
    return [mark if node.login else "skipped"] * 2


@pytest.mark.every_release
def test_a_second_run_changes_nothing(node: Node, tmp_path: Path) -> None:
    first = setup(node, folder=tmp_path)
    second = setup(node, folder=tmp_path)

    created, unchanged = (
        [*of_templates(node, mark), *of_login(node, mark), *of_retention(node)]
        for mark in ("created", "unchanged")
    )
    assert (first.code, marks(first.out)) == (0, created), first
    assert (second.code, marks(second.out)) == (0, unchanged), second


@pytest.mark.every_release
def test_what_the_server_does_not_know_is_left_out_and_said(node: Node, tmp_path: Path) -> None:
    ran = setup(node, "--logsdb", "--only", "templates", folder=tmp_path)

    said = ran.out.decode()
    wanted = [*of_templates(node, "created"), *of_retention(node)]
    assert (ran.code, marks(ran.out)) == (0, wanted), ran
    for part, words in (("failure_store", "failure store"), ("logsdb", "logsdb")):
        assert (words in said) is (part in node.release.lacks)


@pytest.mark.needs("lifecycle")
def test_only_what_differs_is_sent_again(node: Node, tmp_path: Path) -> None:
    setup(node, folder=tmp_path)

    changed = setup(node, "--retention", "7d", "--replicas", "1", folder=tmp_path)

    templates = ["updated", "unchanged", "unchanged"]
    assert marks(changed.out) == [*templates, *of_login(node, "unchanged")]
    made = node.must("POST", "/_index_template/_simulate_index/logs-django-pt")["template"]
    assert made["lifecycle"]["data_retention"] == "7d"
    assert made["settings"]["index"]["number_of_replicas"] == "1"


@pytest.mark.needs("users")
def test_the_curl_lines_of_the_docs_do_the_same(node: Node, tmp_path: Path) -> None:
    curl = require_tool("curl")
    text = (ROOT / "docs" / "elasticsearch.md").read_text(encoding="utf-8")
    block = next(part for part in text.split("```") if "put()" in part)
    lines = [line for line in block.splitlines()[1:] if line and "_import" not in line]
    script = "\n".join(lines).replace("http://127.0.0.1:9200", node.url)
    script = script.replace("elastic:", f"{SUPERUSER[0]}:").replace("curl ", f"{curl} ")
    environ = {"ELASTIC_PASSWORD": SUPERUSER[1], "LOGSTASH_WRITER_PASSWORD": WRITER[1]}

    by_hand = subprocess.run(
        ["bash", "-ec", script], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )

    only = ("--only", "templates", "--only", "role", "--failures", "none")
    after = setup(node, *only, folder=tmp_path)
    assert by_hand.returncode == 0, by_hand.stderr
    assert marks(after.out) == ["unchanged"] * 4
    assert node.request("GET", "/_security/_authenticate", login=WRITER)[0] == 200


@pytest.mark.needs("users")
def test_a_changed_password_is_set_and_never_printed(node: Node, tmp_path: Path) -> None:
    setup(node, folder=tmp_path)

    changed = setup(node, "--only", "user", folder=tmp_path, writer_password="another-secret")

    assert marks(changed.out) == ["updated"]
    login = ("logstash_writer", "another-secret")
    assert node.request("GET", "/_security/_authenticate", login=login)[0] == 200
    assert "another-secret" not in changed.out.decode() + changed.err


@pytest.mark.needs("users")
def test_roles_given_to_the_user_by_others_stay(node: Node, tmp_path: Path) -> None:
    user = {"password": WRITER[1], "roles": ["monitoring_user"]}
    node.must("PUT", "/_security/user/logstash_writer", user)

    ran = setup(node, "--only", "role", "--only", "user", folder=tmp_path)

    assert marks(ran.out) == ["created", "updated"]
    roles = node.must("GET", "/_security/user/logstash_writer")["logstash_writer"]["roles"]
    assert sorted(roles) == ["logstash_writer_pt", "monitoring_user"]


@pytest.mark.needs("users")
def test_the_role_as_described_is_an_option(node: Node, tmp_path: Path) -> None:
    setup(node, "--only", "role", "--role", "as-described", folder=tmp_path)

    role = node.must("GET", f"/_security/role/{ROLE}")[ROLE]
    assert role["indices"][0]["privileges"] == [
        *("create_index", "create_doc", "index", "create", "write", "read")
    ]


@pytest.mark.needs("logsdb")
def test_options_of_the_stream_are_taken_by_a_real_server(node: Node, tmp_path: Path) -> None:
    options = ("--logsdb", "--retention", "none", "--no-failure-store", "--only", "templates")

    ran = setup(node, *options, folder=tmp_path)

    assert (ran.code, marks(ran.out)) == (0, ["created"] * 3), ran
    made = node.must("POST", "/_index_template/_simulate_index/logs-django-pt")["template"]
    assert made["settings"]["index"]["mode"] == "logsdb"
    assert "data_retention" not in made.get("lifecycle", {})


@pytest.mark.needs("logsdb")
@pytest.mark.parametrize(
    "options", [("--logsdb",), ("--role", "as-described")], ids=["logsdb", "role as described"]
)
async def test_documents_come_back_whole_with_other_options(
    node: Node, tmp_path: Path, options: tuple[str, ...]
) -> None:
    await asyncio.to_thread(setup, node, *options, folder=tmp_path)

    async with serving_to(node, tmp_path) as worker:
        await ship(worker, event("django", added={"new": "field"}))

    (hit,) = node.documents("logs-django-pt")
    found = dict(leaves(hit["_source"]))
    # logsdb makes `_source` from the index, with names as they are mapped: whole.
    assert ("added" in hit["_source"]) is ("--logsdb" not in options)
    assert found["added.new"] == "field"
    assert found["event.original"] == found["message"] == LINE
    assert found["host.name"] == "h"


def leaves(value: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, inner in value.items():
        if isinstance(inner, dict):
            yield from leaves(inner, f"{path}{name}.")
        else:
            yield f"{path}{name}", inner


@pytest.mark.needs("users")
async def test_an_api_key_is_kept_for_its_owner_alone_and_serves_ptingest(
    node: Node, tmp_path: Path
) -> None:
    kept = tmp_path / "key"
    ran = await asyncio.to_thread(setup, node, "--api-key", str(kept), folder=tmp_path)
    again = await asyncio.to_thread(setup, node, "--api-key", str(kept), folder=tmp_path)
    key = kept.read_text().strip()

    async with serving_to(node, tmp_path, api_key=key) as worker:
        await ship(worker, event("django"))

    node.must("DELETE", "/_security/api_key", {"name": "ptingest"})
    assert (ran.code, marks(ran.out)[-2:]) == (0, ["kept", "created"])
    assert marks(again.out)[-1] == "unchanged"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert key.split(":")[1] not in ran.out.decode()
    assert len(node.documents("logs-django-pt")) == 1


@pytest.mark.needs("users")
def test_without_the_right_each_refusal_is_named_and_the_rest_is_tried(
    node: Node, tmp_path: Path
) -> None:
    setup(node, "--only", "role", "--only", "user", folder=tmp_path)
    environ = {"ELASTIC_PASSWORD": WRITER[1], "LOGSTASH_WRITER_PASSWORD": WRITER[1]}
    command = ("setup", "--elasticsearch", node.url, "--user", WRITER[0])

    ran = run(*command, folder=tmp_path, environ=environ)

    said = ran.out.decode()
    assert (ran.code, marks(ran.out)) == (1, ["refused"] * 5), ran
    assert "manage_index_templates" in said
    assert "manage_security" in said


@pytest.mark.needs("users")
def test_a_wrong_password_stops_at_once(node: Node, tmp_path: Path) -> None:
    ran = run(
        *("setup", "--elasticsearch", node.url),
        folder=tmp_path,
        environ={"ELASTIC_PASSWORD": "wrong", "LOGSTASH_WRITER_PASSWORD": "x"},
    )

    assert ran.code == 4
    assert "--user" in ran.err


def test_a_template_that_wins_over_ours_is_named(node: Node, tmp_path: Path) -> None:
    other = {"index_patterns": ["logs-*-*"], "priority": 900, "data_stream": {}}
    node.must("PUT", "/_index_template/loud", other)

    ran = setup(node, folder=tmp_path)

    assert ran.code == 1
    assert "loud matches logs-django-pt with priority 900" in ran.out.decode()


@pytest.mark.every_release
async def test_documents_land_with_the_mappings_intended_under_nothing_but_the_role(
    node: Node, tmp_path: Path
) -> None:
    await asyncio.to_thread(setup, node, folder=tmp_path)
    odd = event("nginx", '127.0.0.1 - - "GET / HTTP/1.1" 200', added={"when": "2025-01-02"})

    async with serving_to(node, tmp_path) as worker:
        await ship(worker, event("django"), event("celery"), odd)

    for service in ("django", "celery", "nginx"):
        assert len(node.documents(f"logs-{service}-pt")) == 1
    (hit,) = node.documents("logs-django-pt")
    assert hit["_source"]["log_message"] == "Parcel 42 is lost"
    mapped = node.must("GET", "/logs-django-pt/_mapping")
    (index,) = mapped.values()
    dialect = OPENSEARCH if node.release.product == "opensearch" else ELASTICSEARCH
    wanted = mappings_body(dialect)["template"]["mappings"]["properties"]
    if "subobjects" in node.release.lacks:
        wanted = nested(wanted)
    assert_mapped(wanted, index["mappings"]["properties"])
    assert index["mappings"]["date_detection"] is False
    added = node.must("GET", "/logs-nginx-pt/_field_caps?fields=added.when")["fields"]
    assert list(added["added.when"]) == ["keyword"]
    stream = node.must("GET", "/_data_stream/logs-django-pt")["data_streams"][0]
    assert stream["template"] == "pt-logs"
    is_on = stream.get("failure_store", {}).get("enabled", False)
    assert is_on is ("failure_store" not in node.release.lacks)


@pytest.mark.needs("lifecycle")
@pytest.mark.every_release
def test_a_stream_that_exists_gets_retention_and_failure_store_at_once(
    node: Node, tmp_path: Path
) -> None:
    older = {"index_patterns": ["logs-*-*"], "priority": 100, "data_stream": {}}
    node.must("PUT", "/_index_template/older", older)
    node.must("PUT", "/_data_stream/logs-nginx-pt")
    of_templates = ("--only", "templates", "--retention")
    has_failure_store = "failure_store" not in node.release.lacks

    first = setup(node, *of_templates, "30d", folder=tmp_path)
    second = setup(node, *of_templates, "30d", folder=tmp_path)
    shorter = setup(node, *of_templates, "7d", folder=tmp_path)
    off = setup(node, *of_templates, "none", "--no-failure-store", folder=tmp_path)

    (stream,) = node.must("GET", "/_data_stream/logs-nginx-pt")["data_streams"]
    said = [_said(ran.out, "data stream logs-nginx-pt") for ran in (first, second, shorter, off)]
    wanted = [
        ["updated retention 30d (before: no lifecycle)", "updated failure store on"],
        ["unchanged retention ", "unchanged failure store "],
        ["updated retention 7d (before: 30d)", "unchanged failure store "],
        ["updated retention for ever (before: 7d)", "updated failure store off"],
    ]
    assert said == [row if has_failure_store else row[:1] for row in wanted]
    assert "data_retention" not in stream["lifecycle"]
    assert stream["generation"] == 1


def _said(output: bytes, of: str) -> list[str]:
    """What a run says of one data stream: mark, what, and detail."""
    lines = re.sub(r"\n +", " ", output.decode()).splitlines()
    return [
        f"{mark} {what} {detail.removeprefix(':').strip()}"
        for line in lines
        if f" of {of}" in line
        for mark, what, detail in [re.split(rf"\s+(\w[\w ]*?) of {of}", line, maxsplit=1)]
    ]


def nested(properties: dict[str, Any]) -> dict[str, Any]:
    """Return the properties with an object for each part of a dotted name."""
    found: dict[str, Any] = {}
    for name, field in properties.items():
        *parents, last = name.split(".")
        place = found
        for parent in parents:
            place = place.setdefault(parent, {"properties": {}})["properties"]
        place[last] = field
    return found


def assert_mapped(wanted: dict[str, Any], found: dict[str, Any], path: str = "") -> None:
    """Every field is mapped as written; the peer shows match_only_text as plain text."""
    for name, field in wanted.items():
        place = f"{path}{name}"
        assert name in found, place
        if "properties" in field:
            assert_mapped(field["properties"], found[name]["properties"], f"{place}.")
            continue
        # The template for OpenSearch has text instead.
        kind = "text" if field["type"] == "match_only_text" else field["type"]
        assert found[name]["type"] == kind, place


def take_away(node: Node, privilege: str) -> None:
    left = [name for name in PRIVILEGES if name != privilege]
    role = {"indices": [{"names": ["logs-*-pt"], "privileges": left}]}
    node.must("PUT", f"/_security/role/{ROLE}", role)


@pytest.mark.needs("users")
async def test_without_auto_configure_the_first_document_goes_to_the_dead_letters_by_name(
    node: Node, tmp_path: Path
) -> None:
    await asyncio.to_thread(setup, node, folder=tmp_path)
    take_away(node, "auto_configure")

    async with serving_to(node, tmp_path) as worker:
        await ship(worker, event("django"))
        findings = await worker.parts.sinks[0].check()

    (letter,) = read_letters(tmp_path / "data" / "dead_letters")
    assert "auto_configure" in letter.letter.detail
    assert [f.found for f in findings if not f.is_ok] == ["lacks auto_configure on logs-*-pt"]


@pytest.mark.needs("users")
async def test_without_create_doc_everything_waits_and_the_privilege_is_named(
    node: Node, tmp_path: Path
) -> None:
    await asyncio.to_thread(setup, node, folder=tmp_path)
    take_away(node, "create_doc")

    async with serving_to(node, tmp_path) as worker:
        shipping = asyncio.ensure_future(ship(worker, event("django")))
        (reason,) = await until(worker.view.readiness)
        findings = await worker.parts.sinks[0].check()
        node.must("PUT", f"/_security/role/{ROLE}", role_body(Wanted()))
        await shipping

    assert "create_doc" in reason
    assert [f.found for f in findings if not f.is_ok] == ["lacks create_doc on logs-*-pt"]
    assert len(node.documents("logs-django-pt")) == 1


@pytest.mark.needs("users")
async def test_without_read_documents_are_stored_and_what_is_lost_is_named(
    node: Node, tmp_path: Path
) -> None:
    await asyncio.to_thread(setup, node, folder=tmp_path)
    take_away(node, "read")

    async with serving_to(node, tmp_path) as worker:
        await ship(worker, event("django"))
        findings = await worker.parts.sinks[0].check()

    assert len(node.documents("logs-django-pt")) == 1
    assert all(finding.is_ok for finding in findings)
    assert any("lacks read" in finding.found for finding in findings)


# --- other groups and namespaces ------------------------------------------------------------


@pytest.fixture
def shops(tmp_path: Path) -> Path:
    """A config whose profile has two groups with namespaces of their own, neither of them pt."""
    profile = yaml.safe_load((ROOT / "config" / "pt.yaml").read_text(encoding="utf-8"))
    (first,) = profile["groups"]
    for name, service in (("shop", "till"), ("depot", "scales")):
        stream = {"type": "logs", "namespace": name}
        more = {"group": name, "data_stream": stream, "known_services": [service]}
        profile["groups"].append({**first, **more})
    profile["groups"].remove(first)
    (tmp_path / "shops.yaml").write_text(json.dumps(profile))  # YAML without aliases
    (tmp_path / "c.yaml").write_text("profile: shops.yaml\n")
    return tmp_path / "c.yaml"


async def test_groups_of_other_namespaces_work_wholly(
    node: Node, tmp_path: Path, shops: Path
) -> None:
    made = await asyncio.to_thread(setup, node, "--config", str(shops), folder=tmp_path)

    async with serving_to(node, tmp_path, profile=tmp_path / "shops.yaml") as worker:
        findings = await worker.parts.sinks[0].check()
        await ship(worker, event("till", group="shop"), event("scales", group="depot"))

    assert made.code == 0, made.out
    assert [f.found for f in findings if not f.is_ok] == []
    rights = "auto_configure and create_doc on logs-*-shop,logs-*-depot"
    is_asked = "users" not in node.release.lacks
    assert (rights in [f.found for f in findings]) is is_asked
    assert len(node.documents("logs-till-shop")) == 1
    assert len(node.documents("logs-scales-depot")) == 1
    assert not list(read_letters(tmp_path / "data" / "dead_letters"))

    found = await asyncio.to_thread(
        run, "doctor", "--config", shops, "--only", node.release.product, "--json",
        f"--{node.release.product}", node.url, folder=tmp_path,
        environ={"LOGSTASH_WRITER_PASSWORD": WRITER[1]},
    )  # fmt: skip
    rows = [json.loads(line) for line in found.out.splitlines()]
    assert [row for row in rows if row["mark"] == "problem"] == []
    assert any("there: logs-scales-depot, logs-till-shop" in row["found"] for row in rows)


@pytest.mark.needs("users")
async def test_a_namespace_that_was_not_prepared_is_told_before_the_first_event(
    node: Node, tmp_path: Path, shops: Path
) -> None:
    await asyncio.to_thread(setup, node, folder=tmp_path)

    async with serving_to(node, tmp_path, profile=tmp_path / "shops.yaml") as worker:
        findings = await worker.parts.sinks[0].check()

    assert [(f.subject, f.found) for f in findings if not f.is_ok] == [
        (
            "rights",
            "lacks auto_configure on logs-*-shop, auto_configure on logs-*-depot, "
            "create_doc on logs-*-shop, create_doc on logs-*-depot",
        ),
    ]


async def test_a_second_servers_setup_leaves_the_first_its_template_and_rights(
    node: Node, tmp_path: Path, shops: Path
) -> None:
    await asyncio.to_thread(setup, node, folder=tmp_path)
    made = await asyncio.to_thread(setup, node, "--config", str(shops), folder=tmp_path)
    again = await asyncio.to_thread(setup, node, "--config", str(shops), folder=tmp_path)

    async with serving_to(node, tmp_path) as worker:
        await ship(worker, event("django"))

    assert b"keeps logs-*-pt, which is not of this profile" in made.out
    assert b"updated" not in again.out.replace(b"updated   user", b"")
    assert len(node.documents("logs-django-pt")) == 1
