"""What records hold: events, tombstones, records of the buffer, and anything else."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from ptingest.kafka.polled import KafkaRecord
from ptingest.kafka.record import encode
from ptingest.model.origin import MaySend, Origin, RecordPlace
from ptingest.sources.kafka.payloads import (
    RUN_BYTES,
    RUN_RECORDS,
    admission_of,
    runs_of,
)

LIMIT = 1 << 20
SENT_BY = Origin("192.0.2.7:51234", tls_subject="CN=web-1", may_send=(MaySend(),))


def record(
    offset: int, value: bytes | None, headers: Sequence[tuple[str, bytes | None]] | None = None
) -> KafkaRecord:
    return KafkaRecord("logs", 3, offset, 1_795_000_000_000 + offset, value, headers)


def buffered(offset: int, *payloads: bytes) -> KafkaRecord:
    made = encode(payloads, origin=SENT_BY, arrived_ns=1)
    return record(offset, made.value, made.headers)


def test_each_record_is_an_event_with_its_place() -> None:
    run = [record(7, b'{"n":7}'), record(9, b'{"n":9}')]

    found = admission_of(run, limit_bytes=LIMIT)

    assert found.payloads == [b'{"n":7}', b'{"n":9}']
    assert found.origin.peer == "logs/3"
    assert found.origin.source == "kafka"
    assert found.origin.records is not None
    assert [found.origin.records[id(one)] for one in found.payloads] == [
        RecordPlace("logs", 3, 7, 1_795_000_000_007),
        RecordPlace("logs", 3, 9, 1_795_000_000_009),
    ]


def test_tombstones_are_told_apart() -> None:
    found = admission_of([record(1, None), record(2, None)], limit_bytes=LIMIT)

    assert found.payloads == [b"null", b"null"]
    assert found.origin.records is not None
    assert [found.origin.records[id(one)].offset for one in found.payloads] == [1, 2]


def test_a_record_of_the_buffer_holds_events_of_a_beat() -> None:
    found = admission_of([buffered(5, b'{"n":1}', b'{"n":2}')], limit_bytes=LIMIT)

    assert found.payloads == [b'{"n":1}', b'{"n":2}']
    assert (found.origin.peer, found.origin.tls_subject) == (SENT_BY.peer, SENT_BY.tls_subject)
    assert found.origin.may_send == SENT_BY.may_send
    assert found.origin.records is None
    assert found.broken is None


def test_a_broken_record_of_the_buffer_is_admitted_as_it_is_with_its_place() -> None:
    whole = buffered(5, b'{"n":1}')
    broken = whole._replace(value=b"garbage")

    found = admission_of([broken], limit_bytes=LIMIT)

    assert found.payloads == [b"garbage"]
    assert found.broken is not None
    assert found.origin.records is not None
    assert found.origin.records[id(found.payloads[0])].offset == 5


def test_a_record_that_inflates_beyond_the_limit_is_broken() -> None:
    found = admission_of([buffered(5, b"x" * 1000)], limit_bytes=999)

    assert found.broken is not None
    assert "999" in found.broken


def test_each_record_of_the_buffer_is_admitted_alone() -> None:
    records = [record(1, b'{"n":1}'), buffered(2, b"{}"), buffered(3, b"{}"), record(4, b"{}")]

    runs = list(runs_of(records))

    assert [[one.offset for one in run] for run in runs] == [[1], [2], [3], [4]]


VALUES = st.one_of(
    st.none(),
    st.binary(max_size=3),
    st.sampled_from([b"", b"x", b"x" * (RUN_BYTES // 2), b"y" * (RUN_BYTES + 1)]),
)


@given(st.lists(VALUES, max_size=40), st.integers(1, RUN_RECORDS + 1))
def test_runs_hold_every_record_once_and_in_order_and_tell_events_apart(
    values: list[bytes | None], repeated: int
) -> None:
    values = [*values, *[b'{"n":%d}' % number for number in range(repeated)]]
    records = [record(offset, value) for offset, value in enumerate(values)]

    runs = list(runs_of(records))

    assert [one for run in runs for one in run] == records
    for run in runs:
        assert len(run) <= RUN_RECORDS
        sizes = [len(one.value or b"") for one in run]
        assert len(run) == 1 or sum(sizes) <= RUN_BYTES
        found = admission_of(run, limit_bytes=LIMIT)
        assert found.origin.records is not None
        offsets = [found.origin.records[id(one)].offset for one in found.payloads]
        assert offsets == [one.offset for one in run]
