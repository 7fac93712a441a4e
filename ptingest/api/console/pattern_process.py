"""A program of its own that tries one pattern on some lines; run by `ptingest.api.console.dry_run`.

    {"kind": "regex", "text": "...", "is_strict": false, "lines": [...]}     one line in
    {"problem": "..."}                                                       one line out, or
    {"fields": {...} | null, "missing": "..." | null}                        one for each line

With `--costs SECONDS` each answer is {"seconds": ...}, its processor time, for so long in all.

A typed expression may never end: this process ends when its processor time or memory is spent,
and the results of the lines before that have been written.
"""

from __future__ import annotations

import resource
import sys
import time
from typing import Any

import msgspec
import yaml
from pydantic import ValidationError

from ptingest.pipeline.patterns import Matcher, matcher
from ptingest.pipeline.shapes import Nearness
from ptingest.settings.profile import PatternSettings

CPU_SECONDS = 2
MEMORY_BYTES = 1 << 30


class PatternRequest(msgspec.Struct):
    """A pattern and the lines to try; ``text`` is the pattern as the profile would have it."""

    kind: str
    text: str
    is_strict: bool
    lines: list[str]


def read_pattern(kind: str, text: str) -> PatternSettings:
    """Return the pattern as the profile's own rules read it.

    Raises:
        ValueError: it breaks one of them; its text says which.
    """
    value: Any = text
    if kind == "json_keys":
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ValueError(f"no keys: write {{key: field, ...}} ({error})") from error
    try:
        return PatternSettings.model_validate({"name": "yours", kind: value})
    except ValidationError as error:
        said = (problem["msg"].removeprefix("Value error, ") for problem in error.errors())
        raise ValueError("; ".join(said)) from error


def main() -> None:
    """Answer the question on standard input, line by line."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    question = msgspec.json.decode(sys.stdin.buffer.read(), type=PatternRequest)
    try:
        pattern = read_pattern(question.kind, question.text)
        wanted = matcher(pattern, is_strict=question.is_strict)
        nearness = Nearness([pattern]) if pattern.line else None
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        _say({"problem": str(error) or type(error).__name__})
        return
    if sys.argv[1:2] == ["--costs"]:
        _tell_costs(wanted, question.lines, float(sys.argv[2]))
        return
    for line in question.lines:
        fields = wanted.match(line)
        near = nearness.nearest(line) if nearness and fields is None else None
        _say({"fields": fields, "missing": near.missing if near else None})


def _tell_costs(wanted: Matcher, lines: list[str], seconds: float) -> None:
    end = time.process_time() + seconds
    for line in lines:
        began = time.process_time()
        wanted.match(line)
        now = time.process_time()
        if now > end:
            return
        _say({"seconds": now - began})


def _say(answer: dict[str, object]) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
