r"""Replacements as Ruby's ``gsub`` reads them: ``\1``, ``\0``, ``\&``, ``\k<name>``, ``\\``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ptingest.pipeline.logstash.onigmo.found import Found
from ptingest.pipeline.logstash.onigmo.tree import BadRegex

Part = Callable[[Found, str], str]
"""Gives a piece of the replacement, of the match and of the whole text."""


def compile_replacement(text: str, names: Mapping[str, tuple[int, ...]], groups: int) -> Part:
    """Return what makes the replacement of a match.

    Raises:
        BadRegex: it names a group that the expression does not have.
    """
    parts, plain, at = list[Part](), "", 0
    while at < len(text):
        if text[at] != "\\" or at + 1 == len(text):
            plain += text[at]
            at += 1
            continue
        letter, stop = text[at + 1], at + 2
        part: Part | None = None
        if letter == "k" and text.startswith("<", stop):
            end = text.find(">", stop)
            if end < 0:
                raise BadRegex("invalid group name reference format")
            part, stop = _named(text[stop + 1 : end], names), end + 1
        else:
            part = _escaped(letter, groups)
        if part is None:
            plain += "\\" if letter == "\\" else text[at:stop]
        else:
            parts += [_plain(plain), part] if plain else [part]
            plain = ""
        at = stop
    return _joined([*parts, _plain(plain)] if plain or not parts else parts)


def _plain(text: str) -> Part:
    return lambda _found, _text: text


def _escaped(letter: str, groups: int) -> Part | None:
    if letter in "0&":
        return lambda found, _text: found.group() or ""
    if letter in "123456789":
        number = int(letter)
        return _plain("") if number > groups else lambda found, _text: found.group(number) or ""
    if letter == "`":
        return lambda found, text: text[: found.start()]
    if letter == "'":
        return lambda found, text: text[found.end() :]
    return None


def _named(name: str, names: Mapping[str, tuple[int, ...]]) -> Part:
    if name not in names:
        raise BadRegex(f"undefined group name reference: {name}")
    numbers = names[name][::-1]

    def last(found: Found, _text: str) -> str:
        return next((text for number in numbers if (text := found.group(number)) is not None), "")

    return last


def _joined(parts: list[Part]) -> Part:
    if len(parts) == 1:
        return parts[0]
    return lambda found, text: "".join([part(found, text) for part in parts])
