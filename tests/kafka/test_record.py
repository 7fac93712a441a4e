"""The record of the buffer: what goes in comes out, no record is too large, none is a bomb."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from isal import isal_zlib

from ptingest.kafka.record import (
    OVERHEAD_BYTES,
    RUN_BYTES,
    BrokenRecord,
    ReadRecord,
    decode,
    encode,
    is_buffer_record,
    pack,
    runs,
)
from ptingest.model.origin import MaySend, Origin

ORIGIN = Origin("192.0.2.7:51234")
NOW = 1_700_000_000_123_456_789
payload_lists = st.lists(st.binary(max_size=300), max_size=40)
names = st.none() | st.frozensets(st.text("aé=,", max_size=5), max_size=3)
origins = st.builds(
    Origin,
    peer=st.text('CN=1.:é"\\', max_size=30),
    tls_subject=st.none() | st.text('CN=1.:é"\\', max_size=30),
    may_send=st.none() | st.lists(st.builds(MaySend, names, names), max_size=3).map(tuple),
)


def read(record, limit_bytes=1 << 20):
    return decode(record.value, record.headers, limit_bytes=limit_bytes)


@given(payload_lists, origins, st.integers(0, 10**19 - 1))
def test_a_record_holds_what_was_put_in(payloads, origin, arrived_ns) -> None:
    record = encode(payloads, origin=origin, arrived_ns=arrived_ns)

    assert read(record) == ReadRecord(payloads, origin, arrived_ns)
    assert record.events == len(payloads)
    assert is_buffer_record(record.headers)


@given(
    st.lists(st.binary(max_size=2000), max_size=60),
    st.integers(OVERHEAD_BYTES + 60, OVERHEAD_BYTES + 3000),
)
def test_no_record_is_larger_than_the_limit_and_nothing_is_left_out(payloads, limit) -> None:
    packed = pack(payloads, limit_bytes=limit, origin=ORIGIN, arrived_ns=NOW)

    came = [payload for record in packed.records for payload in read(record).payloads]
    alone = [encode([one], origin=ORIGIN, arrived_ns=NOW).size for one in packed.too_large]
    assert all(record.size <= limit for record in packed.records)
    assert all(size > limit for size in alone)
    assert sorted(came + packed.too_large) == sorted(payloads)
    assert came == [one for one in payloads if one not in packed.too_large]


def test_what_fits_into_one_record_is_one_record() -> None:
    payloads = [b'{"message":"the same again"}'] * 10_000

    packed = pack(payloads, limit_bytes=1 << 20, origin=ORIGIN, arrived_ns=NOW)

    assert [record.events for record in packed.records] == [10_000]


def test_a_limit_below_every_event_leaves_all_of_them_out() -> None:
    payloads = [b"a", b"b", b"c"]

    packed = pack(payloads, limit_bytes=0, origin=ORIGIN, arrived_ns=NOW)

    assert packed.records == []
    assert sorted(packed.too_large) == payloads


@given(st.lists(st.sampled_from([0, 1, 1000, RUN_BYTES // 2, RUN_BYTES, RUN_BYTES + 1])))
def test_runs_keep_the_order_and_only_one_event_alone_is_larger(sizes) -> None:
    payloads = [bytes(size) for size in sizes]

    cut = list(runs(payloads))

    assert [one for run in cut for one in run] == payloads
    assert all(run for run in cut)
    assert all(len(run) == 1 or sum(map(len, run)) <= RUN_BYTES for run in cut)


def test_a_record_that_inflates_to_too_much_is_broken_and_takes_no_memory_for_it() -> None:
    bomb = encode([bytes(50_000_000)], origin=ORIGIN, arrived_ns=NOW)

    seen = read(bomb, limit_bytes=1_000_000)

    assert len(bomb.value) < 400_000
    assert seen == BrokenRecord("its value inflates to more than 1000000 bytes")


def test_a_record_of_exactly_the_limit_is_read() -> None:
    record = encode([b"x" * 100], origin=ORIGIN, arrived_ns=NOW)
    inflated = len(isal_zlib.decompress(record.value))

    assert isinstance(read(record, limit_bytes=inflated), ReadRecord)
    assert isinstance(read(record, limit_bytes=inflated - 1), BrokenRecord)


GOOD = encode([b'{"n":1}', b'{"n":2}'], origin=ORIGIN, arrived_ns=NOW)


def with_header(name: str, value: bytes | None) -> list[tuple[str, bytes | None]]:
    return [(key, value if key == name else old) for key, old in GOOD.headers]


@pytest.mark.parametrize(
    ("value", "headers", "says"),
    [
        (GOOD.value, None, "the header ptingest is missing"),
        (GOOD.value, with_header("ptingest", b"2"), "the header ptingest is b'2'"),
        (GOOD.value, with_header("ptingest", None), "the header ptingest is b''"),
        (GOOD.value, with_header("arrived", b"-1"), "the header arrived is b'-1', no number"),
        (GOOD.value, with_header("arrived", b"9" * 5000), "the header arrived"),
        (GOOD.value, with_header("count", b"2.0"), "the header count"),
        (GOOD.value, with_header("count", b"3"), "it holds 2 events, its header count says 3"),
        (GOOD.value, with_header("origin", b""), "the header origin cannot be read"),
        (GOOD.value, with_header("origin", b"[" * 100_000), "the header origin cannot be read"),
        (GOOD.value, with_header("origin", b'{"peer":"\xff"}'), "the header origin"),
        (GOOD.value, with_header("origin", b'{"peer":7}'), "the header origin"),
        (None, GOOD.headers, "its value is cut short"),
        (b"", GOOD.headers, "its value is cut short"),
        (GOOD.value[:-1], GOOD.headers, "its value is cut short"),
        (GOOD.value + b"!", GOOD.headers, "1 bytes follow its zlib stream"),
        (b'{"n":1}', GOOD.headers, "its value cannot be inflated"),
        (isal_zlib.compress(b""), GOOD.headers, "no MessagePack array"),
        (isal_zlib.compress(b"\x91" * 100_000), GOOD.headers, "no MessagePack array"),
        (isal_zlib.compress(msgspec.msgpack.encode(["text"])), GOOD.headers, "no MessagePack"),
        (isal_zlib.compress(b"\xdd\xff\xff\xff\xff"), GOOD.headers, "no MessagePack array"),
    ],
)
def test_a_broken_record_is_a_value_that_says_what_was_seen(value, headers, says) -> None:
    seen = decode(value, headers, limit_bytes=1 << 20)

    assert isinstance(seen, BrokenRecord)
    assert says in seen.detail


header_lists = st.lists(
    st.tuples(
        st.sampled_from(["ptingest", "origin", "arrived", "count", "other"]),
        st.none() | st.binary(max_size=20) | st.sampled_from([b"1", b'{"peer":"a"}']),
    )
)


@given(st.none() | st.binary(max_size=200), st.none() | header_lists)
def test_no_record_raises(value, headers) -> None:
    assert isinstance(decode(value, headers, limit_bytes=1000), ReadRecord | BrokenRecord)


@given(st.binary(max_size=100))
def test_no_inflated_value_raises(packed) -> None:
    value = isal_zlib.compress(packed)

    seen = decode(value, GOOD.headers, limit_bytes=1000)

    assert isinstance(seen, ReadRecord | BrokenRecord)


def test_a_record_of_another_program_is_none_of_the_buffer() -> None:
    assert not is_buffer_record(None)
    assert not is_buffer_record([("traceparent", b"00")])


def test_the_key_of_a_requeued_letter_goes_with_it_and_is_for_one_event_only() -> None:
    origin = Origin("192.0.2.7:5000", source="requeue", key="of the letter")

    alone = read(encode([b"{}"], origin=origin, arrived_ns=NOW))
    several = read(encode([b"{}", b"[]"], origin=origin, arrived_ns=NOW))

    assert alone.origin == Origin("192.0.2.7:5000", key="of the letter")
    assert several.origin.key is None
