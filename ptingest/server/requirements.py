"""What a config needs: a sink for each output of its rules, a reader of topics, clients of Kafka
that can be made."""

from __future__ import annotations

from pathlib import Path

from ptingest.errors import ConfigInvalid, ConfigProblem, KafkaUnusable
from ptingest.kafka import consumer, producer
from ptingest.model.outputs import Outputs
from ptingest.pipeline.pipeline import Pipeline
from ptingest.settings.server import ServerSettings

_NEEDED = {"kafka": "{brokers: [HOST:9092]}"}
"""What a sink cannot do without."""


def require_parts(settings: ServerSettings, pipeline: Pipeline, path: Path) -> None:
    """Refuse rules with an output for which there is no sink, or an input that nothing reads.

    Raises:
        ConfigInvalid: with the lines to add.
    """
    sinks = Outputs(list(settings.sinks.by_name()))
    problems = [
        ConfigProblem(
            file=str(path),
            path="",
            seen=f"has an output {name}, and no sink takes its documents",
            cure=f"add `{name}: {_NEEDED.get(name, '{}')}` under sinks of ptingest.yaml, or remove "
            "the output",
        )
        for name in dict.fromkeys(pipeline.outputs)
        if not sinks.sinks_of(name)
    ]
    if pipeline.reads_kafka and settings.kafka is None and settings.writes_to_sinks:
        seen = "has an input kafka, and nothing reads its topics"
        cure = "add `kafka: {brokers: [HOST:9092], topics: [NAME]}` to ptingest.yaml, or remove it"
        problems.append(ConfigProblem(file=str(path), path="", seen=seen, cure=cure))
    if problems:
        raise ConfigInvalid(tuple(problems))


def require_kafka(settings: ServerSettings) -> None:
    """Make the clients of Kafka that the config asks for, without a broker.

    Raises:
        ConfigInvalid: one cannot be made; it names the section.
    """
    path = "kafka"
    try:
        if settings.kafka is not None:
            consumer.require_usable({**settings.kafka.properties(), "group.id": "check"})
        path = "buffer.kafka"
        if settings.buffer is not None:
            buffer = settings.buffer.kafka
            producer.require_usable(buffer.properties(), message_bytes=buffer.record_bytes)
    except KafkaUnusable as error:
        raise error.in_config(path) from None
