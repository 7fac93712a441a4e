"""The whole config file, validated."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from ptingest.settings.api import ApiSettings
from ptingest.settings.beats import BeatsSettings
from ptingest.settings.delivery import DeadLettersSettings
from ptingest.settings.log import LogSettings
from ptingest.settings.sinks import SinksSettings
from ptingest.settings.strict import PositiveSeconds, StrictSettings, section
from ptingest.settings.why import WhySettings


class ServerSettings(StrictSettings):
    """Root of the config; every key may be left out."""

    data_dir: str = "data"
    """Store, dead letters and lock; a relative path counts from the config file."""
    profile: str | None = None
    """Patterns, categories, routing; without it the packaged ``pt.yaml``."""
    workers: Annotated[int, Field(ge=0, le=64)] = 1
    """Processes that do the work; 0 is one for each core. From two on a supervisor stands
    before them: it accepts, and hands each connection to the least loaded."""
    drain_seconds: PositiveSeconds = 20.0
    """How long a stop may wait for windows to become safe."""
    beats: BeatsSettings = section(BeatsSettings)
    sinks: SinksSettings = section(SinksSettings, store={})
    dead_letters: DeadLettersSettings = section(DeadLettersSettings)
    api: ApiSettings = section(ApiSettings)
    why: WhySettings = section(WhySettings)
    log: LogSettings = section(LogSettings)

    @model_validator(mode="after")
    def _one_writer_of_standard_output(self) -> ServerSettings:
        ndjson = self.sinks.ndjson
        if self.workers != 1 and ndjson is not None and ndjson.path == "-":
            raise ValueError(
                f"workers is {self.workers} and sinks.ndjson.path is -: lines of several would "
                "mix; set workers: 1, or name a file (each worker writes its own)"
            )
        return self
