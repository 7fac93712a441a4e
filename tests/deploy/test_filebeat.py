"""deploy/filebeat: settings that must fit ours, and lines that must begin a record."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ptingest.settings.load import load_profile
from ptingest.settings.server import ServerSettings
from tests.deploy.records import multiline_pattern
from tests.support.modules import DEPLOY, ROOT


@pytest.fixture(scope="module")
def config() -> Any:
    return yaml.safe_load((DEPLOY / "filebeat" / "filebeat.yml").read_text(encoding="utf-8"))


def test_each_known_service_has_one_input(config: Any) -> None:
    profile = load_profile(ROOT / "config" / "pt.yaml", {})
    inputs = config["filebeat.inputs"]

    assert [one["fields"]["service"] for one in inputs] == list(profile.groups[0].known_services)
    assert len({one["id"] for one in inputs}) == len(inputs)


def test_every_input_puts_its_fields_at_the_root(config: Any) -> None:
    for one in config["filebeat.inputs"]:
        assert one["type"] == "filestream"
        assert one["fields_under_root"] is True
        assert one["fields"]["group"] == "pt"


def test_tracebacks_are_folded_where_records_have_a_level(config: Any) -> None:
    folded = [one["fields"]["service"] for one in config["filebeat.inputs"] if "parsers" in one]

    assert folded == ["django", "celery", "celerybeat", "flower"]


def test_windows_and_patience_fit_the_server(config: Any) -> None:
    output, ours = config["output.logstash"], ServerSettings().beats

    assert output["bulk_max_size"] < ours.limits.window_events
    assert output["timeout"] > 3 * ours.keepalive_seconds
    assert config["queue.mem"]["events"] >= output["bulk_max_size"] * output["pipelining"]
    assert output["loadbalance"] is True


def test_nothing_is_said_twice() -> None:
    tls = yaml.safe_load((DEPLOY / "filebeat" / "filebeat-tls.yml").read_text(encoding="utf-8"))

    assert list(tls) == ["output.logstash.ssl"]
    assert tls["output.logstash.ssl"]["verification_mode"] == "full"


@pytest.mark.parametrize(
    ("line", "begins"),
    [
        ("INFO|apps.parcels.views|2025-01-02 03:04:05,678|created", True),
        ("CRITICAL|root|2025-01-02 03:04:05,678|down", True),
        ("Traceback (most recent call last):", False),
        ('  File "views.py", line 3, in get', False),
        ("ValueError: INFO|not a record", False),
        ("", False),
    ],
)
def test_a_record_begins_with_a_level(line: str, begins: bool) -> None:
    assert bool(multiline_pattern().search(line)) is begins
