"""Where a replay writes: the rules with another namespace, and a folder and sinks of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ptingest.errors import ReplayRefused
from ptingest.settings.kafka import KafkaSourceSettings, topic_or_pattern
from ptingest.settings.logstash import LogstashSettings
from ptingest.settings.profiles import Profile
from ptingest.settings.server import ServerSettings
from ptingest.settings.sinks import SinksSettings

CONFIG = """\
# Written by `ptingest replay`: reads the store that it made, for search, why and the console.
data_dir: .
sinks:
  store: {}
"""


def source_of(settings: ServerSettings, topics: tuple[str, ...]) -> KafkaSourceSettings:
    """Return how the topics are reached that are read again, ``topics`` in place of the config's.

    Raises:
        ReplayRefused: the config reads nothing from Kafka, or a topic can have no such name.
    """
    found = settings.kafka
    if settings.buffer is not None and (found is None or settings.buffer.kafka.topic in topics):
        found = settings.buffer.kafka.as_source()
    if found is None:
        raise ReplayRefused(
            "the config has neither buffer.kafka nor kafka, so there is no topic to read again"
        )
    if not topics:
        return found
    try:
        asked = tuple(map(topic_or_pattern, topics))
    except ValueError as error:
        raise ReplayRefused(f"--topic: {error}") from None
    return found.model_copy(update={"topics": asked})


def in_namespace(profile: Profile, namespace: str) -> Profile:
    """Return rules that write the same documents to data streams of another namespace.

    Raises:
        ReplayRefused: the rules do not say it in one place.
    """
    if isinstance(profile, LogstashSettings):
        raise ReplayRefused(
            "the outputs of a logstash.conf name their data streams themselves, so --namespace "
            "changes nothing there; use --store or --compare"
        )
    streams: list[Any] = [
        group.model_copy(
            update={"data_stream": group.data_stream.model_copy(update={"namespace": namespace})}
        )
        for group in profile.groups
    ]
    # Validated once more: the name may be illegal.
    return type(profile).model_validate(
        profile.model_copy(update={"groups": tuple(streams)}).model_dump()
    )


def apart(settings: ServerSettings, folder: Path, *, into_store: bool) -> ServerSettings:
    """Return settings with dead letters, and where asked a store, in a folder of the replay's, so
    that it can run beside the server."""
    update: dict[str, object] = {"data_dir": str(folder), "role": "both", "workers": 1}
    if into_store:
        update["sinks"] = SinksSettings.model_validate({"store": {}})
    elif settings.sinks.elasticsearch is None and not settings.sinks.clusters:
        raise ReplayRefused(
            "the config has no Elasticsearch to write a namespace to; use --store or --compare"
        )
    else:
        update["sinks"] = settings.sinks.model_copy(update={"store": None, "ndjson": None})
    return settings.model_copy(update=update)
