"""Lines of real programs, folded into events as our filebeat.yml says, made documents."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson
import yaml

from ptingest.pipeline.compile import compile_profile
from ptingest.settings.load import load_profile
from tests.support.modules import DEPLOY, ROOT

LOGS = "/var/log/pt"
NOW_NS = 1_767_000_000_000_000_000


def copy_logging(folder: Path) -> None:
    """Copy deploy/logging to ``folder``, its log files pointed there."""
    for source in (DEPLOY / "logging").glob("*.py"):
        text = source.read_text(encoding="utf-8")
        (folder / source.name).write_text(text.replace(LOGS, str(folder)), encoding="utf-8")


def copy_program(name: str, folder: Path) -> None:
    """Copy a program of tests/peers/pypi to ``folder``."""
    shutil.copy(ROOT / "tests" / "peers" / "pypi" / name, folder)


def multiline_pattern() -> re.Pattern[str]:
    """How filebeat.yml recognises the first line of a record."""
    config = yaml.safe_load((DEPLOY / "filebeat" / "filebeat.yml").read_text(encoding="utf-8"))
    (multiline,) = [parser["multiline"] for parser in config["filebeat.inputs"][0]["parsers"]]
    assert (multiline["negate"], multiline["match"]) == (True, "after")
    return re.compile(multiline["pattern"])


def records(file: Path) -> list[str]:
    """Fold a log file into messages."""
    begins = multiline_pattern()
    messages: list[str] = []
    for line in file.read_text(encoding="utf-8").split("\n"):
        if begins.search(line) or not messages:
            messages.append(line)
        else:
            messages[-1] += "\n" + line
    return [message.removesuffix("\n") for message in messages if message]


def documents(messages: Iterable[str], service: str) -> list[dict[str, Any]]:
    """What ptingest makes of them."""
    pipeline = compile_profile(load_profile(ROOT / "config" / "pt.yaml", {}))
    made = []
    for message in messages:
        event = {"@timestamp": "2020-01-01T00:00:00.000Z", "message": message, "group": "pt",
                 "service": service}  # fmt: skip
        explained = pipeline.explain(orjson.dumps(event), now_ns=NOW_NS)
        assert explained.outcome == "indexed", explained.reason
        assert isinstance(explained.document, dict)
        made.append(explained.document)
    return made


def label(document: dict[str, Any]) -> tuple[str, str | None]:
    """Its category and module."""
    return document["stream"], document.get("app_module")
