"""Running a config in tests: text and fields in, fields out."""

from __future__ import annotations

from typing import Any

from ptingest.pipeline.logstash.compile import Program, compile_config
from ptingest.pipeline.logstash.event import new_event
from ptingest.pipeline.logstash.parse import parse
from ptingest.pipeline.logstash.values import Timestamp

NOW = 1_767_323_045_000_000_000


def program(text: str, *, has_ecs: bool = True, has_escapes: bool = False) -> Program:
    config = parse(text, {}, file="a.conf", has_escapes=has_escapes)
    return compile_config(config, has_ecs=has_ecs)


def run(text: str, **fields: Any) -> list[dict[str, Any]]:
    """Run a config on one event and return the fields of what comes out, without time."""
    results = program(text).run(new_event({"@timestamp": Timestamp(NOW), **fields}, now_ns=NOW))
    out = []
    for result in results:
        kept = {
            key: value
            for key, value in result.event.fields.items()
            if key not in ("@timestamp", "@version")
        }
        metadata = result.event.metadata
        out.append({**kept, "@metadata": metadata} if metadata else kept)
    return out


def run_filter(body: str, **fields: Any) -> dict[str, Any]:
    """Run one filter on one event that stays one."""
    (found,) = run(f"filter {{ {body} }}", **fields)
    return found
