"""One server-side conversation: quiet peers, limits, parts, ends; tables are in tests/wire."""

from __future__ import annotations

import json
import random
import sys
import tracemalloc
import zlib

import pytest

from ptingest.errors import FrameTooLarge, ProtocolError
from ptingest.lumberjack.connection import ServerConnection
from ptingest.lumberjack.frames import encode_window
from ptingest.lumberjack.window import QUIET_WINDOW, Limits
from tests.support.feeding import SMALL, acks, drain, feed, in_steps, joined, windows_and_error
from tests.support.wire_description import U32, c, d, j, raw_c, w

# --- windows ----------------------------------------------------------------------------


def test_a_window_says_its_version_and_what_was_announced() -> None:
    connection = ServerConnection(SMALL)
    before = connection.version

    (one,) = feed(connection, w(1, 1) + d(1))
    (two,) = feed(connection, w(2) + j(1) + j(2))

    assert (before, one.version, two.version, connection.version) == (2, 1, 2, 2)
    assert (one.announced, two.announced) == (1, 2)


def test_pipelined_windows_wait_compressed_and_come_out_one_at_a_time() -> None:
    window = encode_window([b"x" * 1000] * 10)
    connection = ServerConnection(Limits())
    connection.receive_data(window * 3)

    sizes = [connection.received_bytes]
    while connection.next_window():
        sizes.append(connection.received_bytes)

    assert sizes == [3 * len(window), 2 * len(window), len(window), 0]
    assert len(window) < 200


def test_receiving_only_stores_even_what_is_broken() -> None:
    connection = ServerConnection(SMALL)

    connection.receive_data(w(1) + j(1) + b"GET / HTTP/1.1")

    assert connection.next_window() is not None
    with pytest.raises(ProtocolError):
        connection.next_window()


def test_a_short_window_says_what_it_announced() -> None:
    windows, _ = windows_and_error(w(5) + j(1) + w(1) + j(1))

    assert [window.announced for window in windows] == [5, 1]


# --- quiet peers ------------------------------------------------------------------------


def test_a_quiet_v1_peer_gets_its_part_filled_window() -> None:
    connection = ServerConnection(SMALL)
    assert feed(connection, w(1000 % 60, 1) + d(1) + d(2)) == []

    window = connection.quiet_window()

    assert window is not None
    assert (len(window.payloads), window.last_seq, window.is_last) == (2, 2, True)
    assert window.odd == (QUIET_WINDOW,)
    assert not connection.is_window_open


def test_after_a_quiet_window_the_stream_goes_on_with_windows_of_the_same_size() -> None:
    connection = ServerConnection(SMALL)
    feed(connection, w(2, 1) + d(1))
    connection.quiet_window()

    windows = feed(connection, d(2), d(3), d(4))
    last = connection.quiet_window()

    assert acks(windows) == [3]
    assert last is not None
    assert last.last_seq == 4


def test_a_quiet_v2_peer_gets_nothing_until_it_has_reused_a_window() -> None:
    connection = ServerConnection(SMALL)

    feed(connection, w(2) + j(1))
    before = connection.quiet_window()
    feed(connection, j(2) + j(3))
    after = connection.quiet_window()

    assert before is None
    assert after is not None
    assert after.last_seq == 3


@pytest.mark.parametrize(
    "wire",
    [b"", w(5, 1), w(1, 1) + d(1), d(1)[:7]],
    ids=["nothing came", "no event yet", "window complete", "half an event"],
)
def test_a_quiet_peer_that_owes_nothing_gets_nothing(wire: bytes) -> None:
    connection = ServerConnection(SMALL)
    feed(connection, wire)

    assert connection.quiet_window() is None


# --- what is refused --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wire", "setting"),
    [
        (b"2W" + U32, "window_events"),
        (b"2C" + U32, "frame_bytes"),
        (w(1, 1) + b"1D\0\0\0\1" + U32, "pairs"),
        (w(1) + c(*[j(1, bytes(3000))] * 20), "window_bytes"),
    ],
)
def test_a_limit_says_what_was_seen_and_which_setting_allows_more(
    wire: bytes, setting: str
) -> None:
    _, error = windows_and_error(wire)

    assert isinstance(error, FrameTooLarge)
    assert error.setting == f"beats.limits.{setting}"
    assert str(error.declared) in str(error)
    assert str(error.limit) in str(error)
    assert error.declared > error.limit


def test_an_unknown_frame_shows_its_two_bytes() -> None:
    _, error = windows_and_error(b"2Z")

    assert "'2Z'" in str(error)
    assert "325a" in str(error)


def test_a_stranger_that_stops_within_its_first_bytes_is_truncated() -> None:
    connection = ServerConnection(SMALL)
    assert feed(connection, b"PR") == []
    connection.receive_eof()

    with pytest.raises(ProtocolError) as raised:
        connection.next_window()

    assert raised.value.reason == "truncated"


def test_after_a_refusal_the_same_error_comes_again_and_nothing_is_held() -> None:
    connection = ServerConnection(SMALL)
    connection.receive_data(w(2) + j(1) + b"2Z")
    with pytest.raises(ProtocolError) as first:
        connection.next_window()

    connection.receive_data(w(1) + j(1))
    with pytest.raises(ProtocolError) as second:
        connection.next_window()

    assert second.value is first.value
    assert connection.received_bytes == 0


# --- version 1 --------------------------------------------------------------------------


def test_v1_pairs_become_an_object_of_strings() -> None:
    wire = w(1, 1) + d(1, (b"a", b"1"), (b"b", b'"\n\xff'), (b"a", b"2"), (b"\xfe", b"\xc3\xa9"))

    (window,) = windows_and_error(wire)[0]

    assert json.loads(window.payloads[0]) == {"a": "2", "b": '"\n\ufffd', "\ufffd": "é"}


def test_v1_data_without_pairs_is_an_empty_payload() -> None:
    wire = w(1, 1) + b"1D\0\0\0\1\0\0\0\0"

    (window,) = windows_and_error(wire)[0]

    assert window.payloads == [b""]


# --- the ends of limits -----------------------------------------------------------------


@pytest.mark.parametrize(
    "wire",
    [
        w(SMALL.window_events) + c(*[j(1)] * SMALL.window_events),
        w(1) + j(1, bytes(SMALL.frame_bytes)),
        w(1) + raw_c(zlib.compress(j(1)).ljust(SMALL.frame_bytes, b"\0")),
        w(1, 1) + d(1, *[(b"k%d" % number, b"v") for number in range(SMALL.pairs)]),
        w(5) + c(*[j(1, bytes(SMALL.window_bytes // 5 - 10))] * 5),
    ],
    ids=["window_events", "JSON frame_bytes", "compressed frame_bytes", "pairs", "window_bytes"],
)
def test_what_is_just_within_a_limit_is_taken(wire: bytes) -> None:
    windows, error = windows_and_error(wire)

    assert error is None
    assert len(joined(windows)) == 1


def test_many_compressed_frames_share_the_window_limit() -> None:
    one = c(j(1, bytes(3900)))
    wire = w(60) + one * 60

    windows, error = windows_and_error(wire)

    assert isinstance(error, FrameTooLarge)
    assert error.setting == "beats.limits.window_bytes"
    assert error.declared == SMALL.window_bytes + 1
    assert sum(len(payload) for window in windows for payload in window.payloads) <= 16384


def test_the_window_limit_is_for_each_window() -> None:
    windows, error = windows_and_error((w(2) + j(1, bytes(3900)) + c(j(2, bytes(3900)))) * 9)

    assert error is None
    assert acks(windows) == [2] * 9


def test_bare_events_share_the_window_limit() -> None:
    _, error = windows_and_error(w(60) + j(1, bytes(3900)) * 60)

    assert isinstance(error, FrameTooLarge)
    assert error.setting == "beats.limits.window_bytes"


def test_an_event_above_the_limit_is_refused_in_a_large_compressed_frame_too() -> None:
    limits = Limits(frame_bytes=1000, part_bytes=1 << 20)

    _, error = windows_and_error(w(2) + c(j(1, bytes(900)), j(2, bytes(1001))), limits)

    assert isinstance(error, FrameTooLarge)
    assert error.declared == 1001


def test_a_zip_bomb_is_stopped_at_the_cap_with_memory_flat() -> None:
    bomb = zlib.compressobj(9)
    stream = b"".join(bomb.compress(bytes(1 << 20)) for _ in range(64)) + bomb.flush()
    limits = Limits(window_bytes=32 << 20, part_bytes=1 << 20)
    connection = ServerConnection(limits)
    connection.receive_data(w(1) + raw_c(stream))

    tracemalloc.start()
    with pytest.raises(FrameTooLarge) as raised:
        connection.next_window()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert raised.value.declared == limits.window_bytes + 1
    assert peak < 4 << 20


def test_window_frames_without_events_cannot_go_on_for_ever_inside_a_compressed_frame() -> None:
    for count in (0, 1):
        windows, error = windows_and_error(c(*[w(count)] * 5000), Limits())

        assert error is not None
        assert error.reason == "idle_windows"
        assert len(windows) <= 1024


def test_window_frames_without_events_may_go_on_where_events_come_between() -> None:
    windows, error = windows_and_error((w(5) + w(1) + j(1)) * 1100)

    assert error is None
    assert len(windows) == 1100


def test_nothing_is_allocated_from_an_announced_number() -> None:
    connection = ServerConnection(Limits())

    tracemalloc.start()
    feed(connection, w(65_536), b"2C" + (60 << 20).to_bytes(4, "big"), b"x" * 100)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 100_000


# --- large windows in parts -------------------------------------------------------------


@pytest.mark.parametrize("level", [0, 3], ids=["bare", "compressed"])
def test_a_large_window_comes_in_parts_under_one_last_seq(level: int) -> None:
    payloads = [b'{"n":%d,"x":"%s"}' % (number, b"x" * 50) for number in range(500)]
    limits = Limits(part_bytes=4096)

    windows, error = windows_and_error(encode_window(payloads, 1, level), limits)

    assert error is None
    assert len(windows) > 3
    assert [window.is_last for window in windows] == [False] * (len(windows) - 1) + [True]
    assert joined(windows)[0].payloads == payloads
    assert windows[-1].last_seq == 500
    assert {window.announced for window in windows} == {500}
    assert max(sum(map(len, window.payloads)) for window in windows) < 3 * limits.part_bytes or (
        level == 0
    )


def test_bare_events_are_given_out_while_the_window_still_arrives() -> None:
    wire = encode_window([b"x" * 500] * 20, compression_level=0)
    connection = ServerConnection(Limits(part_bytes=2000))

    most = 0
    windows = []
    for piece in in_steps(wire, 300):
        windows += feed(connection, piece)
        most = max(most, connection.received_bytes)

    assert len(windows) == 5
    assert most <= 2000 + 2 * 510


def test_a_large_compressed_frame_with_a_bad_checksum_gives_out_nothing() -> None:
    stream = zlib.compress(b"".join(j(number, bytes(90)) for number in range(100)))
    broken = stream[:-1] + bytes([stream[-1] ^ 1])

    windows, error = windows_and_error(w(100) + raw_c(broken), Limits(part_bytes=1000))

    assert windows == []
    assert error is not None
    assert error.reason == "bad_zlib"


def test_a_large_frame_is_verified_and_cut_in_stretches_and_still_given_out_whole() -> None:
    payloads = [b"%07d" % number * 200 for number in range(2000)]
    connection = ServerConnection(Limits(stretch_bytes=1 << 20))
    connection.receive_data(encode_window(payloads) + w(1) + j(1))

    calls = 0
    while (window := connection.next_window()) is None:
        assert connection.is_halfway
        assert connection.received_bytes > calls << 20  # what is inflated by now counts
        calls += 1

    assert calls == 2
    assert window.payloads == payloads
    assert not connection.is_halfway
    assert len(drain(connection)) == 1
    assert not connection.is_halfway


def test_bytes_may_come_while_a_frame_is_verified() -> None:
    payloads = [random.Random(number).randbytes(700) for number in range(2000)]
    connection = ServerConnection(Limits(part_bytes=1 << 18, stretch_bytes=1 << 18))
    connection.receive_data(encode_window(payloads))

    seen: list[bytes] = []
    for piece in in_steps(encode_window([b"last"]), 1):
        if (window := connection.next_window()) is not None:
            seen += window.payloads
        connection.receive_data(piece)
    seen += [payload for window in drain(connection) for payload in window.payloads]

    assert seen == [*payloads, b"last"]


def test_an_event_larger_than_a_part_is_given_out_whole() -> None:
    payloads = [b"a" * 10, b"b" * 9000, b"c" * 10]

    windows, error = windows_and_error(encode_window(payloads), Limits(part_bytes=1000))

    assert error is None
    assert joined(windows)[0].payloads == payloads


def test_a_short_window_whose_events_are_all_given_out_still_gets_its_last_seq() -> None:
    limits = Limits(part_bytes=100)

    windows, _ = windows_and_error(w(9) + j(1, bytes(200)) + w(1) + j(1), limits)

    assert [(window.is_last, len(window.payloads)) for window in windows] == [
        (False, 1),
        (True, 0),
        (True, 1),
    ]
    assert acks(windows) == [1, 1]


# --- what the shell asks ----------------------------------------------------------------


def test_a_window_is_open_from_its_frame_to_its_last_event() -> None:
    connection = ServerConnection(SMALL)

    states = []
    for piece in (b"2", w(2)[1:], j(1), j(2)):
        feed(connection, piece)
        states.append((connection.is_window_open, connection.is_frame_open))

    assert states == [(False, True), (True, False), (True, False), (False, False)]


def test_a_frame_is_open_while_bytes_of_it_are_missing() -> None:
    connection = ServerConnection(SMALL)

    states = []
    for piece in (w(1), j(1)[:1], j(1)[1:9], j(1)[9:-1], j(1)[-1:]):
        feed(connection, piece)
        states.append(connection.is_frame_open)

    assert states == [False, True, True, True, False]


@pytest.mark.parametrize(
    ("wire", "is_whole"),
    [
        (b"", True),
        (w(1) + j(1), True),
        (w(1, 1), True),
        (w(1), False),
        (w(2) + j(1), False),
        (j(1)[:-1], False),
        (b"2", False),
        (w(1) + c(j(1))[:-1], False),
    ],
    ids=[
        "nothing",
        "a whole window",
        "a v1 window frame for a stream that never came",
        "a window frame only",
        "half a window",
        "half a frame",
        "half a header",
        "half a compressed frame",
    ],
)
def test_at_the_end_what_is_not_whole_is_truncated(wire: bytes, is_whole: bool) -> None:
    connection = ServerConnection(SMALL)
    feed(connection, wire)
    connection.receive_eof()

    if is_whole:
        assert connection.next_window() is None
        return
    with pytest.raises(ProtocolError) as raised:
        connection.next_window()
    assert raised.value.reason == "truncated"


def test_windows_received_before_the_end_come_out_after_it() -> None:
    connection = ServerConnection(SMALL)
    connection.receive_data(w(1) + j(1) + w(1) + c(j(1)))
    connection.receive_eof()

    assert acks(drain(connection)) == [1, 1]


def test_a_peer_that_leaves_windows_part_filled_gets_the_last_one_at_the_end() -> None:
    connection = ServerConnection(SMALL)
    assert feed(connection, w(9, 1) + d(1) + d(2)) == []
    connection.receive_eof()

    windows = drain(connection)

    assert acks(windows) == [2]
    assert connection.next_window() is None


# --- cost -------------------------------------------------------------------------------


def test_a_large_frame_in_tiny_reads_is_not_read_again_from_its_start() -> None:
    connection = ServerConnection(Limits())
    wire = w(1, 1) + d(1, *[(b"key", b"v") for _ in range(500)])
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event.endswith("call")

    sys.setprofile(count)
    try:
        windows = feed(connection, *in_steps(wire, 1))
    finally:
        sys.setprofile(None)

    assert len(windows) == 1
    # A read looks at one item at most; from the start it would be hundreds, each time.
    assert calls < 40 * len(wire)


def test_a_window_comes_out_whoever_else_holds_on_to_the_frames_that_cut_it() -> None:
    connection = ServerConnection(Limits())
    wire = encode_window([b"x" * 1000] * 10)
    held: list[object] = []

    sys.setprofile(lambda frame, _event, _argument: held.append(frame))
    try:
        windows = feed(connection, wire, wire)
    finally:
        sys.setprofile(None)

    assert [len(window.payloads) for window in windows] == [10, 10]


def test_a_small_window_is_cut_without_a_copy_of_what_waits_behind_it() -> None:
    connection = ServerConnection(Limits())
    window = w(1) + j(1, b'{"n":1}')
    connection.receive_data(window * 20_000)
    connection.next_window()

    tracemalloc.start()
    try:
        cut = connection.next_window()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert cut is not None
    assert cut.payloads == [b'{"n":1}']
    assert peak < 16 << 10


@pytest.mark.parametrize("is_over", [False, True], ids=["open", "after the last byte"])
@pytest.mark.parametrize("level", [0, 3], ids=["bare", "compressed"])
def test_a_large_frame_waits_until_there_is_room_for_it(level: int, is_over: bool) -> None:
    connection = ServerConnection(Limits(large_bytes=1000))
    payloads = [b'"%s"' % (b"x" * 5000), b"{}"]
    connection.receive_data(encode_window(payloads, 1, level))
    if is_over:
        connection.receive_eof()

    first = connection.next_window()
    assert (first, connection.needs_room) == (None, True)
    assert connection.next_window() is None, "asking again does not help"
    connection.has_room = True
    window = connection.next_window()

    assert window is not None
    assert (window.payloads, window.is_last) == (payloads, True)
    assert not connection.needs_room


def test_small_frames_need_no_room() -> None:
    connection = ServerConnection(Limits(large_bytes=20_000))
    connection.receive_data(encode_window([b"{}"] * 1000, 1, 3))

    window = connection.next_window()

    assert window is not None
    assert len(window.payloads) == 1000


def test_events_of_a_window_that_is_not_complete_can_be_had_as_a_part() -> None:
    connection = ServerConnection(Limits())
    wire = encode_window([b"1", b"2", b"3"], 7, 0)
    connection.receive_data(wire[:-5])
    assert connection.next_window() is None

    part, nothing = connection.part_window(), connection.part_window()
    connection.receive_data(wire[-5:])
    rest = connection.next_window()

    assert part is not None
    assert rest is not None
    assert (part.payloads, part.is_last, nothing) == ([b"1", b"2"], False, None)
    assert (rest.payloads, rest.is_last, rest.last_seq) == ([b"3"], True, 9)
