"""One moment in UTC, taken apart for the two languages of time formats."""

from __future__ import annotations

from ptingest.pipeline.logstash.values import NANOS, Timestamp
from ptingest.pipeline.timestamps import civil_date, day_number

NANOS_A_DAY = 86_400 * NANOS


class Moment:
    """The parts of a timestamp in UTC; years before 1 are 0, -1 and so on."""

    __slots__ = (
        "day",
        "days",
        "hour",
        "minute",
        "month",
        "nanos",
        "second",
        "second_of_day",
        "year",
    )

    def __init__(self, timestamp: Timestamp) -> None:
        self.days, nanos_of_day = divmod(timestamp.ns, NANOS_A_DAY)
        """Days since 1970."""
        self.second_of_day, self.nanos = divmod(nanos_of_day, NANOS)
        self.year, self.month, self.day = civil_date(self.days)
        minutes, self.second = divmod(self.second_of_day, 60)
        self.hour, self.minute = divmod(minutes, 60)

    @property
    def day_of_week(self) -> int:
        """1 is Monday."""
        return weekday(self.days)

    @property
    def day_of_year(self) -> int:
        return self.days - day_number(self.year, 1, 1) + 1

    @property
    def iso_week(self) -> tuple[int, int]:
        """The ISO year of the week, and the week in it."""
        thursday = self.days - self.day_of_week + 4
        year = civil_date(thursday)[0]
        return year, (thursday - day_number(year, 1, 1)) // 7 + 1


def weekday(days: int) -> int:
    """Return the day of the week of a day number; 1 is Monday."""
    return (days + 3) % 7 + 1


def first_week(year: int) -> int:
    """Return the day number of the Monday on which an ISO year of weeks begins."""
    fourth = day_number(year, 1, 4)
    return fourth - weekday(fourth) + 1
