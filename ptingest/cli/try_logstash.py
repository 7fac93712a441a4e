"""`ptingest try --profile FILE.conf`: what a logstash.conf makes of events."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ptingest.cli.exit_codes import ExitCode
from ptingest.cli.visible import escaped, visible_json, write_json_line
from ptingest.errors import ConfigInvalid, ConfigProblem

if TYPE_CHECKING:
    from ptingest.pipeline.logstash.compile import Program, Result


@dataclass(frozen=True, slots=True)
class Manner:
    """How the config is run and shown."""

    is_bare: bool
    """The filters alone, on the events as given; inputs and outputs may be missing."""
    has_ecs: bool
    has_escapes: bool
    as_json: bool


def is_logstash(profile: Path) -> bool:
    """Say whether a profile is a logstash.conf, or a folder of them."""
    return profile.is_dir() or profile.suffix == ".conf"


def try_logstash(profile: Path, lines: Iterable[bytes], manner: Manner) -> ExitCode:
    """Run events, one JSON object a line, and print what becomes of each.

    Raises:
        ConfigInvalid: the config cannot be run.
    """
    program = _program(profile, manner)
    show = _show_json if manner.as_json else _show
    for line in lines:
        show(program, line)
    return ExitCode.DONE


def _program(profile: Path, manner: Manner) -> Program:
    from ptingest.pipeline.logstash.compile import compile_config
    from ptingest.pipeline.logstash.options import RefusedConfig
    from ptingest.pipeline.logstash.parse import read_config

    folder = profile if profile.is_dir() else profile.parent
    try:
        config = read_config(profile, os.environ, has_escapes=manner.has_escapes)
        return compile_config(config, has_ecs=manner.has_ecs, folder=folder)
    except RefusedConfig as error:
        raise ConfigInvalid(
            tuple(_problem(one.place.file, one.place.line, one.sentence) for one in error.all)
        ) from None
    except OSError as error:
        sentence = f"cannot be read: {error.strerror}"
        raise ConfigInvalid((_problem(str(profile), None, sentence),)) from None


def _problem(file: str, line: int | None, sentence: str) -> ConfigProblem:
    return ConfigProblem(file=file, path="", seen=sentence, cure="nothing was run", line=line)


def _run(program: Program, line: bytes) -> list[Result]:
    from ptingest.pipeline.logstash.event import new_event

    fields = json.loads(line)
    return program.run(new_event(fields, now_ns=time.time_ns()))


def _show_json(program: Program, line: bytes) -> None:
    from ptingest.pipeline.logstash.values import json_text

    told = [
        {"document": one.event.fields, "metadata": one.event.metadata, "targets": _targets(one)}
        for one in _run(program, line)
    ]
    write_json_line(json_text({"events": told}).encode())


def _targets(result: Result) -> list[Any]:
    return [target.name for target in result.targets]


def _show(program: Program, line: bytes) -> None:
    import msgspec

    from ptingest.pipeline.logstash.values import json_text

    results = _run(program, line)
    if not results:
        click.echo(click.style("dropped", fg="yellow", bold=True))
    for result in results:
        head = click.style("indexed", fg="green", bold=True)
        click.echo("  ".join([head, *(escaped(str(name)) for name in _targets(result))]))
        text = msgspec.json.format(json_text(result.event.fields), indent=2)
        click.echo(visible_json(text))
    click.echo()
