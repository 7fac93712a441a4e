"""`ptingest try --profile FILE.conf`: what a logstash.conf makes of events."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ptingest.cli.visible import escaped, visible, visible_json, write_json_line

if TYPE_CHECKING:
    from ptingest.pipeline.pipeline import ExplainedEvent, Explanation, Pipeline

COLOURS = {"indexed": "green", "dropped": "yellow", "dead_letter": "red"}


@dataclass(frozen=True, slots=True)
class Manner:
    """How the config is run."""

    is_bare: bool
    """The filters alone, on the events as given; inputs and outputs may be missing."""
    has_ecs: bool
    has_escapes: bool


def is_logstash(profile: Path) -> bool:
    """Say whether a profile is a logstash.conf, or a folder of them."""
    from ptingest.settings.logstash import is_logstash_config

    return is_logstash_config(profile)


def compile_logstash(profile: Path, manner: Manner) -> Pipeline:
    """Compile the config.

    Raises:
        ConfigInvalid: it cannot be run.
    """
    from ptingest.pipeline.logstash import pipeline
    from ptingest.settings.logstash import load_logstash

    settings = load_logstash(profile, os.environ).model_copy(
        update={
            "ecs_compatibility": "v8" if manner.has_ecs else "disabled",
            "support_escapes": manner.has_escapes,
        }
    )
    return pipeline.compile_logstash(settings, is_bare=manner.is_bare)


def show_events_json(explained: Explanation) -> None:
    """Print one line: the events that left the filters, none for a dropped one."""
    told = b",".join(map(_event_json, explained.events))
    reason = (
        b"" if explained.outcome != "dead_letter" else b',"reason":%b' % _json(explained.reason)
    )
    write_json_line(b'{"events":[%b]%b}' % (told, reason))


def _event_json(event: ExplainedEvent) -> bytes:
    return b'{"document":%b,"metadata":%b,"targets":%b}' % (
        _finite(event.body),
        _finite(event.metadata),
        _json(event.targets),
    )


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _finite(body: bytes) -> bytes:
    """Show a number beyond a double as an object: readers would take it for infinity."""
    if b"E" not in body and b"e" not in body:
        return body
    beyond: list[str] = []

    def number(text: str) -> object:
        if math.isinf(float(text)):
            beyond.append(text)
            return {"$bigdecimal": str(Decimal(text))}
        return float(text)

    value = json.loads(body, parse_float=number)
    return _json(value) if beyond else body


def show_events(explained: Explanation) -> None:
    """Print what became of an event, the conditions and filters that it went through."""
    import msgspec

    head = click.style(explained.outcome, fg=COLOURS[explained.outcome], bold=True)
    why = ": ".join(part for part in (explained.reason, explained.detail) if part)
    click.echo(f"{head}  {visible(why)}" if why else head)
    for passage in explained.passages:
        step = f"{passage.place}  {passage.text}: {passage.outcome}"
        click.echo(f"  {visible(step)}")
    for event in explained.events:
        targets = "  ".join(map(escaped, event.targets))
        click.echo(f"goes to  {targets}" if targets else "goes nowhere")
        text = msgspec.json.format(event.body, indent=2).decode("utf-8", "replace")
        click.echo(visible_json(text))
    click.echo()
