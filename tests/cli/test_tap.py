"""`ptingest tap` against a real server, with real Beats' bytes and real terminals."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.terminals import terminal
from tests.fakes.authority import Authority, tls_settings
from tests.support.command import Ran, run
from tests.support.raw_peer import J, RawPeer, W, event, peer_of
from tests.support.serving import Server, serving
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(60)

ERROR = event("ERROR|apps.parcels.views|2025-01-02T03:04:05Z|broken")
HOSTILE = event("INFO|root|2025-01-02T03:04:05Z|\x1b]0;owned\x07\x1b[2J\u009b31m\u202eevil")


async def send(peer: RawPeer, *payloads: bytes) -> None:
    frames = (J(seq, payload) for seq, payload in enumerate(payloads, 1))
    await peer.send(W(len(payloads)) + b"".join(frames))
    await peer.acks(1)


async def tapped(server: Server, *arguments: str, payloads: list[bytes], **more: Any) -> Ran:
    """Tap, send the events once the tap is open, and return what was shown."""
    address = f"127.0.0.1:{server.worker.api_port}"
    taps = server.worker.parts.observer.taps
    await until(lambda: not taps.open)  # the one before is gone
    tapping = asyncio.create_task(
        asyncio.to_thread(
            run, "tap", *arguments, "--address", address, folder=server.data_dir, **more
        )
    )
    await until(lambda: taps.open or tapping.done())
    if taps.open:
        async with peer_of(server) as peer:
            await send(peer, *payloads)
    return await tapping


async def test_one_readable_line_an_event(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        ran = await tapped(server, "--limit", "2", payloads=[ERROR, event()])

    first, second = ran.out.decode().splitlines()
    assert first == "2025-01-02T03:04:05.000Z ERROR    django apps.parcels.views broken"
    assert second.startswith("2025-01-02T03:04:05.000Z INFO ")
    assert (ran.code, ran.err) == (0, "2 events\n")


async def test_only_what_the_query_names(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        ran = await tapped(
            server, "log_level:ERROR", "--json", "--limit", "1", payloads=[event(), event(), ERROR]
        )

    (line,) = ran.out.splitlines()
    document = json.loads(line)
    assert (document["log_message"], document["group"]) == ("broken", "pt")


async def test_documents_keep_their_number_texts(tmp_path: Path) -> None:
    odd = event()[:-1] + b',"price":1.10,"far":1e999}'
    async with serving(tmp_path) as server:
        ran = await tapped(server, "--json", "--limit", "1", payloads=[odd])

    assert b'"price":1.10' in ran.out
    assert b'"far":1e999' in ran.out


async def test_raw_is_byte_for_byte_what_came_in(tmp_path: Path) -> None:
    binary = b'{"message": "\xff'
    async with serving(tmp_path) as server:
        ran = await tapped(
            server, "--raw", "--fate", "all", "--limit", "2", payloads=[HOSTILE, binary]
        )

    assert ran.out == HOSTILE + b"\n" + binary + b"\n"


async def test_what_does_not_arrive_is_marked_when_asked_for(tmp_path: Path) -> None:
    payloads = [event(group="x"), b"no json", event(service="A B")]
    async with serving(tmp_path) as server:
        ran = await tapped(server, "--fate", "all", "--limit", "3", payloads=payloads)

    lines = sorted(ran.out.decode().splitlines())
    assert [line.split("  ")[0].split(":")[0] for line in lines] == [
        "DEAD LETTER illegal_data_stream",
        "DEAD LETTER not_json",
        "DROPPED other_group",
    ]
    assert "no json" in lines[1]


async def test_it_ends_after_its_time(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        ran = await tapped(server, "--for", "0.5s", payloads=[event()])

    assert ran.code == 0
    assert ran.out.count(b"\n") == 1
    assert "1 event" in ran.err


async def test_a_query_that_cannot_be_read_points_at_the_column(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        ran = await tapped(server, "service:", payloads=[])

    assert ran.code == 2
    assert "query column 9" in ran.err


@pytest.mark.parametrize("arguments", [["--json", "--raw"], ["--for", "soon"], ["--for", "0s"]])
def test_what_makes_no_sense_is_a_usage_error(arguments: list[str], tmp_path: Path) -> None:
    assert run("tap", *arguments, folder=tmp_path).code == 2


def test_nobody_there_is_not_reachable(tmp_path: Path) -> None:
    ran = run("tap", "--address", "127.0.0.1:1", folder=tmp_path)

    assert ran.code == 4
    assert "no server answers at 127.0.0.1:1" in ran.err


async def test_a_server_that_stops_says_so(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        taps = server.worker.parts.observer.taps
        ran_later = asyncio.create_task(tapped(server, payloads=[event()]))
        await until(lambda: [tap for tap in taps.open if tap.shown])
    ran = await ran_later

    assert ran.code == 4
    assert "the server is stopping" in ran.err
    assert "1 event" in ran.err


async def test_with_tls_and_token_the_config_is_enough(tmp_path: Path) -> None:
    pair = Authority(tmp_path).server("api")
    api = {"tls": tls_settings(pair), "token": "s3cret"}
    async with serving(tmp_path, api=api) as server:
        config = tmp_path / "ptingest.yaml"
        config.write_text(
            'api: {token: "${API_TOKEN}", '
            f"tls: {{certificate: {pair.certificate}, key: {pair.key}}}}}\n"
        )
        without = await tapped(server, payloads=[])
        asked = ("--config", str(config), "--limit", "1")
        ran = await tapped(server, *asked, payloads=[ERROR], environ={"API_TOKEN": "s3cret"})
        wrong = await tapped(server, *asked, payloads=[], environ={"API_TOKEN": "guess"})

    assert without.code == 4
    assert (ran.code, b"broken" in ran.out) == (0, True)
    assert wrong.code == 4
    assert "refuses the token" in wrong.err


@pytest.mark.parametrize("option", [[], ["--json"], ["--raw"]], ids=str)
async def test_no_event_commands_the_terminal(option: list[str], tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        address = f"127.0.0.1:{server.worker.api_port}"
        with terminal("tap", *option, "--limit", "1", "--address", address) as screen:
            taps = server.worker.parts.observer.taps
            await until(lambda: taps.open)
            async with peer_of(server) as peer:
                await send(peer, HOSTILE)
            code = await asyncio.to_thread(screen.ended)

    assert code == 0
    assert "evil" in "".join(screen.lines)
    for command in (b"\x1b]", b"\x1b[2J", "\u009b".encode(), "\u202e".encode(), b"\x07"):
        assert command not in screen.written


async def test_ctrl_c_leaves_with_the_counts(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        address = f"127.0.0.1:{server.worker.api_port}"
        with terminal("tap", "--address", address) as screen:
            taps = server.worker.parts.observer.taps
            await until(lambda: taps.open)
            async with peer_of(server) as peer:
                await send(peer, ERROR)
            await asyncio.to_thread(screen.until, lambda text: "broken" in text)
            screen.press("\x03")
            code = await asyncio.to_thread(screen.ended)

    assert code == 0
    assert "1 event" in screen.text
    assert b"Traceback" not in screen.written


async def test_under_load_events_are_skipped_and_the_road_goes_on(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        taps = server.worker.parts.observer.taps
        ran_later = asyncio.create_task(tapped(server, "--for", "2s", payloads=[event()]))
        await until(lambda: taps.open)
        tap = taps.open[0]
        payloads = [event(f"INFO|root|2025-01-02T03:04:05Z|{n}") for n in range(2000)]
        async with peer_of(server) as peer:
            for _ in range(5):
                await send(peer, *payloads)
        ran = await ran_later

    assert tap.seen >= 10_000
    assert tap.skipped > 0
    assert tap.shown + tap.skipped + tap.lost == tap.seen
    assert "skipped, so that events are not slowed down" in ran.err
    assert ran.code == 0
