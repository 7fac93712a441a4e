"""The whole config file, validated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, model_validator

from ptingest.settings.api import ApiSettings
from ptingest.settings.beats import BeatsSettings
from ptingest.settings.console import ConsoleSettings
from ptingest.settings.delivery import DeadLettersSettings
from ptingest.settings.kafka import BufferSettings, KafkaSourceSettings
from ptingest.settings.log import LogSettings
from ptingest.settings.logstash import LanguageSettings
from ptingest.settings.sinks import SinksSettings
from ptingest.settings.strict import PositiveSeconds, StrictSettings, section
from ptingest.settings.why import WhySettings


class ServerSettings(StrictSettings):
    """The whole config; every key may be left out."""

    data_dir: str = "data"
    """Folder of the store, the dead letters and the lock; a relative path counts from the
    config file's folder. Files that the server makes in it are readable by its user only."""
    profile: str | None = None
    """File with patterns, categories and routing; without it the packaged ``pt.yaml``. Or a
    ``logstash.conf`` as it is, or a folder whose ``*.conf`` are joined in order of name: its
    filters and outputs decide, and ``sinks`` says where outputs to Elasticsearch go."""
    logstash_config: LanguageSettings = section(LanguageSettings)
    workers: Annotated[int, Field(ge=0, le=64)] = 1
    """Processes that do the work; 0 means one for each core. With two or more a supervisor
    accepts the connections and passes each one to the worker with the fewest."""
    drain_seconds: PositiveSeconds = 20.0
    """How long a stop waits for windows to become safe; those that are not are not acked."""
    beats: BeatsSettings = section(BeatsSettings)
    kafka: KafkaSourceSettings | None = None
    """Without this section no topic is read."""
    buffer: BufferSettings | None = None
    """Without this section a window is acked when the sinks have it."""
    role: Literal["both", "receive", "index"] = "both"
    """``receive`` takes Beats into the buffer and writes to no sink; ``index`` opens no Beats port
    and writes what it reads from Kafka to the sinks; ``both`` is one process for all of it."""
    sinks: SinksSettings = section(SinksSettings, store={})
    dead_letters: DeadLettersSettings = section(DeadLettersSettings)
    api: ApiSettings = section(ApiSettings)
    console: ConsoleSettings = section(ConsoleSettings)
    why: WhySettings = section(WhySettings)
    log: LogSettings = section(LogSettings)

    @property
    def has_beats_port(self) -> bool:
        """Whether Beats may connect."""
        return self.role != "index"

    @property
    def writes_to_sinks(self) -> bool:
        """Whether events become documents here."""
        return self.role != "receive"

    @property
    def outstanding_bytes(self) -> int:
        """The limit of documents outstanding, and again of records on their way into a buffer;
        together they are half of ``total_bytes``."""
        has_both = self.buffer is not None and self.role == "both"
        return int(self.beats.limits.total_bytes) // (4 if has_both else 2)

    def kafka_sentences(self) -> Iterator[str]:
        """Say what goes to Kafka and comes from it, a sentence each."""
        if self.buffer is not None:
            kafka = self.buffer.kafka
            where = f"topic {kafka.topic} of Kafka at {', '.join(kafka.brokers)}"
            if self.has_beats_port:
                yield f"events are buffered in {where}"
            if self.writes_to_sinks:
                yield f"reading the buffer, {where}, as group {kafka.group}"
        if self.kafka is not None:
            topics, brokers = ", ".join(self.kafka.topics), ", ".join(self.kafka.brokers)
            yield f"reading {topics} of Kafka at {brokers} as group {self.kafka.group}"

    @model_validator(mode="after")
    def _role_has_its_parts(self) -> ServerSettings:
        if self.role == "receive" and self.buffer is None:
            raise ValueError(
                "role is receive and there is no buffer to receive into; add buffer.kafka, "
                "or set role: both"
            )
        if self.role == "index" and self.buffer is None and self.kafka is None:
            raise ValueError(
                "role is index and nothing is read: the Beats port is closed in this role; add "
                "buffer.kafka or kafka, or set role: both"
            )
        if self.role == "receive" and self.kafka is not None:
            raise ValueError(
                "role is receive and kafka names topics to read, which only role index or both "
                "does; remove kafka, or set role: both"
            )
        return self

    @model_validator(mode="after")
    def _one_writer_of_files(self) -> ServerSettings:
        for name in ("file", "stdout"):
            if self.workers != 1 and getattr(self.sinks, name) is not None:
                raise ValueError(
                    f"workers is {self.workers} and sinks.{name} is given, which has one writer; "
                    "set workers: 1, or remove the sink"
                )
        return self

    @model_validator(mode="after")
    def _one_writer_of_standard_output(self) -> ServerSettings:
        ndjson = self.sinks.ndjson
        if self.workers != 1 and ndjson is not None and ndjson.path == "-":
            raise ValueError(
                f"workers is {self.workers} and sinks.ndjson.path is -: lines of several would "
                "mix; set workers: 1, or name a file (each worker writes its own)"
            )
        return self
