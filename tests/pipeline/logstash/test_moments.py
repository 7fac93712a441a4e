"""A moment and its parts."""

from ptingest.pipeline.logstash.moments import Moment, first_week, weekday
from ptingest.pipeline.logstash.values import Timestamp
from ptingest.pipeline.timestamps import day_number


def test_a_moment_is_taken_apart() -> None:
    moment = Moment(Timestamp(1_767_323_045_067_089_000))

    assert (moment.year, moment.month, moment.day) == (2026, 1, 2)
    assert (moment.hour, moment.minute, moment.second, moment.nanos) == (3, 4, 5, 67_089_000)
    assert (moment.day_of_week, moment.day_of_year, moment.iso_week) == (5, 2, (2026, 1))


def test_the_first_week_of_a_year_has_its_fourth_of_january() -> None:
    assert first_week(2026) == day_number(2025, 12, 29)
    assert weekday(first_week(2026)) == 1
