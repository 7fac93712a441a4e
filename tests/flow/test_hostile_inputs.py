"""The hostile and odd inputs of the wire, each over a real socket against a whole worker.

The number in a test's name is its row in the table of hostile inputs. "Closes" means the
same everywhere: FIN, no ack for that window, and every earlier complete window keeps its ack.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
import zlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from ptingest.model.outcome import Fate
from ptingest.sources.beats.connection import BeatsConnection
from tests.fakes.clock import AheadClock
from tests.support.raw_peer import C, D, J, W, event, peer_of
from tests.support.serving import serving
from tests.support.waiting import until

MAX = 2**32 - 1
GOOD = W(1) + J(1)


class Case(NamedTuple):
    """Bytes in; acks (keepalives left out), end, documents and dead letters out."""

    row: int
    claim: str
    data: bytes
    acks: list[tuple[int, int]]
    closes: bool
    documents: int = 0
    reasons: tuple[str, ...] = ()
    settings: Mapping[str, Any] = MappingProxyType({})


def raw_c(stream: bytes) -> bytes:
    return b"2C" + struct.pack(">I", len(stream)) + stream


def gzip_of(data: bytes) -> bytes:
    return zlib.compress(data, wbits=31)


def deflate_of(data: bytes) -> bytes:
    return zlib.compress(data, wbits=-15)


SMALL = {"limits": {"window_bytes": "1MiB", "window_events": 8, "pairs": 4}}

CASES = [
    Case(6, "W 0 then a normal window", W(0) + GOOD, [(2, 1)], False, 1),
    Case(7, "a window of 2^32-1 closes", W(MAX), [], True),
    Case(8, "a window over the limit closes", W(9), [], True, settings=SMALL),
    Case(
        8,
        "a window at the limit is taken",
        W(8) + b"".join(map(J, range(1, 9))),
        [(2, 8)],
        False,
        8,
        settings=SMALL,
    ),
    Case(9, "data before any W is a window of one", J(7) + J(8), [(2, 7), (2, 8)], False, 2),
    Case(
        10,
        "a short window is acked before the new one",
        W(3) + J(1) + J(2) + W(1) + J(1),
        [(2, 2), (2, 1)],
        False,
        3,
    ),
    Case(
        12,
        "one W and an endless stream",
        W(2) + b"".join(map(J, range(1, 7))),
        [(2, 2), (2, 4), (2, 6)],
        False,
        6,
    ),
    Case(
        13,
        "a surplus opens the next window",
        W(2) + J(1) + J(2) + J(3) + J(4),
        [(2, 2), (2, 4)],
        False,
        4,
    ),
    Case(14, "a window over two C", W(4) + C(J(1) + J(2)) + C(J(3) + J(4)), [(2, 4)], False, 4),
    Case(14, "a window of C and bare J", W(3) + C(J(1) + J(2)) + J(3), [(2, 3)], False, 3),
    Case(15, "W inside C", C(W(2) + J(1) + J(2)), [(2, 2)], False, 2),
    Case(16, "C in C closes", W(1) + C(C(J(1))), [], True),
    Case(17, "C in C and then half a frame closes", W(1) + C(C(J(1)) + b"2J\0"), [], True),
    Case(18, "C of nothing closes", W(1) + b"2C\0\0\0\0", [], True),
    Case(18, "C of an empty stream closes", W(1) + C(b""), [], True),
    Case(19, "not zlib closes", W(1) + raw_c(b"not zlib at all"), [], True),
    Case(19, "gzip closes", W(1) + raw_c(gzip_of(J(1))), [], True),
    Case(19, "raw deflate closes", W(1) + raw_c(deflate_of(J(1))), [], True),
    Case(20, "a truncated stream closes", W(1) + raw_c(zlib.compress(J(1))[:-6]), [], True),
    Case(20, "a wrong checksum closes", W(1) + raw_c(zlib.compress(J(1))[:-1] + b"?"), [], True),
    Case(
        21,
        "junk after the stream is accepted",
        W(1) + raw_c(zlib.compress(J(1)) + b"junk"),
        [(2, 1)],
        False,
        1,
    ),
    Case(
        22, "inflated content that ends inside a frame closes", W(2) + C(J(1) + J(2)[:-3]), [], True
    ),
    Case(
        22,
        "inflated content that ends at a field boundary closes",
        W(2) + C(J(1) + J(2)[:6]),
        [],
        True,
    ),
    Case(
        23,
        "a bomb stops at the cap",
        W(1) + raw_c(zlib.compress(bytes(64 << 20))),
        [],
        True,
        settings=SMALL,
    ),
    Case(
        24,
        "many C near the cap count together",
        W(8) + C(J(1, event("x" * 600_000))) + C(J(2, event("x" * 600_000))),
        [],
        True,
        settings=SMALL,
    ),
    Case(25, "a C of 2^31-1 closes on its header", W(1) + b"2C\x7f\xff\xff\xff", [], True),
    Case(25, "a C of 2^32-1 closes on its header", W(1) + b"2C\xff\xff\xff\xff", [], True),
    Case(25, "a J of 2^31-1 closes on its header", W(1) + b"2J\0\0\0\1\x7f\xff\xff\xff", [], True),
    Case(
        26, "an empty J is a dead letter", W(2) + J(1, b"") + J(2), [(2, 2)], False, 1, ("empty",)
    ),
    *[
        Case(
            27,
            f"J {text.decode()} is a dead letter",
            W(2) + J(1, text) + J(2),
            [(2, 2)],
            False,
            1,
            ("not_an_object",),
        )
        for text in (b"[]", b'"s"', b"1", b"true", b"null")
    ],
    Case(28, "{} is an event like any other, of no group", W(1) + J(1, b"{}"), [(2, 1)], False, 0),
    *[
        Case(29, claim, W(2) + J(1, text) + J(2), [(2, 2)], False, 1, ("not_json",))
        for claim, text in {
            "broken JSON is a dead letter": b'{"a":',
            "trailing text is a dead letter": event() + b"xx",
            "raw control characters are a dead letter": event().replace(b"|x", b"|\x01"),
        }.items()
    ],
    Case(
        30,
        "invalid UTF-8 is replaced",
        W(1) + J(1, event().replace(b"|x", b"|\xff")),
        [(2, 1)],
        False,
        1,
    ),
    Case(
        30,
        "invalid UTF-8 in a line that fits no pattern is replaced",
        W(1) + J(1, event("no pattern").replace(b"pattern", b"\xff")),
        [(2, 1)],
        False,
        1,
    ),
    Case(31, "a BOM is stripped", W(1) + J(1, b"\xef\xbb\xbf" + event()), [(2, 1)], False, 1),
    Case(
        31,
        "UTF-16 is a dead letter",
        W(1) + J(1, event().decode().encode("utf-16")),
        [(2, 1)],
        False,
        0,
        ("not_json",),
    ),
    Case(
        32,
        "a lone surrogate is replaced",
        W(1) + J(1, event().replace(b"|x", rb"|\ud800")),
        [(2, 1)],
        False,
        1,
    ),
    Case(
        33,
        "NaN is a dead letter",
        W(1) + J(1, event()[:-1] + b',"n":NaN}'),
        [(2, 1)],
        False,
        0,
        ("not_json",),
    ),
    Case(
        34,
        "a 100,000-deep array is a dead letter",
        W(1) + J(1, event()[:-1] + b',"n":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
        [(2, 1)],
        False,
        0,
        ("too_deep",),
    ),
    Case(
        35,
        "of duplicate keys the last wins",
        W(1) + J(1, event()[:-1] + b',"message":"last"}'),
        [(2, 1)],
        False,
        1,
    ),
    Case(
        36,
        "a message of 3 MiB is taken",
        W(1) + C(J(1, event("x" * (3 << 20)))),
        [(2, 1)],
        False,
        1,
    ),
    *[
        Case(
            37,
            f"{field} of the wrong type keeps the event",
            W(1) + J(1, event(**{field: value})),
            [(2, 1)],
            False,
            1,
        )
        for field, value in {
            "@metadata": 1,
            "fields": "x",
            "host": "h",
            "log": [1],
            "@timestamp": 0,
        }.items()
    ],
    Case(
        37,
        "tags that are an object are a dead letter",
        W(1) + J(1, event(tags={"a": 1})),
        [(2, 1)],
        False,
        0,
        ("tags_invalid",),
    ),
    Case(
        38,
        "one bad event among good ones",
        W(3) + J(1) + J(2, b"{") + J(3),
        [(2, 3)],
        False,
        2,
        ("not_json",),
    ),
    Case(39, "seqs all equal", W(3) + J(5) + J(5) + J(5), [(2, 5)], False, 3),
    Case(39, "falling seqs", W(3) + J(3) + J(2) + J(1), [(2, 1)], False, 3),
    Case(39, "seqs from 2^31", W(2) + J(2**31) + J(2**31 + 1), [(2, 2**31 + 1)], False, 2),
    Case(41, "an unknown type closes", GOOD + b"2Z\0\0\0\1", [(2, 1)], True, 1),
    Case(41, "version 3 closes", GOOD + b"3W\0\0\0\1", [(2, 1)], True, 1),
    Case(42, "an ack from a client closes", GOOD + b"2A\0\0\0\1", [(2, 1)], True, 1),
    Case(43, "2W then 1J closes", W(1) + b"1J\0\0\0\1\0\0\0\2{}", [], True),
    Case(43, "2W then 1D closes", W(1) + D(1, line="x"), [], True),
    Case(43, "1W then 2J closes", W(1, b"1") + J(1), [], True),
    Case(43, "2D closes", W(1) + b"2" + D(1, line="x")[1:], [], True),
    Case(
        45,
        "D without pairs is a dead letter",
        W(1, b"1") + b"1D\0\0\0\1\0\0\0\0",
        [(1, 1)],
        False,
        0,
        ("empty",),
    ),
    Case(45, "D with 2^32-1 pairs closes", W(1, b"1") + b"1D\0\0\0\1\xff\xff\xff\xff", [], True),
    Case(
        45,
        "D with a huge item closes",
        W(1, b"1") + b"1D\0\0\0\1\0\0\0\1\xff\xff\xff\xff",
        [],
        True,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.row} {case.claim}"[:70])
async def test_the_table(case: Case, tmp_path: Path) -> None:
    async with serving(tmp_path, **case.settings) as server, peer_of(server) as peer:
        await peer.send(case.data)

        if case.closes:
            assert [ack for ack in await peer.rest() if ack[1]] == case.acks
        else:
            assert await peer.acks(len(case.acks)) == case.acks
            # Still open and well: one more window gets its ack and nothing else came between.
            if case.acks[-1][0] == 2:
                await peer.send(W(1) + J(99))
                assert await peer.acks(1) == [(2, 99)]
                server.sink.documents.pop()

        assert len(server.sink.documents) == case.documents
        assert sorted(letter.reason for letter in server.letters()) == sorted(case.reasons)
        assert server.metric("ptingest_beats_open_windows") == 0


async def test_5_w_0_gets_ack_0_in_the_peers_version(tmp_path: Path) -> None:
    async with serving(tmp_path, keepalive_seconds=60) as server:
        for version in (1, 2):
            async with peer_of(server) as peer:
                await peer.send(W(0, str(version).encode()))

                assert await peer.acks(1, keepalives=True) == [(version, 0)]


@pytest.mark.parametrize(
    ("claim", "limits", "data", "reason"),
    [
        ("1 a silent connection", {"first_byte_seconds": 0.2}, b"", "first_byte_timeout"),
        ("2 one byte and silence", {"frame_seconds": 0.3}, b"2", "frame_timeout"),
    ],
)
async def test_who_opens_no_window_is_closed_without_a_keepalive(
    claim: str, limits: dict[str, Any], data: bytes, reason: str, tmp_path: Path
) -> None:
    async with serving(tmp_path, keepalive_seconds=0.1, limits=limits) as server:
        async with peer_of(server) as peer:
            await peer.send(data)

            assert await peer.rest() == []
        await server.until("ptingest_beats_closed_connections_total", 1, reason)


async def test_3_half_a_frame_gets_keepalives_until_the_frame_timeout(tmp_path: Path) -> None:
    clock = AheadClock()
    async with serving(tmp_path, clock=clock, keepalive_seconds=0.1) as server:
        async with peer_of(server) as peer:
            await peer.send(W(1) + J(1)[:20])

            assert await peer.acks(2, keepalives=True) == [(2, 0)] * 2
            clock.advance(30)
            assert set(await peer.rest()) <= {(2, 0)}
        await server.until("ptingest_beats_closed_connections_total", 1, "frame_timeout")


def has_read(connection: BeatsConnection, count: int) -> bool:
    """Whether so many bytes were read, or nothing more will be."""
    return connection.lifecycle.reason is not None or connection.counts.bytes >= count


async def test_4_a_trickle_is_closed_at_the_window_timeout(tmp_path: Path) -> None:
    clock = AheadClock()
    # The trickle takes 1,140 s: more than twice as long, whenever the window is seen to be open.
    limits = {"frame_seconds": 2000, "window_seconds": 500}
    async with serving(tmp_path, clock=clock, limits=limits) as server:
        async with peer_of(server) as peer:
            connections = server.worker.parts.source._connections
            (connection,) = await until(lambda: list(connections))
            trickle = W(1) + J(1)[:50]
            for count in range(1, len(trickle) + 1):
                await peer.send(trickle[count - 1 : count])
                await until(partial(has_read, connection, count))
                clock.advance(20)

            acks = await peer.rest()

        assert {seq for _, seq in acks} <= {0}
        await server.until("ptingest_beats_closed_connections_total", 1, "window_timeout")


@pytest.mark.parametrize("start", [W(1), b""], ids=["in a window", "without a window"])
async def test_4_a_frame_that_trickles_is_closed_though_it_is_never_silent(
    start: bytes, tmp_path: Path
) -> None:
    limits = {"frame_seconds": 0.6}
    async with serving(tmp_path, limits=limits) as server:
        async with peer_of(server) as peer:

            async def trickle() -> None:
                await peer.send(start + J(1)[:20])
                while True:
                    await peer.send(b" ")
                    await asyncio.sleep(0.05)  # no race: however slow, the frame never ends

            task = asyncio.ensure_future(trickle())
            acks = await peer.rest()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        assert {seq for _, seq in acks} <= {0}
        await server.until("ptingest_beats_closed_connections_total", 1, "frame_timeout")


async def test_4_a_slow_line_may_take_its_time(tmp_path: Path) -> None:
    clock = AheadClock()
    limits = {"frame_seconds": 30, "window_seconds": 40, "min_bytes_per_second": 1}
    async with serving(tmp_path, clock=clock, limits=limits) as server, peer_of(server) as peer:
        (connection,) = await until(lambda: list(server.worker.parts.source._connections))
        window = W(1) + C(J(1))
        sent = min(100, len(window) - 10)
        for count in range(1, sent + 1):
            await peer.send(window[count - 1 : count])
            await until(partial(has_read, connection, count))
            clock.advance(0.8)  # 80 s for what has 40; more than a byte a second
        await peer.send(window[sent:])

        assert await peer.acks(1) == [(2, 1)]


async def test_24_a_window_that_inflates_too_far_is_closed_alone_and_behind_a_good_one(
    tmp_path: Path,
) -> None:
    large = C(b"".join(J(n, event("x" * (1 << 18))) for n in range(1, 13)))
    async with serving(tmp_path, limits={"window_bytes": "8MiB"}) as server:
        async with peer_of(server) as peer:
            server.sink.open.clear()
            await peer.send(GOOD + W(64 * 12) + large * 4)
            await server.until("ptingest_beats_protocol_errors_total", 1, "inflated_too_large")
            server.sink.open.set()

            assert [ack for ack in await peer.rest() if ack[1]] == [(2, 1)]
        async with peer_of(server) as alone:
            await alone.send(W(64 * 12) + large * 4)

            assert {seq for _, seq in await alone.rest()} <= {0}
        closed = "ptingest_beats_closed_connections_total"
        await server.until(closed, 2, "inflated_too_large")


async def test_11_a_quiet_v1_window_gets_a_partial_ack(tmp_path: Path) -> None:
    async with serving(tmp_path, quiet_seconds=0.2) as server, peer_of(server) as peer:
        await peer.send(W(10, b"1") + D(1, line="x") + D(2, line="y"))

        assert await peer.acks(1, keepalives=True) == [(1, 2)]
        assert len(server.sink.documents) == 2


async def test_11_a_quiet_v2_window_gets_keepalives_and_then_a_close(tmp_path: Path) -> None:
    clock = AheadClock()
    async with serving(tmp_path, clock=clock, quiet_seconds=0.1) as server:
        async with peer_of(server) as peer:
            await peer.send(W(3) + J(1) + J(2))

            assert await peer.acks(2, keepalives=True) == [(2, 0)] * 2
            clock.advance(300)
            assert set(await peer.rest()) <= {(2, 0)}
        assert server.metric("ptingest_beats_acks_total") == 0


async def test_34_a_5000_digit_integer_harms_nobody(tmp_path: Path) -> None:
    long_number = event()[:-1] + b',"n":' + b"9" * 5000 + b"}"
    async with serving(tmp_path) as server, peer_of(server) as peer:
        await peer.send(W(2) + J(1, long_number) + J(2))

        assert await peer.acks(1) == [(2, 2)]
        assert len(server.sink.documents) + len(server.letters()) == 2


async def test_40_a_last_seq_of_0_is_echoed(tmp_path: Path) -> None:
    async with serving(tmp_path, keepalive_seconds=60) as server, peer_of(server) as peer:
        await peer.send(W(2) + J(MAX) + J(0))

        assert await peer.acks(1, keepalives=True) == [(2, 0)]
        assert server.metric("ptingest_beats_acks_total") == 1


@pytest.mark.parametrize("version", [1, 2])
async def test_44_frames_split_at_every_byte(version: int, tmp_path: Path) -> None:
    wire = (W(2) + J(1) + J(2)) if version == 2 else W(2, b"1") + D(1, a="x") + D(2, b="y")
    async with serving(tmp_path) as server, peer_of(server) as peer:
        for byte in wire:
            await peer.send(bytes([byte]))
            await asyncio.sleep(0)  # no race: split or joined, what comes is the same

        assert await peer.acks(1) == [(version, 2)]
        assert len(server.sink.documents) == 2


@pytest.mark.parametrize(
    ("data", "hint"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "looks like HTTP"),
        (b"POST /_bulk HTTP/1.1\r\n\r\n", "output.elasticsearch"),
        (bytes.fromhex("16030100c8010000c40303") + bytes(40), "looks like TLS"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "PROXY"),
        (b'{"message":"x"}\n', "JSON"),
        (b"<34>1 2025-01-02T03:04:05Z host app - - - x", "syslog"),
    ],
    ids=["46 HTTP", "46 HTTP bulk", "47 TLS", "49 PROXY", "JSON lines", "syslog"],
)
async def test_strangers_get_one_line_that_says_what_they_look_like(
    data: bytes, hint: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "ptingest")
    async with serving(tmp_path) as server, peer_of(server) as peer:
        await peer.send(data)

        assert await peer.rest() == []
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 1
    assert hint.lower() in lines[0].lower()
    assert lines[0].startswith("127.0.0.1:")


async def test_52_a_half_closed_peer_still_gets_its_ack(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, peer_of(server) as peer:
        await peer.send(W(2) + C(J(1) + J(2)))
        peer.writer.write_eof()

        assert [ack for ack in await peer.rest() if ack[1]] == [(2, 2)]


async def test_53_a_reset_during_processing_costs_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        server.sink.open.clear()
        async with peer_of(server) as peer:
            await peer.send(W(1) + J(1))
            await server.sink.asked.wait()
            linger = struct.pack("ii", 1, 0)
            peer.writer.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, linger
            )
        await server.until("ptingest_beats_closed_connections_total", 1, "peer_reset")
        server.sink.open.set()

        async with peer_of(server) as peer:
            await peer.send(GOOD)
            assert await peer.acks(1) == [(2, 1)]
        assert server.metric("ptingest_beats_acks_total") == 1
        assert server.metric("ptingest_lane_settled_events_total", "memory", "django", Fate.STORED)


async def test_54_a_peer_that_never_reads_its_acks_is_closed(tmp_path: Path) -> None:
    async with serving(tmp_path, limits={"write_seconds": 0.3}) as server:
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        raw.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(raw, ("127.0.0.1", server.port))

        async def flood() -> None:
            while True:  # ends with the connection
                await loop.sock_sendall(raw, W(0) * 5000)

        with pytest.raises(ConnectionError):
            await flood()
        raw.close()
        await server.until("ptingest_beats_closed_connections_total", 1, "write_timeout")


async def test_55_three_pipelined_windows_get_three_acks_and_keepalives(tmp_path: Path) -> None:
    async with serving(tmp_path, keepalive_seconds=0.1) as server, peer_of(server) as peer:
        server.sink.open.clear()
        windows = [W(2) + C(J(n) + J(n + 1)) for n in (1, 11, 21)]
        await peer.send(b"".join(windows))

        waiting = await peer.acks(3, keepalives=True)
        server.sink.open.set()
        final = await peer.acks(3)

        assert waiting == [(2, 0)] * 3
        assert final == [(2, 2), (2, 12), (2, 22)]


async def test_56_windows_wait_while_the_sink_is_down_and_come_through_once(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path, keepalive_seconds=0.1) as server:
        server.sink.open.clear()
        async with peer_of(server) as first, peer_of(server) as second:
            for peer in (first, second):
                await peer.send((W(50) + C(b"".join(map(J, range(1, 51))))) * 4)
            for peer in (first, second):
                assert set(await peer.acks(5, keepalives=True)) == {(2, 0)}
            server.sink.open.set()
            for peer in (first, second):
                assert await peer.acks(4) == [(2, 50)] * 4

        assert len(server.sink.documents) == 400


async def test_57_a_window_held_too_long_lets_the_beat_go_elsewhere(tmp_path: Path) -> None:
    clock = AheadClock()
    async with serving(tmp_path, clock=clock, hold_seconds=600) as server:
        server.sink.open.clear()
        async with peer_of(server) as peer:
            await peer.send(GOOD)

            assert await peer.acks(2, keepalives=True) == [(2, 0)] * 2
            clock.advance(1200)
            assert set(await peer.rest()) <= {(2, 0)}
        await server.until("ptingest_beats_closed_connections_total", 1, "held_too_long")


async def test_58_many_clients_at_once_are_all_served(tmp_path: Path) -> None:
    async with serving(tmp_path, limits={"connections_per_ip": 300}) as server:

        async def one() -> None:
            async with peer_of(server) as peer:
                await peer.send(W(3) + C(J(1) + J(2) + J(3)))
                assert await peer.acks(1) == [(2, 3)]

        await asyncio.gather(*[one() for _ in range(250)])

        assert len(server.sink.documents) == 750


async def test_59_a_flood_from_one_address_is_limited_and_others_come_in(tmp_path: Path) -> None:
    async with serving(tmp_path, limits={"connections_per_ip": 3}) as server:
        async with peer_of(server) as a, peer_of(server) as b, peer_of(server) as c:
            for peer in (a, b, c):
                await peer.send(GOOD)
                assert await peer.acks(1) == [(2, 1)]
            async with peer_of(server) as refused:
                assert await refused.rest() == []
            async with peer_of(server, "127.0.0.2") as other:
                await other.send(GOOD)
                assert await other.acks(1) == [(2, 1)]

        assert server.metric("ptingest_beats_rejected_connections_total", "connections_per_ip") == 1


async def test_60_a_stop_with_windows_open_finishes_and_acks_them(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, peer_of(server) as peer:
        server.sink.open.clear()
        await peer.send(W(2) + C(J(1) + J(2)))
        await server.sink.asked.wait()
        server.worker.stop()
        await until(lambda: server.worker.parts.source.draining)
        server.sink.open.set()

        assert [ack for ack in await peer.rest() if ack[1]] == [(2, 2)]


async def test_60_a_stop_while_the_sink_is_down_leaves_in_time_without_an_ack(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as server, peer_of(server) as peer:
        server.sink.open.clear()
        await peer.send(W(2) + C(J(1) + J(2)) + W(5) + J(1))
        await server.sink.asked.wait()
        server.worker.stop()

        assert {seq for _, seq in await peer.rest()} <= {0}
