"""The memory that what we ship allows, against what the limits in its config allow."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest
import yaml

from ptingest.server.large_event_process import memory_limit
from ptingest.settings.load import load_server
from ptingest.settings.server import ServerSettings
from tests.support.modules import DEPLOY

MIB = 1 << 20
BESIDE_BYTES = 256 * MIB
"""What a worker takes at most beside ``total_bytes``: itself, a frame larger than its address's
share, four windows being inflated or one large event. `tests.torture.noisy_neighbour` holds it."""
PROGRAM_BYTES = 32 * MIB
"""Of the process for large events: what it maps beside the data that is limited."""
SUFFIXES = {"": 1, "k": 1 << 10, "m": MIB, "mi": MIB, "g": 1 << 30, "gi": 1 << 30}
PASSWORD = {"LOGSTASH_WRITER_PASSWORD": "x", "API_TOKEN": "0123456789abcdef"}


def in_bytes(text: str) -> int:
    """As systemd, Compose and Kubernetes write sizes."""
    found = re.fullmatch(r"(\d+)([A-Za-z]*)", text)
    assert found is not None, text
    return int(found[1]) * SUFFIXES[found[2].lower()]


def needed(settings: ServerSettings) -> int:
    assert settings.workers == 1, "each further worker needs room of its own"
    limits = settings.beats.limits
    large_event = memory_limit(int(limits.event_bytes)) + PROGRAM_BYTES
    return int(limits.total_bytes) + BESIDE_BYTES + large_event


def image_settings() -> ServerSettings:
    return load_server(DEPLOY / "ptingest.yaml", PASSWORD)


def unit_limits() -> list[str]:
    parser = configparser.ConfigParser(strict=False, interpolation=None, comment_prefixes="#")
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(DEPLOY / "ptingest.service")
    return [parser["Service"][name] for name in ("MemoryHigh", "MemoryMax")]


def compose_limits() -> list[str]:
    service = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["ptingest"]
    found = re.fullmatch(r"\$\{PTINGEST_MEMORY:-(\w+)\}", service["mem_limit"])
    assert found is not None
    example = re.search(r"^PTINGEST_MEMORY=(\w+)$", (DEPLOY / ".env.example").read_text(), re.M)
    assert example is not None
    return [found[1], example[1]]


def test_the_unit_allows_what_the_default_limits_allow() -> None:
    assert [in_bytes(one) >= needed(load_server(None, {})) for one in unit_limits()] == [True, True]


def test_compose_allows_what_the_config_of_the_image_allows() -> None:
    assert [in_bytes(one) >= needed(image_settings()) for one in compose_limits()] == [True, True]


@pytest.mark.parametrize("file", ["deployment.yaml", "statefulset.yaml"])
def test_pods_may_use_what_the_config_in_the_map_allows(file: str, tmp_path: Path) -> None:
    folder = DEPLOY / "kubernetes"
    config = yaml.safe_load((folder / "configmap.yaml").read_text())["data"]["ptingest.yaml"]
    (tmp_path / "writer_password").write_text("x")  # a Secret, mounted as a file
    config = config.replace("/run/secrets/ptingest/writer_password", f"{tmp_path}/writer_password")
    (tmp_path / "ptingest.yaml").write_text(config)
    workload = yaml.safe_load((folder / file).read_text())
    (container,) = workload["spec"]["template"]["spec"]["containers"]

    limit = in_bytes(container["resources"]["limits"]["memory"])

    assert limit >= needed(load_server(tmp_path / "ptingest.yaml", PASSWORD))


@pytest.mark.parametrize(
    ("text", "count"), [("512M", 512 * MIB), ("512Mi", 512 * MIB), ("2g", 2 << 30), ("7", 7)]
)
def test_sizes_are_read_as_they_are_meant(text: str, count: int) -> None:
    assert in_bytes(text) == count
