"""What filters counted comes into the metrics once."""

from __future__ import annotations

import json

from ptingest.model.receipt import Receipt
from ptingest.pipeline.logstash.pipeline import LogstashPipeline, compile_logstash
from ptingest.server.plugin_counts import NAME, PluginCounter
from ptingest.settings.logstash import ConfFile, LogstashSettings
from ptingest.telemetry.metrics import Metrics

CONFIG = 'filter { mutate { id => "first" } if [a] { drop { id => "second" } } }'


def pipeline() -> LogstashPipeline:
    file = ConfFile(name="a.conf", text=CONFIG)
    return compile_logstash(LogstashSettings(files=(file,), folder="/"))


def run(one: LogstashPipeline, *events: dict[str, object]) -> None:
    payloads = [json.dumps({"message": "x", **event}).encode() for event in events]
    one.process(payloads, receipt=Receipt(lambda _: None), peer="192.0.2.7:1", now_ns=1)


def test_each_scrape_adds_what_came_since_and_a_reload_begins_anew() -> None:
    metrics, old, new = Metrics(), pipeline(), pipeline()
    counter = PluginCounter(metrics)

    run(old, {}, {"a": 1})
    counter.add(old)
    run(old, {"a": 1})
    counter.add(old)
    run(new, {})
    counter.add(new)

    assert dict(metrics.labelled(NAME)) == {
        ("first", "mutate", "in"): 4, ("first", "mutate", "out"): 4,
        ("first", "mutate", "failures"): 0, ("second", "drop", "in"): 2,
        ("second", "drop", "out"): 0, ("second", "drop", "failures"): 0,
    }  # fmt: skip


def test_explaining_an_event_counts_nothing() -> None:
    one = pipeline()

    one.explain(b'{"message":"x"}', now_ns=1)

    assert {tally.events_in for tally in one.plugins} == {0}
