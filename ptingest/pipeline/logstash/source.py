"""Python's source of a function of an event: lines, and the objects that they name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Raw

from ptingest.pipeline.logstash.event import MISSING
from ptingest.pipeline.logstash.field_reference import parse_reference
from ptingest.pipeline.logstash.members import decoded
from ptingest.pipeline.logstash.values import FieldError

_INDENT = "    "


class Source:
    """The lines of one function, and the objects that they name."""

    def __init__(self, parameters: str = "event") -> None:
        """``parameters`` are the function's, the event first."""
        self._lines = [f"def run({parameters}):", f"{_INDENT}root = event.root"]
        self._names: dict[str, Any] = {"MISSING": MISSING, "Raw": Raw, "decoded": decoded}
        self.depth = 1

    def add(self, *lines: str) -> None:
        """Add lines at the present depth."""
        self._lines += [_INDENT * self.depth + line for line in lines]

    def name(self, value: object) -> str:
        """Return a name by which the lines reach an object."""
        name = f"x{len(self._names)}"
        self._names[name] = value
        return name

    def function(self) -> Callable[..., Any]:
        """Compile what was added.

        Raises:
            SyntaxError: Python cannot take so many levels.
        """
        found: dict[str, Any] = self._names
        exec(compile("\n".join(self._lines), "<logstash.conf>", "exec"), found)
        made: Callable[..., Any] = found["run"]
        return made

    def set_below(self, path: Sequence[str], value: str, otherwise: str, *, adds: bool) -> None:
        """Add what sets a field below the root; ``otherwise`` is done where a parent is neither
        missing nor an object, and with ``adds`` where the field has a value."""
        self.add("while True:")
        self.depth += 1
        holder = "root"
        for at, key in enumerate(path[:-1]):
            made = value
            for inner in reversed(path[at + 1 :]):
                made = f"{{{inner!r}: {made}}}"
            self.add(
                f"h{at} = {holder}.get({key!r}, MISSING)",
                f"if type(h{at}) is not dict:",
                f"    if h{at} is MISSING:",
                f"        {holder}[{key!r}] = {made}",
                "        break",
                *([] if at else [f"    if type(h0) is Raw: h0 = event.read({key!r})"]),
                f"    if type(h{at}) is not dict:",
                f"        {otherwise}",
                "        break",
            )
            holder = f"h{at}"
        key = path[-1]
        if adds:
            self.add(f"if {holder}.get({key!r}) is not None:", f"    {otherwise}", "    break")
        self.add(f"{holder}[{key!r}] = {value}", "break")
        self.depth -= 1


def plain_path(text: str) -> tuple[str, ...] | None:
    """Return the keys to a field; None for metadata and a bad reference."""
    try:
        reference = parse_reference(text)
    except FieldError:
        return None
    return None if reference.is_metadata else reference.path
