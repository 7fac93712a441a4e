"""Outputs: where an event goes, and under which name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ptingest.pipeline.logstash.attributes import check_attributes
from ptingest.pipeline.logstash.event import Event
from ptingest.pipeline.logstash.options import Option, Options, RefusedConfig
from ptingest.pipeline.logstash.sprintf import Template, compile_template
from ptingest.pipeline.logstash.tree import Plugin


class Target(NamedTuple):
    """Where one event goes: a data stream, an index, or a file."""

    output: int
    """Which output of the config, counted from 0 in the order written."""
    name: str
    is_data_stream: bool = False
    action: str = "index"
    document_id: str | None = None
    pipeline: str | None = None
    routing: str | None = None


Route = Callable[[Event], Target]


class Output(NamedTuple):
    """One output of a config."""

    options: Options
    route: Route


COMMON_OPTIONS = (Option("id"), Option("codec", "codec"), Option("enable_metric", "boolean", True))
_ELASTICSEARCH = (
    Option("index"), Option("document_id"), Option("action"), Option("pipeline"),
    Option("routing"), Option("hosts", "array", ["127.0.0.1"]),
)  # fmt: skip


def compile_output(plugin: Plugin, number: int) -> Output:
    """Compile one output.

    Raises:
        RefusedConfig: there is no such output, or an option cannot be used.
    """
    if plugin.name == "elasticsearch":
        options = check_attributes(plugin, (*COMMON_OPTIONS, *_ELASTICSEARCH))
        return Output(options, _elasticsearch(options, number))
    raise RefusedConfig(plugin.place, f"there is no output {plugin.name!r}")


def _elasticsearch(options: Options, number: int) -> Route:
    index = compile_template(options["index"] or "logs-generic-default")
    action = compile_template(options["action"] or "index")
    document_id, pipeline, routing = (
        _optional(options[name]) for name in ("document_id", "pipeline", "routing")
    )

    def route(event: Event) -> Target:
        return Target(
            number,
            index(event),
            action=action(event),
            document_id=document_id and document_id(event),
            pipeline=pipeline and pipeline(event),
            routing=routing and routing(event),
        )

    return route


def _optional(text: Any) -> Template | None:
    return None if text is None else compile_template(text)
