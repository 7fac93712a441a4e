"""Rules are refused where the config lacks what they need."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ptingest.errors import ConfigInvalid
from ptingest.pipeline.logstash.pipeline import compile_logstash
from ptingest.server.requirements import require_parts
from ptingest.settings.logstash import ConfFile, LogstashSettings
from ptingest.settings.server import ServerSettings

KAFKA: dict[str, Any] = {"brokers": ["localhost:9092"], "topics": ["logs"]}
BUFFER: dict[str, Any] = {"kafka": {"brokers": ["localhost:9092"]}}
READS, WRITES = "input { kafka { } }", "output { file { path => '/x' } }"


def require(text: str, **settings: Any) -> None:
    rules = LogstashSettings(files=(ConfFile(name="a.conf", text=text),), folder="/")
    found = ServerSettings.model_validate(settings)
    require_parts(found, compile_logstash(rules), Path("a.conf"))


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("", {}),
        (READS, {"kafka": KAFKA}),
        (READS, {"role": "receive", "buffer": BUFFER}),
        (WRITES, {"sinks": {"file": {}}}),
    ],
)
def test_what_is_there_is_enough(text: str, settings: dict[str, Any]) -> None:
    require(text, **settings)


@pytest.mark.parametrize(
    ("text", "settings", "cure"),
    [
        (READS, {}, "add `kafka: {"),
        (READS, {"buffer": BUFFER}, "add `kafka: {"),
        (WRITES, {}, "add `file: {}` under sinks"),
        (READS + WRITES, {}, "add `file: {}` under sinks"),
    ],
)
def test_what_is_missing_is_told_with_the_line_to_add(
    text: str, settings: dict[str, Any], cure: str
) -> None:
    with pytest.raises(ConfigInvalid) as error:
        require(text, **settings)

    assert cure in str(error.value)
