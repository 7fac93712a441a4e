"""Dry runs of lines and patterns typed into the console; nothing is sent or stored.

Lines go through the pipeline in force, in a thread. A pattern from the form is run by a
process of its own, with little time and memory: a regular expression may never end. One at a
time, so that dry runs use at most a part of one processor.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from ptingest.pipeline.pipeline import Explanation, Pipeline
from ptingest.pipeline.plain_lines import as_events, join_records
from ptingest.pipeline.shapes import Near, Nearness
from ptingest.settings.profile import PatternSettings
from ptingest.settings.profiles import Profile, groups_of

LINES = 50
"""Lines tried at once; the rest is counted, not tried."""
PATTERN_SECONDS = 20.0
"""For the whole process, its start included, which takes seconds on a busy machine; its
processor time is limited by itself."""


class Fitted(NamedTuple):
    """One pattern of the profile, and its result."""

    name: str
    kind: str
    text: str
    outcome: str
    """``fits``, ``lacks ...``, ``does not fit``; empty where it was not tried."""


class Stops(NamedTuple):
    """One line at every stage."""

    message: str
    payload: str
    """The event as a Beat would send it."""
    patterns: Sequence[Fitted]
    """In the order in which they were tried, up to the one that fits."""
    explained: Explanation


class Tried(NamedTuple):
    """All lines that were tried."""

    stops: Sequence[Stops]
    left_out: int
    """Lines beyond the most that are tried at once."""


class PatternTried(NamedTuple):
    """The result of a typed pattern on some lines."""

    problem: str | None
    """Which of the profile's rules it breaks."""
    lines: Sequence[tuple[str, Mapping[str, str] | None, str | None]]
    """Each line with the fields set, or None and the first missing piece."""
    cut_at: int | None
    """The line on which it took too long and was ended."""
    left_out: int


class DryRun:
    """Tries lines and patterns with the pipeline in force."""

    def __init__(
        self, pipeline: Callable[[], Pipeline], *, pattern_seconds: float = PATTERN_SECONDS
    ) -> None:
        self._pipeline, self._pattern_seconds = pipeline, pattern_seconds
        self._turn = asyncio.Semaphore(1)
        self._nearness: tuple[Profile, Nearness] | None = None

    def services(self) -> Sequence[str]:
        """Services the profile in force names."""
        return self._pipeline().services

    def groups(self) -> Sequence[str]:
        """Groups of the profile in force; none of a ``logstash.conf``."""
        return [group.group for group in groups_of(self._pipeline().profile)]

    def patterns(self) -> Sequence[Fitted]:
        """The patterns in force, in the order in which they are tried."""
        groups = groups_of(self._pipeline().profile)
        return [_fitted(pattern, "") for group in groups for pattern in group.patterns]

    def failure_tags(self) -> Sequence[str]:
        """The tags of documents that no pattern fits."""
        return list(
            dict.fromkeys(group.failure_tag for group in groups_of(self._pipeline().profile))
        )

    def nearest(self, line: str) -> Near | None:
        """Return the pattern in force that comes closest to a line of the first group."""
        profile = self._pipeline().profile
        if self._nearness is None or self._nearness[0] is not profile:
            patterns = _patterns(profile)
            near = Nearness(patterns, with_packaged=bool(patterns))
            self._nearness = (profile, near)
        return self._nearness[1].nearest(line)

    async def try_lines(self, text: str, *, service: str, multiline: bool) -> Tried:
        """Take each line through every stage."""
        records = _records(text, multiline=multiline)
        stops = await asyncio.to_thread(self._stops, records[:LINES], service)
        return Tried(stops, left_out=max(0, len(records) - LINES))

    def _stops(self, records: Sequence[bytes], service: str) -> list[Stops]:
        pipeline = self._pipeline()
        patterns = _patterns(pipeline.profile)
        group = pipeline.profile.group_of("")
        payloads = as_events(records, service=_writable(service), group=group)
        return [
            _stops_of(pipeline.explain(payload, now_ns=time.time_ns()), payload, record, patterns)
            for payload, record in zip(payloads, records, strict=True)
        ]

    async def try_pattern(
        self, kind: str, text: str, *, lines: str, multiline: bool
    ) -> PatternTried:
        """Try one pattern on each line, in a process that may be ended."""
        records = [
            record.decode("utf-8", "replace") for record in _records(lines, multiline=multiline)
        ]
        question = msgspec.json.encode(
            {
                "kind": kind,
                "text": _writable(text),
                "is_strict": getattr(self._pipeline().profile, "parsing", "") == "strict",
                "lines": records[:LINES],
            }
        )
        async with self._turn:
            out = await _ask(question, self._pattern_seconds)
        answers = [msgspec.json.decode(line) for line in out.splitlines(keepends=True)
                   if line.endswith(b"\n")]  # fmt: skip
        problem = next((answer["problem"] for answer in answers if "problem" in answer), None)
        found = [] if problem else answers
        return PatternTried(
            problem=problem,
            lines=[
                (line, answer["fields"], answer["missing"])
                for line, answer in zip(records, found, strict=False)
            ],
            cut_at=None if problem or len(found) == len(records[:LINES]) else len(found) + 1,
            left_out=max(0, len(records) - LINES),
        )


async def _ask(question: bytes, seconds: float) -> bytes:
    """Run the program; whatever it wrote before its time was over."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "ptingest.api.console.pattern_process",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        # It may end before it has read the question.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            process.stdin.write(question)
            await process.stdin.drain()
            process.stdin.close()
        return await _read(process.stdout, seconds)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _read(out: asyncio.StreamReader, seconds: float) -> bytes:
    answered = bytearray()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while data := await out.read(1 << 16):
                answered += data
    return bytes(answered)


def _writable(text: str) -> str:
    """Return text that UTF-8 can hold."""
    return text.encode("utf-8", "replace").decode()


def _records(text: str, *, multiline: bool) -> list[bytes]:
    lines = text.encode("utf-8", "replace").replace(b"\r\n", b"\n").split(b"\n")
    lines = [line for line in lines if line.strip()]
    return list(join_records(lines)) if multiline else lines


def _patterns(profile: Profile) -> Sequence[PatternSettings]:
    """The patterns of the first group; a ``logstash.conf`` has none."""
    return next((group.patterns for group in groups_of(profile)), ())


def _stops_of(
    explained: Explanation, payload: bytes, record: bytes, patterns: Sequence[PatternSettings]
) -> Stops:
    message = record.decode("utf-8", "replace")
    fitted = []
    for pattern in patterns:
        if pattern.name == explained.pattern:
            fitted.append(_fitted(pattern, "fits"))
            break
        near = Nearness([pattern]).nearest(message) if pattern.line else None
        fitted.append(_fitted(pattern, f"lacks {near.missing}" if near else "does not fit"))
    return Stops(message, payload.decode(), fitted, explained)


def _fitted(pattern: PatternSettings, outcome: str) -> Fitted:
    for kind in ("line", "regex", "json_keys"):
        value = getattr(pattern, kind)
        if value is not None:
            return Fitted(pattern.name, kind, _text(value), outcome)
    raise AssertionError(f"pattern {pattern.name} has no shape")


def _text(value: str | dict[str, str]) -> str:
    if isinstance(value, str):
        return value
    return "{" + ", ".join(f"{key}: {field}" for key, field in value.items()) + "}"
