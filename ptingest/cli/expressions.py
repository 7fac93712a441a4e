"""What `ptingest check` says of a profile's own expressions: who runs each, and what a hostile
line costs.

The lines are tried by a process of its own that has a second, as the console does it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from ptingest.settings.profile import PatternSettings

LINE_CHARACTERS = 1 << 16
SECONDS = 1.0
"""For all lines of one expression, the start of the process beside."""
START_SECONDS = 10.0
SLOW_SECONDS = 0.1
"""A line of 64 KiB should take no longer: 16 MiB, the largest event, are 256 of them."""
PLACES_MOST = 12
_OTHER_END = "!\n\n"
_REPEATED = ("a", "1", " ", ".", ",", "=", '"', "a=", "a,", "a ", "/a", "\n", "é")


def hostile_lines(pattern: PatternSettings) -> list[str]:
    """Return long lines like the pattern's samples, with the same or another end."""
    lines = [_repeated(text) + _OTHER_END for text in _REPEATED]
    for sample in pattern.samples[:3]:
        lines += [_repeated(sample.line), _repeated(sample.line) + _OTHER_END]
        step = max(1, len(sample.line) // PLACES_MOST)
        for place in range(0, len(sample.line), step):
            begun = sample.line[:place] + _repeated(sample.line[place])
            lines += [begun + sample.line[place:], begun + _OTHER_END]
    return lines


def _repeated(text: str) -> str:
    return (text * LINE_CHARACTERS)[:LINE_CHARACTERS]


def look_at_expression(
    pattern: PatternSettings, *, seconds: float = SECONDS, start_seconds: float = START_SECONDS
) -> tuple[Literal["ok", "note", "warning"], str, str]:
    """Return mark, finding and cure for a pattern that is a regular expression."""
    from ptingest.settings.expression import compile_expression

    compiled = compile_expression(pattern.regex or "")
    runs = "runs on Python's engine, linear in the line"
    if compiled.engine != "re":
        runs = f"not linear on Python's engine ({compiled.why}): runs on RE2, linear but slower"
    if compiled.longest is not None:
        runs = f"{runs}, on lines of up to {compiled.longest} characters"
    lines = hostile_lines(pattern)
    costs = list(_costs(pattern, lines, seconds, start_seconds))
    if len(costs) < len(lines):
        seen = f"{runs}; hostile lines of 64 KiB were ended after {seconds:g} s"
        cure = "let each repetition end at a character that it does not match itself"
        return "warning", seen, cure
    if max(costs) > SLOW_SECONDS:
        seen = f"{runs}; the worst of {len(lines)} hostile lines of 64 KiB took {max(costs):.2f} s"
        return "warning", seen, "use shorter repetitions, or fewer groups"
    worst = f"{max(costs) * 1000:.1f} ms"
    seen = f"{runs}; the worst of {len(lines)} hostile lines of 64 KiB took {worst}"
    return ("ok" if compiled.engine == "re" else "note"), seen, ""


def _costs(
    pattern: PatternSettings, lines: Sequence[str], seconds: float, start_seconds: float
) -> Iterator[float]:
    """Yield the seconds of each line, until the time of all is up."""
    question = {"kind": "regex", "text": pattern.regex, "is_strict": False, "lines": lines}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "ptingest.api.console.pattern_process", "--costs", str(seconds)],
            input=json.dumps(question).encode(),
            capture_output=True,
            check=False,
            timeout=start_seconds,
        )
        out = done.stdout
    except subprocess.TimeoutExpired as error:
        out = error.stdout or b""
    for line in out.splitlines(keepends=True):
        if line.endswith(b"\n"):
            answer: dict[str, Any] = json.loads(line)
            if "seconds" in answer:
                yield float(answer["seconds"])
