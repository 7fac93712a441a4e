"""The formatters of deploy/logging, run by the real libraries, through our pipeline."""

from __future__ import annotations

import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks.processes import free_port
from tests.deploy.records import copy_logging, copy_program, documents, label, records
from tests.peers.pypi_peer import install
from tests.support.waiting import PATIENCE_SECONDS, wait_until

PATIENCE = 40.0
pytestmark = [pytest.mark.peer, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def programs() -> Path:
    return install()


@contextmanager
def running(folder: Path, *command: str | Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program of which nothing remains afterwards."""
    environ = {**os.environ, "TZ": "UTC", "PYTHONDONTWRITEBYTECODE": "1"}
    environ.pop("PYTHONWARNINGS", None)
    with (folder / f"{Path(command[0]).name}.out").open("ab") as out:
        process = subprocess.Popen(
            [str(part) for part in command], cwd=folder, env=environ, stdout=out, stderr=out
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_for(file: Path, *texts: str) -> None:
    """Wait until a log file holds each of these."""

    def said() -> str:
        return file.read_text(encoding="utf-8") if file.exists() else ""

    def instead() -> str:
        outs = {one.name: one.read_text() for one in file.parent.glob("*.out")}
        return f"{file.name} never held {texts}: {said()!r}, {outs}"

    wait_until(lambda: all(text in said() for text in texts), seconds=PATIENCE, otherwise=instead)


def by_logger(found: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {document["logger_name"]: document for document in found}


@pytest.fixture(scope="module")
def django(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What a Django application logged, as documents."""
    folder = tmp_path_factory.mktemp("django")
    copy_logging(folder)
    copy_program("django_lines.py", folder)
    environ = {**os.environ, "TZ": "UTC"}
    command = [programs / "python", "django_lines.py"]
    subprocess.run(
        command, cwd=folder, env=environ, check=True, timeout=PATIENCE_SECONDS, capture_output=True
    )
    return documents(records(folder / "django.log"), "django")


@pytest.fixture(scope="module")
def celery(
    programs: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[dict[str, Any]]]:
    """What a worker, a beat and a Flower logged, as documents by service."""
    folder = tmp_path_factory.mktemp("celery")
    copy_logging(folder)
    copy_program("celery_lines.py", folder)
    flower = (folder / "flower_app.py").read_text(encoding="utf-8")
    flower = flower.replace(
        "from celery_app import LINE, app",
        "from celery_app import LINE\nfrom celery_lines import app",
    )
    (folder / "flower_app.py").write_text(flower, encoding="utf-8")
    for name in ("queue", "control"):
        (folder / name).mkdir()
    run = (programs / "celery", "-A", "celery_lines")
    log, beat_log = folder / "celery.log", folder / "celerybeat.log"
    flags = ("--pool=solo", "--without-gossip", "--without-mingle", "--loglevel=INFO")
    with (
        running(folder, *run, "beat", "--loglevel=INFO", f"--logfile={beat_log}"),
        running(folder, *run, "worker", *flags, f"--logfile={log}"),
    ):
        wait_for(log, "succeeded in", "ValueError: bad parcel\nsecond line\n")
        wait_for(beat_log, "Sending due task")
    flower_run = (programs / "celery", "-A", "flower_app", "flower")
    with running(folder, *flower_run, "--address=127.0.0.1", f"--port={free_port()}"):
        wait_for(folder / "flower.log", "Visit me at", "Registered tasks")
    services = ("celery", "celerybeat", "flower")
    return {name: documents(records(folder / f"{name}.log"), name) for name in services}


@pytest.fixture(scope="module")
def gunicorn(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What gunicorn logged of a request and of an application that raises."""
    folder = tmp_path_factory.mktemp("gunicorn")
    copy_logging(folder)
    (folder / "application.py").write_text(
        "def application(environ, start_response):\n"
        "    if environ['PATH_INFO'] == '/broken':\n"
        "        raise ValueError('broken\\nin two lines')\n"
        "    start_response('200 OK', [])\n"
        "    return [b'ok']\n"
    )
    port = free_port()
    with running(
        folder, programs / "gunicorn", "-c", "gunicorn.conf.py", "-b", f"127.0.0.1:{port}",
        "application",
    ):  # fmt: skip
        wait_for(folder / "gunicorn.log", "Booting worker")
        urllib.request.urlopen(f"http://127.0.0.1:{port}/fine", timeout=PATIENCE_SECONDS).close()
        with pytest.raises(OSError, match="500"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/broken", timeout=PATIENCE_SECONDS)
        wait_for(folder / "gunicorn.log", "in two lines", "GET /fine")
    return documents(records(folder / "gunicorn.log"), "django")


def test_every_line_of_every_program_is_parsed_and_has_its_own_time(
    django: list[dict[str, Any]],
    celery: dict[str, list[dict[str, Any]]],
    gunicorn: list[dict[str, Any]],
) -> None:
    everything = [*django, *celery["celery"], *celery["celerybeat"], *celery["flower"], *gunicorn]

    unparsed = [one["message"] for one in everything if "failure" in str(one.get("tags", ""))]
    assert unparsed == []
    assert [one for one in everything if one["@timestamp"].startswith("2020-")] == []
    assert any(not one["@timestamp"].endswith(".000Z") for one in everything)


@pytest.mark.parametrize(
    ("logger", "expected"),
    [
        ("apps.parcels.views", ("app", "parcels")),
        ("django.request", ("django", None)),
        ("apps.custom_auth.backends", ("app", "auth")),
        ("apps.integrations.dhl", ("app", "integrations")),
        ("apps.cron_tasks.cleanup", ("app", "tasks")),
        ("config.settings", ("app", "config")),
        ("botocore.credentials", ("aws", None)),
        ("s3transfer.futures", ("aws", None)),
        ("urllib3.connectionpool", ("network", None)),
        ("PIL.PngImagePlugin", ("system", None)),
        ("werkzeug", ("server", None)),
        ("root", ("system", None)),
        ("third.party", ("unknown", "unknown")),
    ],
)
def test_djangos_loggers_are_classified_as_the_table_says(
    django: list[dict[str, Any]], logger: str, expected: tuple[str, str | None]
) -> None:
    assert label(by_logger(django)[logger]) == expected


def test_djangos_exception_is_one_event_with_its_traceback(django: list[dict[str, Any]]) -> None:
    (error,) = [
        d for d in django if d["logger_name"] == "django.request" and "broken" in d["message"]
    ]

    assert error["log_level"] == "ERROR"
    assert error["log_message"].startswith("Internal Server Error: /broken/\nTraceback (most")
    assert error["log_message"].endswith("no such parcel\nand a second line | with a pipe")


def test_a_message_may_begin_with_the_delimiter(django: list[dict[str, Any]]) -> None:
    assert by_logger(django)["third.party"]["log_message"] == "|starts with a pipe"


def test_celerys_tasks_are_classified_as_the_table_says(
    celery: dict[str, list[dict[str, Any]]],
) -> None:
    found = by_logger(celery["celery"])

    assert label(found["apps.parcels.tasks"]) == ("app", "parcels")
    assert label(found["celery.app.trace"]) == ("app", "tasks")
    assert label(found["celery.redirected"]) == ("app", "tasks")
    assert found["celery.redirected"]["log_message"] == "printed by a task"
    assert "apps.parcels.tasks.sync[" in found["apps.parcels.tasks"]["log_message"]


def test_celerys_exception_is_one_event_with_its_traceback(
    celery: dict[str, list[dict[str, Any]]],
) -> None:
    errors = [one for one in celery["celery"] if one["log_level"] == "ERROR"]

    assert errors
    assert all("Traceback (most recent call last):" in one["log_message"] for one in errors)
    assert errors[0]["log_message"].endswith("ValueError: bad parcel\nsecond line")


def test_beat_and_flower_speak_the_same_shape(celery: dict[str, list[dict[str, Any]]]) -> None:
    beat, flower = by_logger(celery["celerybeat"]), by_logger(celery["flower"])

    assert label(beat["celery.beat"]) == ("app", "tasks")
    assert label(flower["flower.command"]) == ("unknown", "unknown")
    assert any("\n['apps." in one["log_message"] for one in celery["flower"])


def test_gunicorns_access_and_errors_are_events(gunicorn: list[dict[str, Any]]) -> None:
    access = [one for one in gunicorn if one["logger_name"] == "gunicorn.access"]
    (error,) = [one for one in gunicorn if one["log_level"] == "ERROR"]

    assert any("GET /fine" in one["log_message"] for one in access)
    assert error["log_message"].endswith("ValueError: broken\nin two lines")
    assert label(error) == ("unknown", "unknown")
