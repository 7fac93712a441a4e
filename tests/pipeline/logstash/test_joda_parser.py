"""Reading by Joda's patterns."""

from datetime import UTC

import pytest

from ptingest.pipeline.logstash.joda_parser import JodaParser, offset_millis
from ptingest.pipeline.logstash.locale_names import LocaleNames, locale_names
from ptingest.pipeline.logstash.zones import zone_of
from tests.pipeline.logstash.recorded_times import RECORDED


def names(tag: str) -> LocaleNames:
    found = locale_names(tag)
    assert found is not None
    return found


def test_texts_are_read_as_joda_read_them() -> None:
    wrong = []
    for pattern, locale, zone_name, text, millis in RECORDED["joda_read"]:
        zone = zone_of(zone_name)
        assert zone is not None
        found = JodaParser(pattern, names(locale))(text, zone, year=2026)
        if found != millis:
            wrong.append((pattern, locale, zone_name, text, millis, found))

    assert wrong == []


@pytest.mark.parametrize(
    ("pattern", "text", "millis"),
    [
        ("yyyy.MM.dd G", "2026.01.02 AD", 1_767_312_000_000),
        ("YYYY.MM.dd G", "0001.01.01 BC", -62_167_219_200_000),
        ("CC", "20", 946_684_800_000),
        ("yyyy-MM-dd HH ZZZ", "2026-01-02 01 Europe/Berlin", 1_767_312_000_000),
        ("yyyy-MM-dd HH ZZZ", "2026-01-02 01 Europe/Nowhere", None),
        ("yyyy-MM-dd HH z", "2026-01-02 00 GMT", 1_767_312_000_000),
    ],
)
def test_rare_letters_are_read(pattern: str, text: str, millis: int | None) -> None:
    assert JodaParser(pattern, names("en"))(text, UTC, year=2026) == millis


def test_long_names_of_zones_are_refused() -> None:
    with pytest.raises(ValueError, match="zzzz"):
        JodaParser("zzzz", names("en"))


@pytest.mark.parametrize(
    ("text", "millis"),
    [
        ("Z", 0),
        ("+01", 3_600_000),
        ("-01:30", -5_400_000),
        ("+010203004", 3_723_004),
        ("+24", None),
    ],
)
def test_offsets_are_read(text: str, millis: int | None) -> None:
    assert offset_millis(text) == millis
