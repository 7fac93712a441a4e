"""Joda-Time's format letters: how a pattern is cut into parts, and how a moment is printed.

``%{+yyyy.MM.dd}`` prints with them in UTC and English; ``joda_parser`` reads with them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ptingest.pipeline.logstash.joda_fields import year_of_era
from ptingest.pipeline.logstash.locale_names import LocaleNames, locale_names
from ptingest.pipeline.logstash.moments import NANOS_A_DAY, Moment
from ptingest.pipeline.logstash.values import Timestamp

LETTERS = "GCxyYMdahHkKmsSeEDwzZ"
_NUMERIC = "cCxyYdhHmsSeDFwWkK"
_BELOW_A_DAY = set("ahHkKmsS")


class JodaPart(NamedTuple):
    """A run of one format letter, or text between them."""

    letter: str
    """Empty for text."""
    length: int
    text: str

    @property
    def is_numeric(self) -> bool:
        """Reading it takes digits, so the number before it must not take them."""
        if self.letter == "M":
            return self.length <= 2
        return bool(self.letter) and self.letter in _NUMERIC


def joda_parts(pattern: str) -> list[JodaPart]:
    """Cut a pattern into its parts.

    Raises:
        ValueError: it is empty, or a letter means nothing; the message names it.
    """
    if not pattern:
        raise ValueError("a time format is empty")
    parts, position = [], 0
    while position < len(pattern):
        letter = pattern[position]
        if _is_letter(letter):
            end = position
            while end < len(pattern) and pattern[end] == letter:
                end += 1
            if letter not in LETTERS:
                raise ValueError(f"the time format {pattern!r} has the unknown letter {letter}")
            parts.append(JodaPart(letter, end - position, ""))
            position = end
        else:
            text, position = _text(pattern, position)
            parts.append(JodaPart("", 0, text))
    return parts


def _is_letter(character: str) -> bool:
    return character.isascii() and character.isalpha()


def _text(pattern: str, position: int) -> tuple[str, int]:
    """Return the text that begins here and where it ends; a quote may stay open at the end."""
    text, is_quoted = "", False
    while position < len(pattern):
        character = pattern[position]
        if character == "'":
            if pattern[position + 1 : position + 2] == "'":
                text, position = text + "'", position + 1
            else:
                is_quoted = not is_quoted
        elif not is_quoted and _is_letter(character):
            break
        else:
            text += character
        position += 1
    return text, position


def compile_joda(pattern: str) -> Callable[[Timestamp], str]:
    """Return what prints a timestamp in UTC by the pattern, in English.

    Raises:
        ValueError: the pattern is no Joda-Time pattern.
    """
    parts = joda_parts(pattern)
    names = locale_names("en")
    assert names is not None
    printers = [_printer(part, names) for part in parts]
    # Most events of one moment share their day or second: the last text is kept.
    letters = {part.letter for part in parts}
    unit = 1 if "S" in letters else 1_000_000_000 if letters & _BELOW_A_DAY else NANOS_A_DAY
    last_unit, last_text = None, ""

    def print_timestamp(timestamp: Timestamp) -> str:
        nonlocal last_unit, last_text
        if timestamp.ns // unit != last_unit:
            moment = Moment(timestamp)
            last_text = "".join(printer(moment) for printer in printers)
            last_unit = timestamp.ns // unit
        return last_text

    return print_timestamp


def format_joda(timestamp: Timestamp, pattern: str) -> str:
    """Print a timestamp once; ``compile_joda`` is for patterns that are used often.

    Raises:
        ValueError: the pattern is no Joda-Time pattern.
    """
    return compile_joda(pattern)(timestamp)


def padded(number: int, length: int) -> str:
    """Return the number with at least so many digits, a minus sign apart."""
    return f"-{-number:0{length}d}" if number < 0 else f"{number:0{length}d}"


def _printer(part: JodaPart, names: LocaleNames) -> Callable[[Moment], str]:  # noqa: C901
    length = part.length
    match part.letter:
        case "":
            return lambda _: part.text
        case "G":
            return lambda moment: names.eras[moment.year > 0]
        case "y" | "Y" | "x" if length == 2:
            return lambda moment: f"{abs(_year(moment, part.letter.lower())) % 100:02d}"
        case "y" | "Y" | "x":
            return lambda moment: padded(_year(moment, part.letter), length)
        case "M" if length >= 3:
            months = names.months if length > 3 else names.short_months
            return lambda moment: months[moment.month - 1]
        case "E":
            days = names.days if length > 3 else names.short_days
            return lambda moment: days[moment.day_of_week - 1]
        case "a":
            return lambda moment: names.halves[moment.hour // 12]
        case "S":
            return lambda moment: f"{moment.nanos // 1_000_000:03d}"[:length].ljust(length, "0")
        case "z":
            return lambda _: "Coordinated Universal Time" if length > 3 else "UTC"
        case "Z":
            text = "+0000" if length == 1 else "+00:00" if length == 2 else "UTC"
            return lambda _: text
        case letter:
            number = _NUMBERS[letter]
            return lambda moment: padded(number(moment), length)


def _year(moment: Moment, letter: str) -> int:
    if letter == "x":
        return moment.iso_week[0]
    return year_of_era(moment.year) if letter == "Y" else moment.year


_NUMBERS: dict[str, Callable[[Moment], int]] = {
    "C": lambda moment: year_of_era(moment.year) // 100,
    "M": lambda moment: moment.month,
    "d": lambda moment: moment.day,
    "D": lambda moment: moment.day_of_year,
    "w": lambda moment: moment.iso_week[1],
    "e": lambda moment: moment.day_of_week,
    "H": lambda moment: moment.hour,
    "k": lambda moment: moment.hour or 24,
    "K": lambda moment: moment.hour % 12,
    "h": lambda moment: moment.hour % 12 or 12,
    "m": lambda moment: moment.minute,
    "s": lambda moment: moment.second,
}
