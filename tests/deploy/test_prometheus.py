"""Prometheus and Grafana: promtool, and a real Prometheus that scrapes a real server."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.processes import free_port
from ptingest.telemetry.metrics import METRICS
from tests.deploy.test_logging import running
from tests.peers.prometheus_peer import Programs, programs
from tests.support.modules import DEPLOY, ROOT
from tests.support.waiting import PATIENCE_SECONDS, wait_until

FOLDER = DEPLOY / "prometheus"
PATIENCE = 40.0
NAME = re.compile(r"\b(?:[a-z_]+:)?ptingest_[a-z_]+(?::[a-z0-9_]+)?")
TOKEN = "0123456789abcdef"
pytestmark = [pytest.mark.peer, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def tools() -> Programs:
    return programs()


@pytest.fixture(scope="module")
def dashboard() -> Any:
    return json.loads((DEPLOY / "grafana" / "ptingest.json").read_text(encoding="utf-8"))


def rules() -> list[dict[str, Any]]:
    """Every recording and alerting rule."""
    files = [FOLDER / "rules.yml", FOLDER / "alerts.yml"]
    groups = [g for f in files for g in yaml.safe_load(f.read_text(encoding="utf-8"))["groups"]]
    return [rule for group in groups for rule in group["rules"]]


def expressions(dashboard: Any) -> list[str]:
    """What the dashboard asks, with its variable filled in."""
    asked = [t["expr"] for panel in dashboard["panels"] for t in panel["targets"]]
    asked += [one["expr"] for one in dashboard["annotations"]["list"]]
    return [expression.replace("$job", ".*") for expression in asked]


def known_names() -> set[str]:
    """Every name a scrape or a recording rule can give."""
    names = {rule["record"] for rule in rules() if "record" in rule}
    for row in METRICS:
        parts = ("_bucket", "_sum", "_count") if row.kind == "histogram" else ("",)
        names |= {row.name + part for part in parts}
    return names


def known_labels() -> set[str]:
    return {"job", "instance", "le"} | {label for row in METRICS for label in row.labels}


def write_files(folder: Path) -> None:
    """Copy config and rules, with the token where they look for it."""
    (folder / "token").write_text(TOKEN)
    for name in ("rules.yml", "alerts.yml", "prometheus.yml"):
        text = (FOLDER / name).read_text(encoding="utf-8")
        (folder / name).write_text(text.replace("/tmp/api_token", "token"), encoding="utf-8")


def test_promtool_takes_config_and_rules(tools: Programs, tmp_path: Path) -> None:
    write_files(tmp_path)

    done = subprocess.run(
        [tools.promtool, "check", "config", tmp_path / "prometheus.yml"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{sum('alert' in rule for rule in rules())} rules found" in done.stdout


def test_each_alert_fires_when_it_should_and_not_otherwise(tools: Programs) -> None:
    done = subprocess.run(
        [tools.promtool, "test", "rules", "rules_test.yml"],
        cwd=FOLDER, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_a_test_a_severity_and_a_cure() -> None:
    tested = (FOLDER / "rules_test.yml").read_text(encoding="utf-8")
    alerts = [rule for rule in rules() if "alert" in rule]

    assert {one["labels"]["severity"] for one in alerts} <= {"page", "ticket"}
    assert [one["alert"] for one in alerts if not one["annotations"]["description"]] == []
    assert [one["alert"] for one in alerts if f"alertname: {one['alert']}" not in tested] == []


def test_rules_and_dashboard_name_only_metrics_that_exist(dashboard: Any) -> None:
    texts = [rule["expr"] for rule in rules()] + expressions(dashboard)
    named = {name for text in texts for name in NAME.findall(text)}

    assert named - known_names() == set()
    assert len(named) > 30


def test_rules_and_dashboard_use_only_labels_that_exist(dashboard: Any) -> None:
    texts = [rule["expr"] for rule in rules()] + expressions(dashboard)
    grouped = {
        label.strip()
        for text in texts
        for inside in re.findall(r"\b(?:by|on) \(([^)]*)\)", text)
        for label in inside.split(",")
    }
    shown = set(re.findall(r"\{\{ ?\$?(?:labels\.)?(\w+) ?\}\}", json.dumps(dashboard)))

    assert grouped | shown <= known_labels()


def test_the_dashboard_asks_whatever_prometheus_it_is_given(dashboard: Any) -> None:
    sources = {t["datasource"]["uid"] for panel in dashboard["panels"] for t in panel["targets"]}

    assert sources == {"${datasource}"}
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


class Prometheus:
    """A running one, asked over its API."""

    def __init__(self, port: int) -> None:
        self._base = f"http://127.0.0.1:{port}/api/v1"

    def get(self, path: str, **query: str) -> Any:
        url = f"{self._base}/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as answer:
            return json.load(answer)["data"]

    def value(self, expression: str) -> float | None:
        result = self.get("query", query=expression)["result"]
        return float(result[0]["value"][1]) if result else None

    def until(self, expression: str, value: float) -> None:
        """Wait until the expression has this value."""
        found = None

        def is_so() -> bool:
            nonlocal found
            with suppress(urllib.error.URLError, ConnectionError):
                found = self.value(expression)
            return found == value

        wait_until(
            is_so, seconds=PATIENCE, otherwise=lambda: f"{expression} is {found}, never {value}"
        )


@pytest.fixture(scope="module")
def scraping(tools: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A real Prometheus with our config, scraping a real server that took 40 django lines, 1
    line of no known shape and 2 nginx lines."""
    folder = tmp_path_factory.mktemp("prometheus")
    beats, api, port = free_port(), free_port(), free_port()
    config = folder / "ptingest.yaml"
    config.write_text(
        f'beats: {{listen: "127.0.0.1:{beats}"}}\n'
        f'api: {{listen: "127.0.0.1:{api}", token: {TOKEN}}}\n'
    )
    write_files(folder)
    for name in ("rules.yml", "alerts.yml", "prometheus.yml"):
        text = (folder / name).read_text(encoding="utf-8")
        text = text.replace("ptingest:9600", f"127.0.0.1:{api}").replace(
            "interval: 15s", "interval: 1s"
        )
        (folder / name).write_text(text, encoding="utf-8")
    flags = (f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb",
             f"--web.listen-address=127.0.0.1:{port}", "--log.level=error")  # fmt: skip
    us = (sys.executable, "-m", "ptingest.cli.main")
    with (
        running(folder, *us, "--config", config),
        running(folder, tools.prometheus, *flags),
    ):
        asked = Prometheus(port)
        asked.until('up{job="ptingest"}', 1)
        send(folder, us, beats)
        asked.until("sum(ptingest_flow_received_events_total)", 43)
        yield asked


def send(folder: Path, us: tuple[str, ...], port: int) -> None:
    lines = (ROOT / "config/samples/django.log").read_text(encoding="utf-8").splitlines()
    records = [line for line in lines if re.match(r"[A-Z]+\|", line)][:40]
    assert len(records) == 40
    (folder / "django.log").write_text("\n".join([*records, "OTHER|shape", ""]), encoding="utf-8")
    (folder / "nginx.log").write_text("a\nb\n")
    files = (str(folder / "django.log"), str(folder / "nginx.log"))
    to = ("--to", f"127.0.0.1:{port}", "--registry", str(folder / "send.json"))
    subprocess.run([*us, "send", *files, *to], cwd=folder, check=True, capture_output=True)


def test_a_scrape_brings_our_numbers(scraping: Prometheus) -> None:
    scraping.until('ptingest_flow_received_events_total{service="django"}', 41)
    scraping.until('sum(ptingest_lane_settled_events_total{fate="stored"})', 43)

    assert scraping.value("sum(abs(ptingest_flow_residue_events))") == 0
    noted = 'ptingest_pipeline_noted_events_total{service="nginx",what="grok_failure"}'
    assert scraping.value(noted) == 2
    assert scraping.value("ptingest_worker_is_ready") == 1


def test_every_rule_is_evaluated_without_an_error(scraping: Prometheus) -> None:
    def evaluated() -> list[Any]:
        groups = scraping.get("rules")["groups"]
        found = [rule for group in groups for rule in group["rules"]]
        return found if all(rule["health"] != "unknown" for rule in found) else []

    found = wait_until(evaluated, seconds=PATIENCE)

    assert len(found) == len(rules())
    assert [(one["name"], one.get("lastError")) for one in found if one["health"] != "ok"] == []


def test_a_healthy_server_raises_no_page(scraping: Prometheus) -> None:
    alerts = scraping.get("alerts")["alerts"]

    paged = [one["labels"]["alertname"] for one in alerts if one["labels"]["severity"] == "page"]
    assert paged == []


def test_every_question_of_the_dashboard_is_understood(
    scraping: Prometheus, dashboard: Any
) -> None:
    for expression in expressions(dashboard):
        assert scraping.get("query", query=expression)["resultType"] == "vector", expression


def test_everything_scraped_is_in_the_table(scraping: Prometheus) -> None:
    scraped = {
        name for name in scraping.get("label/__name__/values") if name.startswith("ptingest_")
    }

    assert scraped - known_names() == set()
