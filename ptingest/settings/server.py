"""The whole config file, validated."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ptingest.settings.api import ApiSettings
from ptingest.settings.beats import BeatsSettings
from ptingest.settings.delivery import DeadLettersSettings
from ptingest.settings.log import LogSettings
from ptingest.settings.sinks import SinksSettings, StoreSettings
from ptingest.settings.strict import PositiveSeconds, StrictSettings


class ServerSettings(StrictSettings):
    """Root of the config; every key may be left out."""

    data_dir: str = "data"
    """Store, dead letters and lock; a relative path counts from the config file."""
    profile: str | None = None
    """Patterns, categories, routing; without it the packaged ``pt.yaml``."""
    workers: Annotated[int, Field(ge=1, le=1)] = 1
    """Processes; this version runs one, which carries several times what a Filebeat sends."""
    drain_seconds: PositiveSeconds = 20.0
    """How long a stop may wait for windows to become safe."""
    beats: BeatsSettings = BeatsSettings()
    sinks: SinksSettings = SinksSettings(store=StoreSettings())
    dead_letters: DeadLettersSettings = DeadLettersSettings()
    api: ApiSettings = ApiSettings()
    log: LogSettings = LogSettings()
