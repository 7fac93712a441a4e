"""One document as one line for people: time, level, service, logger, text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from ptingest.cli.visible import visible

_LEVEL_COLOURS = {
    "CRITICAL": "magenta",
    "ERROR": "red",
    "WARNING": "yellow",
    "INFO": "green",
    "DEBUG": "blue",
}


def document_line(document: Mapping[str, Any], otherwise: str) -> str:
    """Return the line; ``otherwise`` stands where the document names no service.

    click strips the colours where no terminal reads, and nothing of the document commands
    one that does.
    """
    level = _text(document.get("log_level")) or "-"
    parts = [
        click.style(_text(document.get("@timestamp")) or "-", dim=True),
        click.style(f"{level:<8}", fg=_LEVEL_COLOURS.get(level)),
        click.style(_text(document.get("service")) or visible(otherwise), fg="cyan"),
    ]
    logger = _text(document.get("logger_name"))
    if logger:
        parts.append(click.style(logger, bold=True))
    parts.append(_text(document.get("log_message") or document.get("message")))
    return " ".join(parts)


def _text(value: Any) -> str:
    import msgspec

    if value is None:
        return ""
    return visible(value if isinstance(value, str) else msgspec.json.encode(value).decode())
