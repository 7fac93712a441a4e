r"""A pattern of topics in the words of the Kafka client, whose expressions are POSIX's. Pure.

    ^(?:a|b)-\d+?$  -->  ^(a|b)-[0-9]+$

The client takes an expression that it does not know for another one (``\d`` is a ``d``), so what
does not mean the same in Python, Java and POSIX is translated or refused, never handed on.
"""

from __future__ import annotations

import re

_CLASSES = {"\\d": "0-9", "\\w": "A-Za-z0-9_"}
_COUNT = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_TOKEN = re.compile(
    r"\(\?:|\\[dw]"
    r"|\[\^?(?:-|-?(?:[A-Za-z0-9_]-[A-Za-z0-9_]|[A-Za-z0-9_.]|\\[dw.-])+-?)\]"
    r"|[A-Za-z0-9_-]+|\\[.-]|[.|)^$]|\((?!\?)"
    rf"|(?:[*+?]|\{{{_COUNT}(?:,{_COUNT}?)?\}}|\{{,{_COUNT}\}})\??(?!\+)",
    re.ASCII,
)
"""What means the same in all three, or becomes so; POSIX has counts up to 255."""
ALLOWED = (
    "letters, digits, `.`, `-`, `_`, `\\d`, `\\w`, sets, groups, `|`, `^`, `$` and repeats up to "
    "255 can be used, or name topics"
)


def client_pattern(text: str) -> str:
    r"""Return a pattern as the client takes it; what is one already stays as it is.

    Letters, ``.``, ``\d``, ``\w``, escapes of ``.`` and ``-``, sets, groups and repeats can be
    used.

    Raises:
        ValueError: it cannot be followed; the text says from where on, and what can be used.
    """
    parts: list[str] = []
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise ValueError(
                f"cannot be followed from {text[at:]!r} on (character {at + 1}); {ALLOWED}"
            )
        parts.append(_posix(found.group()))
        at = found.end()
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"cannot be read: {error}") from None
    return "".join(parts)


def _posix(part: str) -> str:
    if part == "(?:":
        return "("
    if part in _CLASSES:
        return f"[{_CLASSES[part]}]"
    if part == "\\-":
        return "-"
    if part.startswith("["):
        return _set(part)
    if len(part) > 1 and part.endswith("?"):
        part = part[:-1]  # what a repeat takes first makes no difference to the whole
    return part.replace("{,", "{0,")


def _set(part: str) -> str:
    for name, meaning in _CLASSES.items():
        part = part.replace(name, meaning)
    part = part.replace("\\.", ".")
    if "\\-" in part:  # POSIX has no escapes in a set: a minus sign is itself at the end
        part = part.replace("\\-", "")[:-1].removesuffix("-") + "-]"
    return part
