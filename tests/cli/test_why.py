"""`ptingest why` against a real server, its dead letters, and its store."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from ptingest.cli.why import lines
from tests.support.command import Ran, run
from tests.support.raw_peer import LINE, J, W, event, peer_of, shipped
from tests.support.serving import Server, serving

pytestmark = pytest.mark.timeout(60)


def config_of(server: Server, folder: Path) -> Path:
    config = folder / "ptingest.yaml"
    config.write_text(
        f'{{data_dir: "{server.data_dir}", api: {{listen: "127.0.0.1:{server.worker.api_port}"}}}}'
    )
    return config


async def asked(server: Server, folder: Path, *arguments: str) -> Ran:
    config = config_of(server, folder)
    return await asyncio.to_thread(run, "why", *arguments, "--config", config, folder=folder)


async def send(server: Server, *payloads: bytes) -> None:
    async with peer_of(server) as peer:
        frames = (J(seq, payload) for seq, payload in enumerate(payloads, 1))
        await peer.send(W(len(payloads)) + b"".join(frames))
        await peer.acks(1)


async def test_the_whole_life_is_told(tmp_path: Path) -> None:
    async with serving(tmp_path, sinks={"store": {}}) as server:
        await send(server, shipped("INFO|a|2025-01-02T03:04:05Z|x", 9), shipped())
        ran = await asked(server, tmp_path, "parcel 42")
        as_json = await asked(server, tmp_path, "parcel 42", "--json")

    text = ran.out.decode()
    assert ran.code == 0, ran.err
    for words in (
        "store: stored; acked 0.",
        "came        20",
        "from 127.0.0.1:",
        "number 1, seq 2 of 2, 2 events, acked",
        "pattern     plain_time",
        "data stream logs-django-pt",
        "write       store batch 1 at ",
        "in the embedded store, logs-django-pt:",
        "the server remembers 2 whole events",
    ):
        assert words in text
    found = json.loads(as_json.out)
    assert found["server"]["found"][0]["window"]["seq"] == 2
    assert found["store"][0]["document"]["log_message"] == "parcel 42"


async def test_of_many_that_fit_ten_are_shown_and_the_others_counted(tmp_path: Path) -> None:
    async with serving(tmp_path, sinks={"store": {}}) as server:
        for begin in range(0, 13):
            line = f"INFO|apps.x|2025-01-02T03:04:05Z|like the others {begin}"
            await send(server, event(line), event(line, service="A B"))
        ran = await asked(server, tmp_path, "like the others")
        as_json = await asked(server, tmp_path, "like the others", "--json")

    text = ran.out.decode()
    assert "… and 16 more fit in the memory of the server" in text
    assert "… and 3 more are dead letters" in text
    assert "… and 3 more stored documents have these words: `ptingest search " in text
    found = json.loads(as_json.out)
    assert found["more"] == {"server": 16, "dead_letters": 3, "store": 3}
    assert [len(found[name]) for name in ("dead_letters", "store")] == [10, 10]
    assert len(found["server"]["found"]) == 10


async def test_an_id_finds_the_same(tmp_path: Path) -> None:
    async with serving(tmp_path, sinks={"store": {}}) as server:
        await send(server, shipped())
        first = json.loads((await asked(server, tmp_path, LINE, "--json")).out)
        key = first["server"]["found"][0]["id"]
        second = json.loads((await asked(server, tmp_path, key, "--json")).out)

    assert second["asked"] == {"id": key}
    assert second["server"]["found"] == first["server"]["found"]
    assert second["store"] == first["store"]


async def test_a_dead_letter_is_found_by_line_and_by_its_id_without_the_server(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as server:
        config = config_of(server, tmp_path)
        await send(server, shipped(service="A B"))
        live = await asked(server, tmp_path, "parcel 42")
    by_line = await asyncio.to_thread(
        run, "why", "parcel 42", "--json", "--config", config, folder=tmp_path
    )
    (letter,) = json.loads(by_line.out)["dead_letters"]
    by_id = await asyncio.to_thread(
        run, "why", letter["letter"], "--config", config, folder=tmp_path
    )

    assert "in the dead letters: illegal_data_stream" in live.out.decode()
    assert (by_line.code, by_id.code) == (0, 0)
    assert f"ptingest dead-letters show {letter['letter']}" in by_id.out.decode()
    assert "the server was not asked: no server answers" in by_id.out.decode()


async def test_what_is_nowhere_is_shown_as_what_it_would_become(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        ran = await asked(
            server, tmp_path, "ERROR|apps.x|2025-01-02T03:04:05Z|y", "--service", "nginx"
        )
        id_ran = await asked(server, tmp_path, "A" * 22)

    text = ran.out.decode()
    assert ran.code == 1
    assert text.startswith("not found\nthe server remembers 0 whole events")
    assert "why.max_bytes" in text
    assert "if it arrived now:" in text
    assert "logs-nginx-pt" in text
    assert id_ran.code == 1
    assert "if it arrived now" not in id_ran.out.decode()


def test_without_a_server_and_not_found_is_not_reachable(tmp_path: Path) -> None:
    ran = run("why", "nothing", "--address", "127.0.0.1:1", folder=tmp_path)

    assert ran.code == 4
    assert "the server was not asked: no server answers at 127.0.0.1:1" in ran.out.decode()


async def test_memory_that_is_off_names_the_setting(tmp_path: Path) -> None:
    async with serving(tmp_path, why={"max_bytes": 0}) as server:
        await send(server, shipped())
        ran = await asked(server, tmp_path, LINE)

    assert "the server remembers nothing: why.max_bytes is 0" in ran.out.decode()


async def test_nothing_in_an_event_commands_the_terminal(tmp_path: Path) -> None:
    evil = "\x1b]0;owned\x07\x1b[2J\u009b31m\u202eevil"
    async with serving(tmp_path, sinks={"store": {}}) as server:
        await send(server, event(f"INFO|{evil}|2025-01-02T03:04:05Z|{evil}", service=evil))
        await send(server, event(f"INFO|{evil}|2025-01-02T03:04:05Z|{evil}"))
        plain = await asked(server, tmp_path, "evil")
        as_json = await asked(server, tmp_path, "evil", "--json")

    assert "evil" in plain.out.decode()
    for text in (plain.out.decode(), as_json.out.decode()):
        assert not set(text) & {"\x1b", "\x07", "\u009b", "\u202e"}


def test_an_answer_of_a_hostile_server_commands_nothing_either() -> None:
    found: dict[str, Any] = {
        "server": {"failure": "\x1b[2J"},
        "dead_letters": [
            {"letter": "\x1b[2J", "written_at": "\x1b", "reason": "\x1b", "detail": "x"}
        ],
        "store": [],
        "more": {"server": 0, "dead_letters": 0, "store": 0},
        "would_be": None,
    }

    assert all(line.isprintable() for line in lines(found))
