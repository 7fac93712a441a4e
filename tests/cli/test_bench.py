"""`ptingest bench`: what your own lines cost here."""

from __future__ import annotations

import os
from pathlib import Path

import orjson
import pytest

from benchmarks import corpus
from ptingest.cli.bench import CURES
from ptingest.tools.bench.slow_path_reasons import SlowPathReason
from tests.support.command import Ran, run

pytestmark = pytest.mark.timeout(30)  # each one is a measurement, however short

LINE = b"INFO|apps.parcels.views|2025-01-02T03:04:05Z|hello\n"


def bench(folder: Path, *arguments: str | Path, given: bytes = b"") -> Ran:
    return run("bench", *arguments, "--seconds", "0.1", folder=folder, given=given)


def test_plain_lines_are_measured_as_the_events_of_their_service(tmp_path: Path) -> None:
    log = tmp_path / "django.log"
    log.write_bytes(LINE * 3 + b"no pattern fits\n")

    ran = bench(tmp_path, log, "--service", "django")

    assert (ran.code, ran.err) == (0, "")
    told = ran.out.decode()
    assert "4 events of" in told
    assert "each was sent 26 times" in told
    assert "3 parsed, 1 unparsed" in told
    assert "`ptingest try` shows" in told
    for stage in ("inflate and cut", "decode", "read the line", "key", "gzip", "the store instead"):
        assert f"\n  {stage}" in told
    assert "all of them take the fast path" in told
    for rate in ("1,000", "10,000", "100,000"):
        assert f"\n{rate:>10}" in told


def test_events_are_measured_as_they_came(tmp_path: Path) -> None:
    events = corpus.events(30, 1)
    with_event = events[0].replace(b'{"@t', b'{"log_level":"x","@t', 1)

    ran = bench(tmp_path, "-", "--json", given=b"\n".join([with_event, *events]))

    assert (ran.code, ran.err) == (0, "")
    told = orjson.loads(ran.out)
    assert told["events"] == 31
    assert told["outcomes"]["indexed"] == 31
    assert told["long_way"] == [
        {
            "reason": "field_in_the_way",
            "field": "log_level",
            "events": 1,
            "cure": CURES["field_in_the_way"],
        }
    ]
    assert set(told["cpu_us_an_event"]) == {"elasticsearch", "store"}
    assert [one["rate"] for one in told["rates"]] == [1000, 10_000, 100_000]
    assert sum(one["events"] for one in told["services"].values()) == 31
    assert not told["is_cut"]


def test_the_long_way_is_told_with_its_cure(tmp_path: Path) -> None:
    event = corpus.events(1, 1)[0]
    given = event + b"\n" + event.replace(b'{"@t', b'{"log_level":"x","@t', 1) + b"\n"

    ran = bench(tmp_path, "-", given=given)

    told = ran.out.decode()
    assert "1 of 2 (50.0 %) take the slow path" in told
    assert f"1  field_in_the_way (log_level): {CURES['field_in_the_way']}" in told


def test_a_rate_is_planned_for(tmp_path: Path) -> None:
    ran = bench(
        tmp_path, "-", "--service", "django", "--rate", "5000", "--rate", "7", "--json", given=LINE
    )

    assert [one["rate"] for one in orjson.loads(ran.out)["rates"]] == [5000, 7]


@pytest.mark.parametrize(("rate", "is_beyond"), [("1", False), ("1e9", True)])
def test_a_rate_beyond_this_machine_asks_for_more_machines(
    tmp_path: Path, rate: str, is_beyond: bool
) -> None:
    ran = bench(tmp_path, "-", "--service", "django", "--rate", rate, given=LINE)

    assert ("for more workers use more machines" in ran.out.decode()) is is_beyond


def test_multiline_records_are_one_event(tmp_path: Path) -> None:
    ran = bench(
        tmp_path, "-", "--service", "django", "--multiline", "--json", given=LINE + b"  File x\n"
    )

    assert orjson.loads(ran.out)["events"] == 1


def test_lines_of_which_none_is_parsed_are_measured_with_a_warning(tmp_path: Path) -> None:
    ran = bench(tmp_path, "-", "--service", "nginx", given=b"just text\n")

    assert ran.code == 0
    assert "none of them fits a pattern" in ran.out.decode()
    assert "`ptingest try`" in ran.out.decode()


@pytest.mark.parametrize(
    ("arguments", "given", "code", "seen"),
    [
        pytest.param(["-"], b"\n  \n", 1, "has no line with text", id="empty"),
        pytest.param(["-"], LINE, 1, "Plain log lines need --service", id="plain lines as events"),
        pytest.param(["nowhere.log"], b"", 2, "No such file", id="no file"),
        pytest.param(
            ["-", "--service", "djagno"], LINE, 2, "did you mean 'django'?", id="no such service"
        ),
        pytest.param(
            ["-", "--service", "django", "--group", "x"],
            LINE,
            2,
            "no group 'x'",
            id="no such group",
        ),
        pytest.param(["-", "--multiline"], LINE, 2, "add --service", id="multiline alone"),
        pytest.param(["-", "--rate", "0"], LINE, 2, "--rate", id="no rate"),
        pytest.param(["-", "--config", "no.yaml"], LINE, 3, "no.yaml", id="no config"),
    ],
)
def test_what_cannot_be_measured_is_told_in_a_sentence(
    tmp_path: Path, arguments: list[str], given: bytes, code: int, seen: str
) -> None:
    ran = bench(tmp_path, *arguments, given=given)

    assert (ran.code, ran.out) == (code, b"")
    assert seen in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    log = tmp_path / "secret.log"
    log.write_bytes(LINE)
    log.chmod(0)

    ran = bench(tmp_path, log, "--service", "django")

    assert ran.code == 2
    assert "Permission denied" in ran.err


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("data_dir: data\nsinks: {elasticsearch: {hosts: ['http://127.0.0.1:1']}}\n")

    ran = bench(tmp_path, "-", "--service", "django", "--config", config, given=LINE)

    assert (ran.code, ran.err) == (0, "")
    assert [path.name for path in tmp_path.iterdir()] == ["c.yaml"]


def test_every_reason_for_a_detour_has_its_cure() -> None:
    assert set(CURES) == {str(reason) for reason in SlowPathReason}
