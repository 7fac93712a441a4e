"""Records of Kafka get a frame where the rules have an input for them."""

from __future__ import annotations

from msgspec.structs import replace

from ptingest.model.origin import Origin, RecordPlace
from ptingest.model.record_frame import unframed
from ptingest.pipeline.compile import compile_profile
from ptingest.pipeline.pipeline import Pipeline
from ptingest.pipeline.records import taken_in
from ptingest.settings.logstash import ConfFile, LogstashSettings

PAYLOADS = [b'{"n":1}', b'{"n":2}']
PLACES = {
    id(one): RecordPlace("logs", 0, number, 1_795_000_000_000)
    for number, one in enumerate(PAYLOADS)
}
ORIGIN = Origin("logs/0", source="kafka", records=PLACES)


def pipeline(text: str) -> Pipeline:
    file = ConfFile(name="a.conf", text=text)
    return compile_profile(LogstashSettings(files=(file,), folder="/"))


def test_the_places_are_found_by_the_framed_payloads() -> None:
    payloads, origin = taken_in(pipeline("input { kafka { } }"), PAYLOADS, ORIGIN)

    records = [unframed(one) for one in payloads]
    assert [one and (one.value, one.head.offset) for one in records] == [
        (b'{"n":1}', 0),
        (b'{"n":2}', 1),
    ]
    assert origin.records is not None
    assert [origin.records[id(one)] for one in payloads] == list(PLACES.values())


def test_rules_without_such_an_input_take_records_as_they_came() -> None:
    assert taken_in(pipeline("input { beats { port => 1 } }"), PAYLOADS, ORIGIN) == (
        PAYLOADS,
        ORIGIN,
    )


def test_only_records_that_others_wrote_are_framed() -> None:
    for origin in (Origin("192.0.2.7:1"), replace(ORIGIN, source="buffer")):
        assert taken_in(pipeline("input { kafka { } }"), PAYLOADS, origin) == (PAYLOADS, origin)
