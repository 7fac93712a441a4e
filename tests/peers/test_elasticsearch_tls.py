"""HTTPS with client certificates: sink, setup, doctor and API keys as a guarded cluster asks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from ptingest.model.document import DataStream
from ptingest.tools.setup.plan import Wanted, role_body
from tests.fakes.authority import Authority, Pair
from tests.peers.elasticsearch_peer import SUPERUSER, Node, Release, start_elasticsearch
from tests.peers.preparing import WRITER
from tests.peers.test_elasticsearch import sink_for, stream, unsettled, write
from tests.support.command import Ran, run
from tests.support.documents import document

pytestmark = [pytest.mark.peer, pytest.mark.timeout(180), pytest.mark.needs("users")]
__all__ = ["stream"]

LOGIN = {"username": WRITER[0], "password": WRITER[1]}


class Guarded(NamedTuple):
    """A node that speaks HTTPS alone, and asks for a certificate of its authority."""

    node: Node
    authority: Authority
    shown: Pair
    """What the node shows."""
    ours: Pair

    def trust(self, **more: str) -> dict[str, str]:
        """The settings of a sink that trusts by ``ca_file`` unless told otherwise."""
        trusted = {} if "fingerprint" in more else {"ca_file": self.authority.file}
        mine = {"certificate": self.ours.certificate, "key": self.ours.key}
        return {**trusted, **mine, **more}


@pytest.fixture(scope="module")
def guarded(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    authority = Authority(folder)
    shown, ours = authority.server(), authority.issue("ptingest.example", file="ours")
    asked = {
        "enabled": "true",
        "certificate": shown.certificate,
        "key": shown.key,
        "certificate_authorities": authority.file,
        "client_authentication": "required",
    }
    node = start_elasticsearch(
        folder / "node",
        release,
        settings=[f"xpack.security.http.ssl.{name}={value}" for name, value in asked.items()],
        secured=True,
        tls=authority.client_context(ours),
    )
    try:
        yield Guarded(node, authority, shown, ours)
    finally:
        node.kill()


@pytest.fixture(scope="module")
def prepared(guarded: Guarded, tmp_path_factory: pytest.TempPathFactory) -> Guarded:
    """The same with template, role and user, by `ptingest setup`."""
    ran = command(guarded, tmp_path_factory.mktemp("setup"), "setup", "--user", SUPERUSER[0])
    assert ran.code == 0, ran
    return guarded


def command(guarded: Guarded, folder: Path, name: str, *arguments: str) -> Ran:
    """Run a command on a config that names the node and its certificates."""
    sink = {"hosts": [guarded.node.url], **guarded.trust(), **LOGIN}
    config = folder / "config.json"
    config.write_text(json.dumps({"sinks": {"elasticsearch": sink}}))
    environ = {"ELASTIC_PASSWORD": SUPERUSER[1], "LOGSTASH_WRITER_PASSWORD": WRITER[1]}
    return run(name, "--config", str(config), *arguments, folder=folder, environ=environ)


def test_setup_finds_all_there_and_doctor_no_problem(prepared: Guarded, tmp_path: Path) -> None:
    again = command(prepared, tmp_path, "setup", "--user", SUPERUSER[0])
    found = command(prepared, tmp_path, "doctor", "--json", "--only", "elasticsearch")

    marks = [line.split()[0] for line in again.out.decode().splitlines()[1:]]
    rows = [json.loads(line) for line in found.out.splitlines()]
    assert (again.code, marks) == (0, ["unchanged"] * 5), again
    assert (found.code, [row for row in rows if row["mark"] == "problem"]) == (0, [])


def by_file(_: Guarded) -> dict[str, str]:
    return {}


def by_fingerprint(guarded: Guarded) -> dict[str, str]:
    return {"fingerprint": hashlib.sha256(guarded.shown.encoded).hexdigest()}


@pytest.mark.parametrize("trust", [by_file, by_fingerprint])
async def test_documents_are_stored_over_https(
    prepared: Guarded, stream: DataStream, trust: Callable[[Guarded], dict[str, str]]
) -> None:
    async with sink_for(prepared.node, **prepared.trust(**trust(prepared)), **LOGIN) as sink:
        result = await write(sink, document(number=1, key="a", stream=stream))
        findings = await sink.check()

    assert not unsettled(result)
    assert [finding.found for finding in findings if not finding.is_ok] == []
    assert len(prepared.node.documents(stream.name)) == 1


async def test_an_api_key_with_the_writers_rights_alone_is_enough(
    prepared: Guarded, stream: DataStream
) -> None:
    role = role_body(Wanted())
    rights = {"cluster": role["cluster"], "indices": role["indices"]}
    body = {"name": "narrow", "role_descriptors": {"writer": rights}}
    made = prepared.node.must("POST", "/_security/api_key", body)

    async with sink_for(prepared.node, **prepared.trust(), api_key=made["encoded"]) as sink:
        stored = await write(sink, document(number=1, key="a", stream=stream))
        prepared.node.must("DELETE", "/_security/api_key", {"ids": [made["id"]]})
        refused = await write(sink, document(number=2, key="b", stream=stream))

    assert not unsettled(stored)
    assert len(refused.busy) == 1
    assert "401" in (refused.trouble or "")


async def test_without_our_certificate_nothing_is_stored_and_the_setting_is_named(
    prepared: Guarded, stream: DataStream
) -> None:
    trust = {"ca_file": prepared.authority.file, **LOGIN}

    async with sink_for(prepared.node, **trust) as sink:
        result = await write(sink, document(number=1, key="a", stream=stream))

    assert [len(result.busy) + len(result.doubtful), len(result.refused)] == [1, 0]
    assert "sinks.elasticsearch.certificate" in (result.trouble or "")
    assert prepared.node.request("GET", f"/{stream.name}/_count")[0] == 404


async def test_a_node_of_another_authority_gets_nothing(
    prepared: Guarded, stream: DataStream, tmp_path: Path
) -> None:
    other = Authority(tmp_path, "other")

    async with sink_for(prepared.node, **prepared.trust(ca_file=other.file)) as sink:
        result = await write(sink, document(number=1, key="a", stream=stream))

    assert len(result.busy) == 1
    assert "TLS with" in (result.trouble or "")
    assert other.file in (result.trouble or "")
