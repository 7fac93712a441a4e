"""One line of CSV, as Ruby's library reads it (version 3.2): strict about quotes and ends.

The end of lines is found first: the first of ``\\r\\n``, ``\\n`` and ``\\r`` in the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable

Cells = list[str | None]
_SAMPLE = 1024
"""Characters in which the end of lines is looked for."""


class BadCsv(Exception):
    """A text that is no CSV."""


def compile_csv(separator: str, quote: str) -> Callable[[str], Cells | None]:
    """Return what reads the first line of a text; None when the text is empty.

    Empty cells are None, quoted empty ones are empty texts.

    Raises:
        BadCsv: every text is refused with such a separator or quote (raised when it is read).
    """
    if not separator or len(quote) != 1:
        return _refuse
    # Anything but a quote, the separator's first character, and ends of lines; a separator of
    # several characters may begin within a cell.
    first = re.escape(separator[0])
    plain = re.compile(rf"[^{re.escape(quote)}{first}\r\n]+")
    quoted = re.compile(rf"{re.escape(quote)}((?:[^{re.escape(quote)}]|{re.escape(quote * 2)})*+)"
                        rf"{re.escape(quote)}")  # fmt: skip

    def read(text: str) -> Cells | None:
        if not text:
            return None
        end = _end_of_lines(text)
        line = text.partition(end)[0]
        if quote not in line and "\r" not in line and "\n" not in line:
            return [cell or None for cell in line.split(separator)] if line else []
        if len(separator) == 1 and "\r" not in text and "\n" not in text:
            cells = _simply_quoted(text, separator, quote)
            if cells is not None:
                return cells
        return _Reader(text, separator, quote, end, plain, quoted).line()

    return read


def _simply_quoted(line: str, separator: str, quote: str) -> Cells | None:
    """Return the cells of a line whose quotes all stand beside separators; None for any other."""
    pieces = line.split(quote)
    last = len(pieces) - 1
    if last % 2:
        return None
    cells: Cells = []
    for index, piece in enumerate(pieces):
        if index % 2:
            cells.append(piece)
            continue
        is_first, is_last = index == 0, index == last
        if piece == ("" if is_first or is_last else separator):
            continue
        if not is_first:
            if piece[:1] != separator:
                return None
            piece = piece[1:]
        if not is_last:
            if piece[-1:] != separator:
                return None
            piece = piece[:-1]
        cells += [cell or None for cell in piece.split(separator)]
    return cells


def _refuse(_text: str) -> Cells | None:
    raise BadCsv("the separator must not be empty, and the quote must be one character")


def _end_of_lines(text: str) -> str:
    sample = text[:_SAMPLE]
    feed, carriage = sample.find("\n"), sample.find("\r")
    if carriage < 0 or 0 <= feed < carriage:
        return "\n"
    return "\r\n" if feed == carriage + 1 else "\r"


class _Reader:
    """Reads one line that has quotes or odd ends."""

    def __init__(
        self, text: str, separator: str, quote: str, end: str, plain: re.Pattern[str],
        quoted: re.Pattern[str],
    ) -> None:  # fmt: skip
        self._text, self._separator, self._quote, self._end = text, separator, quote, end
        self._plain, self._quoted = plain, quoted
        self._at = 0

    def line(self) -> Cells:
        cells: Cells = []
        while True:
            cell = self._cell()
            if self._takes(self._separator):
                cells.append(cell)
            elif self._takes(self._end) or self._at == len(self._text):
                return [] if not cells and cell is None else [*cells, cell]
            else:
                raise BadCsv(f"a cell goes on at character {self._at + 1}")

    def _takes(self, piece: str) -> bool:
        if not self._text.startswith(piece, self._at):
            return False
        self._at += len(piece)
        return True

    def _cell(self) -> str | None:
        if self._text.startswith(self._quote, self._at):
            found = self._quoted.match(self._text, self._at)
            if found is None:
                raise BadCsv("a quoted cell has no end")
            self._at = found.end()
            return found[1].replace(self._quote * 2, self._quote)
        begin = self._at
        while True:
            found = self._plain.match(self._text, self._at)
            if found is not None:
                self._at = found.end()
            elif self._is_within_a_cell():
                self._at += 1
            else:
                return self._text[begin : self._at] or None

    def _is_within_a_cell(self) -> bool:
        """Whether the separator begins here without going on."""
        return self._text.startswith(self._separator[0], self._at) and not self._text.startswith(
            self._separator, self._at
        )
