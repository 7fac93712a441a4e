"""`ptingest search`: the embedded store, asked in Kibana's query language."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ptingest.model.document import DataStream
from ptingest.sinks.store.schema import open_writer, transaction
from tests.cli.terminals import terminal
from tests.support.command import run
from tests.support.store_documents import document, insert

pytestmark = pytest.mark.timeout(30)

OLD: dict[str, Any] = {
    "@timestamp": "2025-01-02T03:04:05.678Z",
    "service": "django",
    "log_level": "ERROR",
    "logger_name": "apps.parcels.views",
    "log_message": "Parcel \x1b[2J not created\nTraceback: Żółć",
    "message": "ERROR|apps.parcels.views|x|Parcel \x1b[2J not created\nTraceback: Żółć",
}
NEW: dict[str, Any] = {"service": "nginx", "message": "GET /parcels/"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("search")
    young = datetime.now(UTC) - timedelta(minutes=10)
    NEW["@timestamp"] = f"{young:%Y-%m-%dT%H:%M:%S}.000Z"
    connection = open_writer(folder / "data" / "store.sqlite")
    with transaction(connection):
        insert(connection, [document(OLD)])
        insert(connection, [document(NEW, data_stream=DataStream("logs", "nginx", "pt"))])
    connection.close()
    return folder


def found(folder: Path, *arguments: str) -> list[dict[str, Any]]:
    ran = run("search", *arguments, "--json", folder=folder)
    assert (ran.code, ran.err) == (0, "")
    return [json.loads(line) for line in ran.out.splitlines()]


def test_json_prints_every_whole_document_on_a_line(folder: Path) -> None:
    assert found(folder, "*") == [OLD, NEW]


@pytest.mark.parametrize(
    ("options", "hits"),
    [
        pytest.param(["--since", "1h"], [NEW], id="since an hour ago"),
        pytest.param(["--until", "1h"], [OLD], id="until an hour ago"),
        pytest.param(["--until", "2025-01-02"], [OLD], id="until the end of a day"),
        pytest.param(["--since", "2025-01-02T03:04:06Z"], [NEW], id="since a second"),
        pytest.param(["--stream", "logs-django-pt"], [OLD], id="one data stream"),
        pytest.param(["--limit", "1"], [NEW], id="the newest"),
    ],
)
def test_options_narrow_the_search(
    folder: Path, options: list[str], hits: list[dict[str, Any]]
) -> None:
    assert found(folder, "*", *options) == hits


def test_people_get_a_line_a_hit_and_a_count(folder: Path) -> None:
    ran = run("search", "service:django", folder=folder)

    assert ran.out.decode() == (
        "2025-01-02T03:04:05.678Z ERROR    django apps.parcels.views "
        "Parcel �[2J not created\n    Traceback: Żółć\n"
    )
    assert ran.err == "1 document\n"


def test_a_limit_says_what_it_hides(folder: Path) -> None:
    ran = run("search", "*", "--limit", "1", folder=folder)

    assert ran.err == ("1 document, the newest of 2; --all prints all, --limit N the newest N\n")


def test_a_field_that_no_document_has_is_said_where_nothing_is_found(folder: Path) -> None:
    ran = run("search", "servce:django and log_level:ERROR", folder=folder)

    assert ran.err == (
        "0 documents\nno such field: as far as the embedded store knows, no document has servce\n"
    )


def test_on_a_terminal_only_the_newest_are_printed(folder: Path) -> None:
    connection = open_writer(folder / "many" / "store.sqlite")
    with transaction(connection):
        insert(connection, [document({**OLD, "n": n}) for n in range(520)])
    connection.close()
    (folder / "many.yaml").write_text("data_dir: many")
    command = ("search", "*", "--config", str(folder / "many.yaml"))

    with terminal(*command) as shown:
        assert shown.ended() == 0
        text = shown.text
    every = run(*command, folder=folder)

    assert "500 documents, the newest of 520; --all prints all" in " ".join(text.split())
    assert every.err == "520 documents\n"


def test_values_are_counted(folder: Path) -> None:
    people = run("search", "*", "--count-by", "log_level", folder=folder)
    machines = run("search", "*", "--count-by", "log_level", "--json", folder=folder)

    assert people.out == b"1  (none)\n1  ERROR\n"
    assert machines.out.splitlines() == [
        b'{"value":null,"documents":1}',
        b'{"value":"ERROR","documents":1}',
    ]


@pytest.mark.parametrize(
    ("arguments", "config", "code", "words"),
    [
        pytest.param(["a:"], None, 2, "query column 3", id="a query that cannot be read"),
        pytest.param(["*", "--since", "soon"], None, 2, "'soon' is not a time", id="no time"),
        pytest.param(["*", "--limit", "0"], None, 2, "--limit", id="a limit of nothing"),
        pytest.param(
            ["*", "--limit", "1", "--count-by", "x"], None, 2, "excludes --limit", id="both"
        ),
        pytest.param(["*"], "data_dir: empty", 4, "does not exist", id="no store yet"),
        pytest.param(
            ["*"], "sinks: {ndjson: {}}", 4, "neither sinks.store nor", id="a config without store"
        ),
    ],
)
def test_what_cannot_be_done_is_said(
    folder: Path, arguments: list[str], config: str | None, code: int, words: str
) -> None:
    if config is not None:
        (folder / "other.yaml").write_text(config)
        arguments = [*arguments, "--config", "other.yaml"]

    ran = run("search", *arguments, folder=folder)

    assert ran.code == code
    assert ran.out == b""
    assert words in ran.err
    assert "Traceback" not in ran.err
