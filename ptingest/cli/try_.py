"""`ptingest try`: what would become of these events? Nothing is sent or stored.

Reads events as Filebeat sends them, one JSON object a line, or with ``--service`` plain
log lines, and shows each one's outcome, data stream, and document. A broken line is an
event like any other: the server would dead-letter it, so that is what is shown.
A profile that is a ``logstash.conf`` is run by ``try_logstash``.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from ptingest.cli.exit_codes import ExitCode
from ptingest.cli.options import config_option, load_settings
from ptingest.cli.terminal import marked_lines, width_of, wrapped
from ptingest.cli.try_logstash import (
    Manner,
    compile_logstash,
    is_logstash,
    show_events,
    show_events_json,
)
from ptingest.cli.visible import escaped, visible_json, write_json_line
from ptingest.doctor.units import plural
from ptingest.pipeline.plain_lines import as_events, join_records

if TYPE_CHECKING:
    from ptingest.pipeline.pipeline import Explanation, Pipeline

COLOURS = {"indexed": "green", "dropped": "yellow", "dead_letter": "red"}


@click.command(
    "try",
    epilog="Example: echo 'INFO|apps.x|2025-01-02T03:04:05Z|hi' | ptingest try --service django",
)
@click.argument("file", metavar="[FILE]", type=click.File("rb"), default="-")
@click.option("--service", help="The input is plain log lines of this service.")
@click.option(
    "--group",
    default=None,
    help="With --service: the group; otherwise the one that knows the service.",
)
@click.option(
    "--multiline",
    is_flag=True,
    help="With --service: a line that does not begin a record is joined to the last.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line for each event.")
@click.option(
    "--profile",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="A profile, a logstash.conf, or a folder of *.conf, instead of the config's profile.",
)
@click.option(
    "--bare",
    is_flag=True,
    help="With a logstash.conf: its filters alone, on the events as given.",
)
@click.option(
    "--ecs-compatibility",
    type=click.Choice(["disabled", "v1", "v8"]),
    default="v8",
    show_default=True,
    help="With a logstash.conf: Logstash's setting pipeline.ecs_compatibility.",
)
@click.option(
    "--support-escapes",
    is_flag=True,
    help="With a logstash.conf: Logstash's setting config.support_escapes.",
)
@config_option
def try_(
    file: BinaryIO,
    service: str | None,
    group: str | None,
    multiline: bool,
    as_json: bool,
    profile: Path | None,
    bare: bool,
    ecs_compatibility: str,
    support_escapes: bool,
    config: Path | None,
) -> ExitCode:
    """Show what becomes of events; nothing is sent.

    FILE (or standard input) holds events as Filebeat sends them, one JSON object a line. Exit
    codes: 0 every event would be indexed, or dropped by a rule, 1 there was no event, 3 config
    invalid, 5 some would be dead letters.
    """
    if service is None and (group is not None or multiline):
        raise click.UsageError("--group and --multiline are for plain lines: add --service NAME.")
    path = _path(config, profile)
    if is_logstash(path):
        manner = Manner(
            is_bare=bare, has_ecs=ecs_compatibility != "disabled", has_escapes=support_escapes
        )
        pipeline = compile_logstash(path, manner)
        show = show_events_json if as_json else show_events
    elif bare or support_escapes:
        raise click.UsageError("--bare and --support-escapes are for a logstash.conf.")
    else:
        pipeline = _pipeline(path)
        show = _show_json if as_json else _show
    if file.isatty():
        click.echo("reading standard input; Ctrl-D ends it", err=True)
    payloads: Iterable[bytes] = read_lines(file)
    if service is not None:
        records = join_records(payloads) if multiline else payloads
        payloads = as_events(
            records, service=service, group=group or pipeline.profile.group_of(service)
        )
    return _explain_all(pipeline, payloads, show, as_json=as_json)


def _explain_all(
    pipeline: Pipeline,
    payloads: Iterable[bytes],
    show: Callable[[Explanation], None],
    *,
    as_json: bool,
) -> ExitCode:
    seen = _Seen()
    for payload in payloads:
        explained = pipeline.explain(payload, now_ns=time.time_ns())
        seen.count(explained)
        show(explained)
    if not as_json or not seen.events:
        for line in wrapped(seen.sentence(), width=width_of(sys.stderr)):
            click.echo(line, err=True)
    return seen.exit_code()


class _Seen:
    """Counts what became of the events, for the last line and the exit code."""

    def __init__(self) -> None:
        self.events = self._indexed = self._unparsed = 0
        self._reasons: dict[str, Counter[str]] = {"dropped": Counter(), "dead_letter": Counter()}

    def count(self, explained: Explanation) -> None:
        self.events += 1
        if explained.outcome == "indexed":
            self._indexed += 1
            self._unparsed += "grok_failure" in explained.notes
        else:
            self._reasons[explained.outcome][explained.reason or "no reason"] += 1

    def sentence(self) -> str:
        if not self.events:
            return "no event in the input, so nothing was tried; a line of blanks is none"
        parts = [f"{self._indexed:,} would be indexed"] if self._indexed else []
        if self._unparsed:
            parts[0] += f", of which {self._unparsed:,} fit no pattern"
        for outcome, reasons in self._reasons.items():
            count = reasons.total()
            if count:
                what = f"{count:,} dropped by a rule"
                if outcome == "dead_letter":
                    what = plural(count, "dead letter")
                shown = ", ".join(f"{often:,} {reason}" for reason, often in reasons.most_common())
                parts.append(f"{what} ({shown})")
        return f"{plural(self.events, 'event')}: {'; '.join(parts)}"

    def exit_code(self) -> ExitCode:
        if not self.events:
            return ExitCode.FAILED
        return ExitCode.NOT_ALL_DELIVERED if self._reasons["dead_letter"] else ExitCode.DONE


def _path(config: Path | None, profile: Path | None) -> Path:
    from ptingest.pipeline.compile import packaged_profile_path

    named = None if config is None else load_settings(config).profile
    return profile or (packaged_profile_path() if named is None else Path(named))


def _pipeline(path: Path) -> Pipeline:
    from ptingest.pipeline.compile import compile_profile
    from ptingest.settings.load import load_profile

    return compile_profile(load_profile(path, os.environ))


def read_lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines that are not blank, without their newline; nothing else ends a line."""
    for line in file:
        if line.strip():
            yield line.removesuffix(b"\n")


def _show_json(explained: Explanation) -> None:
    import orjson

    # The document is printed as sinks get it: parsing it again would change 1.10 or 1e999.
    line = b'{"outcome":%b,"reason":%b,"data_stream":%b,"document":%b}' % (
        orjson.dumps(explained.outcome),
        orjson.dumps(explained.reason),
        _json_text(explained.data_stream),
        explained.body or b"null",
    )
    write_json_line(line)


def _json_text(text: str | None) -> bytes:
    """A name made from an event may hold half a surrogate pair, which orjson refuses."""
    return json.dumps(text).encode()


def _show(explained: Explanation) -> None:
    import msgspec

    fired = {
        "why": ": ".join(part for part in (explained.reason, explained.detail) if part),
        "data stream": explained.data_stream,
        "pattern": explained.pattern,
        "category": explained.rule,
        "noted": ", ".join(explained.notes),
        "key": explained.key,
    }
    parts = [f"{name} {escaped(value)}" for name, value in fired.items() if value]
    mark, colour = explained.outcome, COLOURS[explained.outcome]
    indent = len(mark) + 2
    text, width = "  ".join(parts), width_of(sys.stdout)
    for line in marked_lines(mark, colour, text, indent=indent, width=width):
        click.echo(line.rstrip())
    if explained.body is not None:
        text = msgspec.json.format(explained.body, indent=2).decode("utf-8", "replace")
        click.echo(visible_json(text))
    click.echo()
