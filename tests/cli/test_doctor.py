from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ptingest.cli.doctor import _print
from ptingest.model.finding import Finding
from tests.fakes.elasticsearch import FakeElasticsearch
from tests.support.command import run
from tests.support.raw_peer import C, J, W, event, peer_of
from tests.support.serving import serving


def marks(out: bytes) -> dict[str, str]:
    return {one["subject"]: one["mark"] for one in map(json.loads, out.splitlines())}


def test_a_config_alone_is_looked_at(tmp_path: Path) -> None:
    ran = run("doctor", "--only", "config", folder=tmp_path)

    assert ran.code == 0, ran
    assert b"samples of 2 patterns match" in ran.out
    assert b"disk space" in ran.out
    assert b"0 problems" in ran.out


def test_a_config_without_elasticsearch_says_why_kibana_shows_nothing(tmp_path: Path) -> None:
    ran = run("doctor", "--only", "config", "--only", "elasticsearch", folder=tmp_path)

    assert ran.code == 0, ran
    assert b"not to Kibana" in ran.out


def test_a_config_that_cannot_be_used_is_named_first(tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("beatz: {}\n")

    ran = run("doctor", "--config", config, folder=tmp_path)

    assert ran.code == 3
    assert "beatz" in ran.err


def test_a_server_that_does_not_run_is_not_reachable_and_its_port_looked_at(
    tmp_path: Path,
) -> None:
    config = tmp_path / "c.yaml"
    config.write_text('beats: {listen: "127.0.0.1:9"}\napi: {listen: "127.0.0.1:19"}\n')

    ran = run("doctor", "--config", config, "--json", folder=tmp_path)

    assert ran.code == 4
    assert marks(ran.out)["server"] == "problem"
    assert marks(ran.out)["Beats port"] == "problem"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--server", "here"], "HOST:PORT"),
        (["--elasticsearch", "es:9200"], "http://"),
        (["--only", "weather"], "weather"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_a_usage_error(
    arguments: list[str], told: str, tmp_path: Path
) -> None:
    ran = run("doctor", *arguments, folder=tmp_path)

    assert ran.code == 2
    assert told in ran.err


async def test_a_running_server_alone_is_asked_by_its_address(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, peer_of(server) as peer:
        await peer.send(W(2) + C(J(1) + J(2, event("no pattern fits secret-token-42"))))
        await peer.acks(1)
        address = f"127.0.0.1:{server.worker.api_port}"

        ran = await asyncio.to_thread(run, "doctor", "--server", address, folder=tmp_path)

    assert ran.code == 0, ran
    assert b"1 of 2 (50 %) events fit no pattern" in ran.out
    assert b"nearest: dotted_milliseconds" in ran.out
    assert b"secret" not in ran.out
    assert b"cure: " in ran.out
    assert b"looked at: " in ran.out
    assert b"Elasticsearch" not in ran.out


async def test_a_server_that_wants_a_token_is_not_said_to_be_silent(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret-token")
    async with serving(tmp_path, api={"token": "s3cret-token"}) as server:
        command = ("doctor", "--server", f"127.0.0.1:{server.worker.api_port}")
        without = await asyncio.to_thread(run, *command, folder=tmp_path)
        let_in = await asyncio.to_thread(run, *command, "--token-file", "token", folder=tmp_path)

    assert without.code == 4
    assert b"wants its token (api.token), and none was given" in without.out
    assert b"no answer" not in without.out
    assert b"cure: give it: --token-file, PTINGEST_TOKEN" in without.out
    assert let_in.code == 0, let_in.out


async def test_fields_under_fields_are_found_out(tmp_path: Path) -> None:
    low = {"group": "pt", "service": "django"}
    payload = event(group=None, fields=low).replace(b'"group":null,', b"")

    async with serving(tmp_path) as server, peer_of(server) as peer:
        await peer.send(W(1) + J(1, payload))
        await peer.acks(1)
        address = f"127.0.0.1:{server.worker.api_port}"
        command = ("doctor", "--server", address, "--json")

        ran = await asyncio.to_thread(run, *command, folder=tmp_path)

    assert ran.code == 1
    assert marks(ran.out)["fields under root"] == "problem"
    assert marks(ran.out)["dropped by rule"] == "problem"


@pytest.fixture
def elasticsearch() -> Iterator[FakeElasticsearch]:
    """One on a loop of its own: the command runs its own loop in this thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    fake = FakeElasticsearch(login=("logstash_writer", "right"))
    asyncio.run_coroutine_threadsafe(fake.__aenter__(), loop).result(5)
    try:
        yield fake
    finally:
        asyncio.run_coroutine_threadsafe(fake.__aexit__(None, None, None), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_elasticsearch_alone_is_asked_with_the_writers_login(
    elasticsearch: FakeElasticsearch, tmp_path: Path
) -> None:
    command = ("doctor", "--elasticsearch", elasticsearch.url, "--json")

    right = run(*command, folder=tmp_path, environ={"LOGSTASH_WRITER_PASSWORD": "right"})
    wrong = run(*command, folder=tmp_path, environ={"LOGSTASH_WRITER_PASSWORD": "wrong"})

    assert marks(right.out)["Elasticsearch"] == "ok"
    assert "server" not in marks(right.out)
    assert (wrong.code, marks(wrong.out)) == (4, {"login": "problem"})
    assert b"wrong" not in wrong.out


def test_what_elasticsearch_says_never_commands_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    evil = "\x1b]0;pwned\x07\x9b"

    _print(Finding("problem", evil, evil, evil, looked_at=evil), as_json=False)

    for line in capsys.readouterr().out.splitlines():
        assert line.isprintable()


def test_the_sinks_of_a_receiver_are_not_looked_at(tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(
        "role: receive\n"
        "buffer: {kafka: {brokers: ['127.0.0.1:9']}}\n"
        "sinks: {elasticsearch: {hosts: ['http://127.0.0.1:9']}}\n"
        "api: {listen: '127.0.0.1:9'}\n"
    )

    ran = run("doctor", "--json", "--config", str(config), folder=tmp_path)

    seen = marks(ran.out)
    assert seen["server"] == "problem"
    assert "Elasticsearch" not in seen
