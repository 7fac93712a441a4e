"""Byte streams made by hand: what the clients do, what we put up with, what we refuse."""

from __future__ import annotations

import gzip
import zlib

import pytest

from ptingest.lumberjack.window import DATA_WITHOUT_WINDOW, JUNK_AFTER_ZLIB, SHORT_WINDOW, SURPLUS
from tests.support.feeding import SMALL, acks, windows_and_error
from tests.support.wire_description import U32, c, d, j, raw_c, w

A, B, C = b'{"a":1}', b'{"b":2}', b'{"c":3}'


# --- what the clients do ----------------------------------------------------------------

HABITS = [
    pytest.param(w(2) + j(1, A) + j(2, B), [[A, B]], [2], id="a window with bare events"),
    pytest.param(w(2) + c(j(1, A), j(2, B)), [[A, B]], [2], id="a window in one compressed frame"),
    pytest.param(w(1) + c(j(1)) + w(1) + c(j(2, B)), [[A], [B]], [1, 2], id="seq that runs on"),
    pytest.param(w(2) + c(j(1)) + c(j(2, B)), [[A, B]], [2], id="a window over two compressed"),
    pytest.param(w(3) + j(1) + c(j(2, B)) + j(3, C), [[A, B, C]], [3], id="bare and compressed"),
    pytest.param(c(w(2), j(0, A), j(1, B)), [[A, B]], [1], id="window frame inside compressed"),
    pytest.param(c(w(1), j(1), w(1), j(9, B)), [[A], [B]], [1, 9], id="two windows inside one"),
    pytest.param(w(0), [[]], [0], id="an empty window is acked with 0"),
    pytest.param(w(0) + w(1) + j(1), [[], [A]], [0, 1], id="an empty window, then a normal one"),
    pytest.param(w(2) + j(7) + j(7, B), [[A, B]], [7], id="equal seqs"),
    pytest.param(w(2) + j(2) + j(1, B), [[A, B]], [1], id="falling seqs"),
    pytest.param(w(2) + j(2**31 - 1) + j(2**31, B), [[A, B]], [2**31], id="seq past 2^31"),
    pytest.param(w(2) + j(2**32 - 1) + j(0, B), [[A, B]], [0], id="seq wraps to 0"),
    pytest.param(w(4) + j(1, b"") + j(2, b"[]") + j(3, b"{") + j(4, b"\xff\x00"),
                 [[b"", b"[]", b"{", b"\xff\x00"]], [4], id="what is no event is passed on"),
    pytest.param(w(1, 1) + d(5, (b"k", b"v")), [[b'{"k":"v"}']], [5], id="version 1, bare"),
    pytest.param(w(2, 1) + c(d(1), d(2), version=1),
                 [[b'{"line":"x"}', b'{"line":"x"}']], [2], id="version 1, compressed"),
    pytest.param(w(1) + j(1) + w(1, 1) + d(1) + w(1) + j(1, B),
                 [[A], [b'{"line":"x"}'], [B]], [1, 1, 1], id="another version in the next window"),
]  # fmt: skip


@pytest.mark.parametrize("step", [None, 1, 2, 7, 11])
@pytest.mark.parametrize(("wire", "payloads", "seqs"), HABITS)
def test_a_conversation_gives_its_windows_however_the_bytes_arrive(
    wire: bytes, payloads: list[list[bytes]], seqs: list[int], step: int | None
) -> None:
    windows, error = windows_and_error(wire, step=step)

    assert error is None
    assert [window.payloads for window in windows] == payloads
    assert acks(windows) == seqs
    assert all(window.is_last and not window.odd for window in windows)


# --- oddities that are put up with ------------------------------------------------------

ODD = [
    pytest.param(w(5) + j(1) + j(2, B) + w(1) + j(1, C), [[A, B], [C]], [2, 1],
                 [(SHORT_WINDOW,), ()], id="a new window frame finishes a short window first"),
    pytest.param(c(w(5), j(1), w(1), j(1, C)), [[A], [C]], [1, 1],
                 [(SHORT_WINDOW,), ()], id="the same inside a compressed frame"),
    pytest.param(w(5) + w(1) + j(1), [[A]], [1],
                 [(SHORT_WINDOW,)], id="a window frame without any event is replaced"),
    pytest.param(w(5) + j(1) + w(0), [[A], []], [1, 0],
                 [(SHORT_WINDOW,), ()], id="an empty window after a short one"),
    pytest.param(w(2) + j(1) + j(2) + j(3) + j(4), [[A, A], [A, A]], [2, 4],
                 [(), (SURPLUS,)], id="one window frame, an endless stream"),
    pytest.param(w(2) + c(j(1), j(2), j(3)) + j(4), [[A, A], [A, A]], [2, 4],
                 [(), (SURPLUS,)], id="surplus in a compressed frame opens the next window"),
    pytest.param(j(7) + j(9, B), [[A], [B]], [7, 9],
                 [(DATA_WITHOUT_WINDOW,), (DATA_WITHOUT_WINDOW,)], id="data before any window"),
    pytest.param(d(7), [[b'{"line":"x"}']], [7],
                 [(DATA_WITHOUT_WINDOW,)], id="version 1 data before any window"),
    pytest.param(w(0) + j(3), [[], [A]], [0, 3],
                 [(), (DATA_WITHOUT_WINDOW,)], id="data after an empty window"),
    pytest.param(w(1) + raw_c(zlib.compress(j(1)) + b"junk"), [[A]], [1],
                 [(JUNK_AFTER_ZLIB,)], id="junk after the zlib stream"),
]  # fmt: skip


@pytest.mark.parametrize("step", [None, 1])
@pytest.mark.parametrize(("wire", "payloads", "seqs", "odd"), ODD)
def test_an_oddity_is_put_up_with_and_named(
    wire: bytes,
    payloads: list[list[bytes]],
    seqs: list[int],
    odd: list[tuple[str, ...]],
    step: int | None,
) -> None:
    windows, error = windows_and_error(wire, step=step)

    assert error is None
    assert [window.payloads for window in windows] == payloads
    assert acks(windows) == seqs
    assert [window.odd for window in windows] == odd


# --- what is refused --------------------------------------------------------------------

GOOD = zlib.compress(j(1))
BAD_CHECKSUM = GOOD[:-1] + bytes([GOOD[-1] ^ 1])
RAW = zlib.compressobj(wbits=-15)

REFUSED = [
    pytest.param(b"2W" + U32, "window_too_large", id="window of 2^32-1"),
    pytest.param(w(SMALL.window_events + 1), "window_too_large", id="window above the limit"),
    pytest.param(w(1) + c(c(j(1))), "nested_compression", id="compressed in compressed"),
    pytest.param(w(1) + c(b"2C"), "nested_compression", id="begin of compressed in compressed"),
    pytest.param(w(1) + c(j(1), b"2C\0\0"), "nested_compression", id="the same after a window"),
    pytest.param(w(1) + raw_c(b""), "not_zlib", id="compressed frame of length 0"),
    pytest.param(w(1) + raw_c(zlib.compress(b"")), "empty_compressed_frame", id="zlib of nothing"),
    pytest.param(w(1) + raw_c(b"not zlib at all"), "not_zlib", id="not zlib"),
    pytest.param(w(1) + raw_c(gzip.compress(j(1))), "not_zlib", id="gzip"),
    pytest.param(w(1) + raw_c(RAW.compress(j(1) * 9) + RAW.flush()), "not_zlib", id="raw deflate"),
    pytest.param(w(1) + raw_c(GOOD[:-1]), "truncated_zlib", id="zlib without its last byte"),
    pytest.param(w(1) + raw_c(GOOD[:9]), "truncated_zlib", id="half a zlib stream"),
    pytest.param(w(1) + raw_c(BAD_CHECKSUM), "bad_zlib", id="wrong Adler-32"),
    pytest.param(w(2) + c(j(1), j(2)[:-1]), "truncated_frame", id="ends inside an event"),
    pytest.param(w(2) + c(j(1), j(2)[:10]), "truncated_frame", id="ends at a field boundary"),
    pytest.param(w(2) + c(j(1), b"2"), "truncated_frame", id="ends inside a header"),
    pytest.param(w(1, 1) + c(d(1)[:-1], version=1), "truncated_frame", id="ends inside v1 data"),
    pytest.param(w(1) + b"2C" + U32, "frame_too_large", id="compressed length of 2^32-1"),
    pytest.param(w(1) + b"2C\x7f\xff\xff\xff", "frame_too_large", id="compressed, 2^31-1"),
    pytest.param(w(1) + b"2J\0\0\0\1" + U32, "frame_too_large", id="JSON length of 2^32-1"),
    pytest.param(w(1) + c(b"2J\0\0\0\1" + U32), "frame_too_large", id="the same, compressed"),
    pytest.param(w(1, 1) + b"1D\0\0\0\1" + U32, "too_many_pairs", id="2^32-1 pairs"),
    pytest.param(w(1, 1) + b"1D\0\0\0\1\0\0\0\1" + U32, "frame_too_large", id="huge key length"),
    pytest.param(b"2Z", "unknown_frame_type", id="unknown type"),
    pytest.param(w(1) + b"3J", "bad_version", id="version 3"),
    pytest.param(w(1) + c(b"3J"), "bad_version", id="version 3, compressed"),
    pytest.param(w(1) + b"2A\0\0\0\1", "ack_from_peer", id="an ack from the peer"),
    pytest.param(w(1) + b"1J", "mixed_versions", id="1J in a version 2 window"),
    pytest.param(w(1) + d(1), "mixed_versions", id="1D in a version 2 window"),
    pytest.param(w(1, 1) + j(1), "mixed_versions", id="2J in a version 1 window"),
    pytest.param(w(1) + b"2D", "mixed_versions", id="2D"),
    pytest.param(b"1J", "mixed_versions", id="1J before any window"),
    pytest.param(w(1) + c(j(1), version=1), "mixed_versions", id="1C in a version 2 window"),
    pytest.param(c(w(1), version=1), "mixed_versions", id="2W in 1C"),
    pytest.param(w(2) + c(w(1, 1), version=1), "mixed_versions", id="1C{1W} in an open window"),
    pytest.param(w(2) + j(1) + b"1J\0\0\0\2\0\0\0\0", "mixed_versions", id="1J after 2J"),
    pytest.param(w(2) + j(1) + b"2Z\0\0\0\2\0\0\0\0", "unknown_frame_type", id="2Z after 2J"),
    pytest.param(w(2) + c(j(1), b"2Z\0\0\0\2\0\0\0\0"), "unknown_frame_type", id="2Z in 2C"),
    pytest.param(w(2, 1) + d(1) + b"2D\0\0\0\2\0\0\0\0", "mixed_versions", id="2D after 1D"),
    pytest.param(w(1) + b"GET / HTTP/1.1", "bad_version", id="HTTP in mid-stream"),
]  # fmt: skip


@pytest.mark.parametrize("step", [None, 1, 3])
@pytest.mark.parametrize(("wire", "reason"), REFUSED)
def test_what_breaks_the_format_is_refused_with_its_reason(
    wire: bytes, reason: str, step: int | None
) -> None:
    before = w(2) + j(1) + j(2, B)
    broken = before + wire if reason != "mixed_versions" or wire[1:2] == b"W" else wire

    windows, error = windows_and_error(broken, step=step)

    assert error is not None
    assert error.reason == reason
    assert len(windows) <= 2
    if broken is not wire:
        assert windows[0].payloads == [A, B]


STRANGERS = [
    pytest.param(b"\x16\x03\x01\x02\x00", "looks_like_tls", "set beats.tls here", id="TLS hello"),
    *[
        pytest.param(start, "looks_like_http", "output.elasticsearch", id=start.decode())
        for start in (b"GET /", b"POST /", b"HEAD /", b"PUT /", b"PRI * HTTP/2.0", b"PROPFIND /")
    ],
    pytest.param(b"PROXY TCP4 ", "looks_like_proxy", "PROXY", id="PROXY v1"),
    pytest.param(b"\r\n\r\n\0\r\nQUIT\n", "looks_like_proxy", "PROXY", id="PROXY v2"),
    pytest.param(b'{"message":', "looks_like_json", "output.logstash", id="JSON lines"),
    pytest.param(b"<34>1 2026", "looks_like_syslog", "output.logstash", id="syslog"),
    pytest.param(b"SSH-2.0-", "looks_like_ssh", "SSH", id="SSH"),
    pytest.param(b"\0\0\0\0\0", "bad_version", "only versions 1 and 2", id="anything else"),
]


@pytest.mark.parametrize("step", [None, 1])
@pytest.mark.parametrize(("wire", "reason", "hint"), STRANGERS)
def test_a_stranger_is_recognised_by_its_first_bytes(
    wire: bytes, reason: str, hint: str, step: int | None
) -> None:
    _, error = windows_and_error(wire, step=step)

    assert error is not None
    assert error.reason == reason
    assert hint in str(error)
