"""Clients that others wrote, against our TLS port."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from benchmarks import corpus, processes
from tests.fakes.authority import Authority, Pair, tls_settings
from tests.peers import npm_peer
from tests.peers.test_clients import Events, Server, as_sent, golumber, npm, run_golumber

pytestmark = [pytest.mark.peer, pytest.mark.timeout(120)]
__all__ = ["golumber", "npm"]


class Secured(NamedTuple):
    server: Server
    authority: Authority
    beat: Pair


def secured(folder: Path, client_auth: str) -> Iterator[Secured]:
    authority = Authority(folder)
    beat = authority.issue("beat-1.example", file="beat")
    tls = tls_settings(authority.server())
    if client_auth != "none":
        tls |= {
            "client_ca": authority.file,
            "client_auth": client_auth,
            "allow": ["beat-1.example"],
        }
    port = processes.free_port()
    config = processes.write_config(folder, port=port, sinks={"store": {}}, tls=tls)
    with processes.server(port=port, config=config):
        yield Secured(Server(port, folder / "data" / "store.sqlite"), authority, beat)


@pytest.fixture(scope="module")
def mutual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    yield from secured(tmp_path_factory.mktemp("mutual"), "required")


@pytest.fixture(scope="module")
def open_to_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    yield from secured(tmp_path_factory.mktemp("open"), "none")


@pytest.mark.parametrize("pipeline", [0, 2], ids=["one window at a time", "three on the wire"])
def test_go_lumber_with_a_certificate_is_acked_and_stored_as_sent(
    golumber: None, mutual: Secured, tmp_path: Path, pipeline: int
) -> None:
    events = Events(1_000)

    sent = run_golumber(
        mutual.server,
        events.write(tmp_path),
        pipeline=pipeline,
        batch=150,
        tls_ca=mutual.authority.file,
        tls_cert=mutual.beat.certificate,
        tls_key=mutual.beat.key,
    )

    assert (sent.events_acked, sent.windows_acked, sent.errors) == (1_000, 7, 0), sent.last_error
    stored = mutual.server.documents(events.agent)
    assert as_sent(stored, events.as_sent()) == events.as_sent()


def test_go_lumber_without_a_certificate_does_not_get_in(
    golumber: None, mutual: Secured, tmp_path: Path
) -> None:
    events = Events(10)

    sent = run_golumber(mutual.server, events.write(tmp_path), tls_ca=mutual.authority.file)

    assert sent.events_acked == 0
    assert sent.errors > 0
    assert mutual.server.documents(events.agent) == []


def test_a_version_1_client_is_acked_over_tls_as_its_author_meant_it(
    npm: None, open_to_all: Secured, tmp_path: Path
) -> None:
    lines, service = corpus.lines("django", 40, 5), f"v1-{uuid.uuid4()}"
    flat = [{"message": m, "group": "pt", "service": service, "host": "h"} for m in lines]
    file = tmp_path / "flat.ndjson"
    file.write_text("\n".join(json.dumps(event) for event in flat), encoding="utf-8")
    server, ca = open_to_all.server, Path(open_to_all.authority.file)

    with npm_peer.sending("lumberjack-protocol", server.port, file, ca) as sender:
        acked = sender.wait_for("acked")

    reader = sqlite3.connect(f"file:{server.store}?mode=ro", uri=True)
    rows = reader.execute("SELECT message FROM documents WHERE service = ?", (service,)).fetchall()
    reader.close()
    assert acked == 40
    assert sorted(message for (message,) in rows) == sorted(lines)
