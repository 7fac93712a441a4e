"""java.time's format letters, as ``%{{yyyy-MM-dd}}`` prints with them in UTC and English."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from ptingest.pipeline.logstash.joda import padded
from ptingest.pipeline.logstash.locale_names import LocaleNames, locale_names
from ptingest.pipeline.logstash.moments import Moment, weekday
from ptingest.pipeline.logstash.values import NANOS, Timestamp
from ptingest.pipeline.timestamps import day_number

Printer = Callable[[Moment], str]
_TOKEN = re.compile(
    r"(?P<pad>p+)?(?P<letters>([A-Za-oq-z])\3*)|'(?P<quoted>(?:[^']|'')*)'|(?P<bracket>[\[\]])"
    r"|(?P<wrong>p+|[{}#'])|(?P<text>.)",
    re.DOTALL,
)
_ERAS = ("Before Christ", "Anno Domini")
_QUARTERS = ("1st quarter", "2nd quarter", "3rd quarter", "4th quarter")
# The parts of a day by the English rules of CLDR: the hour at which each begins.
_DAY_PARTS = (
    (21, "at night"), (18, "in the evening"), (12, "in the afternoon"), (6, "in the morning"),
    (0, "at night"),
)  # fmt: skip
_UTC_TEXTS = {
    "O": {1: "GMT", 4: "GMT"},
    "X": dict.fromkeys(range(1, 6), "Z"),
    "x": {1: "+00", 2: "+0000", 3: "+00:00", 4: "+0000", 5: "+00:00"},
    "Z": {1: "+0000", 2: "+0000", 3: "+0000", 4: "GMT", 5: "Z"},
    "z": dict.fromkeys(range(1, 5), "Z"),
    "v": {1: "Z", 4: "Z"},
    "V": {2: "Z"},
}
_LENGTHS = {
    "G": 5, "D": 3, "M": 5, "L": 5, "d": 2, "Q": 5, "q": 5, "w": 2, "W": 1, "E": 5, "e": 5, "c": 5,
    "F": 1, "a": 1, "h": 2, "K": 2, "k": 2, "H": 2, "m": 2, "s": 2, "S": 9, "A": 19, "n": 19,
    "N": 19, "y": 19, "u": 19, "Y": 19, "B": 5,
}  # fmt: skip
"""How often each letter may stand in a row."""


def compile_java_time(pattern: str) -> Callable[[Timestamp], str]:
    """Return what prints a timestamp in UTC by the pattern, in English.

    Raises:
        ValueError: the pattern is no java.time pattern.
    """
    printers = list(_printers(pattern))

    def print_timestamp(timestamp: Timestamp) -> str:
        moment = Moment(timestamp)
        return "".join(printer(moment) for printer in printers)

    return print_timestamp


def _printers(pattern: str) -> Iterator[Printer]:
    names = locale_names("en")
    assert names is not None
    depth = 0
    for found in _TOKEN.finditer(pattern):
        if letters := found["letters"]:
            printer = _printer(letters, names)
            yield _padding(printer, len(found["pad"])) if found["pad"] else printer
        elif (quoted := found["quoted"]) is not None:
            yield _constant(quoted.replace("''", "'") or "'")
        elif bracket := found["bracket"]:
            depth += 1 if bracket == "[" else -1
            if depth < 0:
                raise ValueError(f"the time format {pattern!r} has ] without [")
        elif wrong := found["wrong"]:
            raise ValueError(f"the time format {pattern!r} has {wrong} where it means nothing")
        else:
            yield _constant(found["text"])


def _constant(text: str) -> Printer:
    return lambda _: text


def _padding(printer: Printer, width: int) -> Printer:
    return lambda moment: printer(moment).rjust(width)


def _printer(letters: str, names: LocaleNames) -> Printer:
    letter, length = letters[0], len(letters)
    if letter in _UTC_TEXTS:
        text = _UTC_TEXTS[letter].get(length)
        if text is None:
            raise ValueError(f"a time format has the letters {letters}, which mean nothing")
        return _constant(text)
    if length > _LENGTHS.get(letter, 0) or letters in ("cc", "BB", "BBB"):
        raise ValueError(f"a time format has the letters {letters}, which mean nothing")
    if letter in "yuY":
        return lambda moment: _year_text(_year(moment, letter), length)
    if letter == "B":
        return _day_part
    if letter == "S":
        return lambda moment: f"{moment.nanos:09d}"[:length]
    if letter == "a":
        return lambda moment: names.halves[moment.hour // 12]
    if letter in "GE" or (letter in "MLQqec" and length > 2):
        return _text_printer(letter, length, names)
    number = _NUMBERS[letter]
    return lambda moment: padded(number(moment), length)


def _text_printer(letter: str, length: int, names: LocaleNames) -> Printer:
    """Return what prints a name: short for three letters, long for four, one character for five."""
    form = {4: 1, 5: 2}.get(length, 0)
    if letter == "G":
        return lambda moment: _forms(names.eras, _ERAS)[form][moment.year > 0]
    if letter in "ML":
        return lambda moment: _forms(names.short_months, names.months)[form][moment.month - 1]
    if letter in "Eec":
        return lambda moment: _forms(names.short_days, names.days)[form][moment.day_of_week - 1]
    quarters = tuple(f"Q{number}" for number in range(1, 5))
    found = (quarters, _QUARTERS, ("1", "2", "3", "4"))[form]
    return lambda moment: found[(moment.month - 1) // 3]


def _forms(short: tuple[str, ...], long: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    return short, long, tuple(name[0] for name in long)


def _year_text(year: int, length: int) -> str:
    if length == 2:
        return f"{abs(year) % 100:02d}"
    # Only the four-letter form shows a sign before a year of more digits, as java.time does.
    return f"+{year}" if length == 4 and year > 9999 else padded(year, length)


def _year(moment: Moment, letter: str) -> int:
    if letter == "Y":
        return _week(moment)[0]
    return 1 - moment.year if letter == "y" and moment.year < 1 else moment.year


def _week(moment: Moment) -> tuple[int, int]:
    """The year of the week and the week in it: weeks begin on Sunday, the first has 1 January."""
    saturday = moment.days + (6 - moment.day_of_week) % 7
    year = Moment(Timestamp(saturday * 86_400 * NANOS)).year
    return year, _week_from(day_number(year, 1, 1), moment)


def _week_from(first: int, moment: Moment) -> int:
    """Count weeks, which begin on Sunday, from the one that holds the day ``first``."""
    return (moment.days - (first - weekday(first) % 7)) // 7 + 1


def _day_part(moment: Moment) -> str:
    if moment.second_of_day == 0 and moment.nanos == 0:
        return "midnight"
    if moment.second_of_day == 43_200 and moment.nanos == 0:
        return "noon"
    return next(name for hour, name in _DAY_PARTS if moment.hour >= hour)


_NUMBERS: dict[str, Callable[[Moment], int]] = {
    "D": lambda moment: moment.day_of_year,
    "M": lambda moment: moment.month,
    "L": lambda moment: moment.month,
    "d": lambda moment: moment.day,
    "Q": lambda moment: (moment.month + 2) // 3,
    "q": lambda moment: (moment.month + 2) // 3,
    "w": lambda moment: _week(moment)[1],
    "W": lambda moment: _week_from(day_number(moment.year, moment.month, 1), moment),
    "e": lambda moment: moment.day_of_week % 7 + 1,
    "c": lambda moment: moment.day_of_week % 7 + 1,
    "F": lambda moment: (moment.day - 1) % 7 + 1,
    "h": lambda moment: moment.hour % 12 or 12,
    "K": lambda moment: moment.hour % 12,
    "k": lambda moment: moment.hour or 24,
    "H": lambda moment: moment.hour,
    "m": lambda moment: moment.minute,
    "s": lambda moment: moment.second,
    "A": lambda moment: moment.second_of_day * 1000 + moment.nanos // 1_000_000,
    "n": lambda moment: moment.nanos,
    "N": lambda moment: moment.second_of_day * NANOS + moment.nanos,
}
