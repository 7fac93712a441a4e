"""`ptingest check`: would this config work?"""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from ptingest.cli.check import departures, look_at_files, look_at_values
from ptingest.model.finding import Finding
from ptingest.settings.load import load_profile, load_server
from ptingest.settings.packaged_patterns import packaged_patterns
from ptingest.settings.profile import PatternSettings, ProfileSettings
from ptingest.settings.server import ServerSettings
from tests.cli.terminals import terminal
from tests.support.command import run
from tests.support.modules import ROOT
from tests.support.profile import shipped_profile

ES = {"hosts": ["https://es:9200"]}


def findings(**settings: object) -> list[Finding]:
    return list(look_at_values(ServerSettings.model_validate(settings)))


def subjects(found: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.mark, finding.subject) for finding in found]


def test_the_shipped_config_can_be_used(tmp_path: Path) -> None:
    ran = run("check", "--config", ROOT / "config" / "ptingest.yaml", folder=tmp_path)

    said = ran.out.decode()
    assert ran.code == 0
    assert "The config is valid." in said
    assert "problem" not in said
    assert "0.0.0.0:5044" in said
    assert "store.sqlite" in said
    assert "documents as Logstash 8 makes them" in said


def test_the_summary_keeps_to_the_width_of_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(f"data_dir: {tmp_path}/data\nprofile: p.yaml\n")
    shipped = (ROOT / "config" / "pt.yaml").read_text()
    on = shipped.replace("#- nginx_", "- nginx_").replace("#- react", "- react")
    (tmp_path / "p.yaml").write_text(on)

    with terminal("check", "--config", str(tmp_path / "c.yaml"), rows=60) as screen:
        assert screen.ended() == 0

    written = screen.written.decode().splitlines()
    at = next(number for number, line in enumerate(written) if "departs from Logstash" in line)
    assert written[at + 1].startswith(" " * 15)
    assert "react" in written[at] + written[at + 1]
    assert max(map(len, written[at : at + 2])) <= 80


def test_checking_makes_nothing(tmp_path: Path) -> None:
    run("check", folder=tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_a_broken_config_is_told_whole_with_code_3(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("drain_seconds: 0\nwrokers: 1\n")

    ran = run("check", "--config", "c.yaml", folder=tmp_path)

    assert ran.code == 3
    assert "c.yaml:1: drain_seconds is 0" in ran.err
    assert "c.yaml:2: wrokers is not a setting" in ran.err
    assert ran.out == b""


def test_a_file_that_the_client_of_kafka_cannot_read_is_told_without_asking_a_broker(
    tmp_path: Path,
) -> None:
    (tmp_path / "c.yaml").write_text(
        "role: receive\n"
        f"buffer: {{kafka: {{brokers: ['127.0.0.1:9'], tls: {{ca_file: {tmp_path}/none.pem}}}}}}\n"
    )

    ran = run("check", "--config", "c.yaml", folder=tmp_path)

    assert ran.code == 3
    assert "buffer.kafka" in ran.err
    assert "ssl.ca.location" in ran.err


def test_a_sample_that_comes_out_otherwise_is_a_problem(tmp_path: Path) -> None:
    profile = (ROOT / "config" / "pt.yaml").read_text()
    assert "logger_name: celery.app.trace" in profile
    broken = profile.replace("logger_name: celery.app.trace", "logger_name: celery.app")
    (tmp_path / "pt.yaml").write_text(broken)
    (tmp_path / "c.yaml").write_text("profile: pt.yaml\n")

    ran = run("check", "--config", "c.yaml", folder=tmp_path)

    assert ran.code == 3
    said = ran.out.decode()
    assert "logger_name is 'celery.app.trace', expected 'celery.app'" in said
    assert "is valid" not in said


def test_secrets_are_not_in_the_summary(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(
        "sinks: {elasticsearch: {hosts: ['https://es:9200'], username: writer, password: '${PW}'}}"
    )

    ran = run("check", "--config", "c.yaml", folder=tmp_path, environ={"PW": "geheim99"})

    assert ran.code == 0
    assert "geheim99" not in ran.out.decode() + ran.err
    assert "https://es:9200 as writer, ids keyed" in ran.out.decode()


def test_a_sink_that_does_not_answer_is_code_4(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        port = unused.getsockname()[1]
        (tmp_path / "c.yaml").write_text(
            f"sinks: {{elasticsearch: {{hosts: ['http://127.0.0.1:{port}']}}}}"
        )

        ran = run("check", "--connect", "--config", "c.yaml", folder=tmp_path)

    assert ran.code == 4, ran.err
    assert "elasticsearch: reachable" in ran.out.decode()
    assert "is valid" not in ran.out.decode()


def test_a_store_that_can_be_opened_is_fine(tmp_path: Path) -> None:
    ran = run("check", "--connect", folder=tmp_path)

    assert ran.code == 0, ran.err
    assert "ok       store: " in ran.out.decode()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        pytest.param({}, [], id="the defaults make sense"),
        pytest.param(
            {"api": {"listen": "127.0.0.1:5044"}}, [("problem", "api.listen")], id="one port twice"
        ),
        pytest.param(
            {"api": {"listen": "127.0.0.1:0"}, "beats": {"listen": "127.0.0.1:0"}},
            [],
            id="any port, twice",
        ),
        pytest.param(
            {"beats": {"keepalive_seconds": 30}},
            [("warning", "beats.keepalive_seconds")],
            id="keepalives that come too late",
        ),
        pytest.param(
            {"beats": {"limits": {"window_bytes": "1MiB"}}},
            [("warning", "beats.limits.frame_bytes")],
            id="frames larger than windows",
        ),
        pytest.param(
            {"beats": {"limits": {"total_bytes": "64MiB"}}},
            [("warning", "beats.limits.connection_bytes")],
            id="one connection may take all memory",
        ),
        pytest.param({"sinks": {"elasticsearch": ES}}, [("note", "sinks")], id="no store"),
        pytest.param(
            {"sinks": {"store": {}, "elasticsearch": {**ES, "ids": "none"}}},
            [("note", "sinks.elasticsearch.ids")],
            id="no ids",
        ),
        pytest.param(
            {"sinks": {"store": {}, "elasticsearch": {**ES, "username": "u", "password": ""}}},
            [("warning", "sinks.elasticsearch.password")],
            id="an empty password",
        ),
        pytest.param(
            {"sinks": {"store": {}, "elasticsearch": {"hosts": ["http://x"], "api_key": "k"}}},
            [("warning", "sinks.elasticsearch.hosts")],
            id="a log-in over http",
        ),
        pytest.param(
            {"sinks": {"store": {}, "elasticsearch": {**ES, "batch": {"max_bytes": "1GiB"}}}},
            [("warning", "sinks.elasticsearch.batch.max_bytes")],
            id="bodies too large for Elasticsearch",
        ),
        pytest.param(
            {"sinks": {"store": {}, "elasticsearch": {**ES, "shard_seconds": 60}}},
            [("warning", "sinks.elasticsearch.shard_seconds")],
            id="a shard waits longer than the request",
        ),
    ],
)
def test_values_that_make_no_sense_together_are_named(
    settings: dict[str, object], expected: list[tuple[str, str]]
) -> None:
    assert subjects(findings(**settings)) == expected


class TestFiles:
    """`look_at_files`, against real folders."""

    def test_a_folder_that_is_not_there_will_be_made(self, tmp_path: Path) -> None:
        (finding,) = look_at_files(ServerSettings(data_dir=str(tmp_path / "a" / "b")))

        assert finding == Finding("ok", "data_dir", f"{tmp_path / 'a' / 'b'} will be created")

    def test_a_file_is_no_data_dir(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()

        (finding,) = look_at_files(ServerSettings(data_dir=str(tmp_path / "file" / "data")))

        assert finding.mark == "problem"
        assert "is not a folder" in finding.found

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            pytest.param(None, "No such file", id="missing"),
            pytest.param("no certificate", "holds no certificate", id="something else"),
        ],
    )
    def test_an_authority_that_cannot_be_used_is_a_problem(
        self, tmp_path: Path, content: str | None, said: str
    ) -> None:
        config = tmp_path / "c.yaml"
        config.write_text("sinks: {elasticsearch: {hosts: ['https://x'], ca_file: ca.pem}}")
        if content is not None:
            (tmp_path / "ca.pem").write_text(content)

        _, finding = look_at_files(load_server(config, {}))

        assert finding.mark == "problem"
        assert said in finding.found


def test_what_departs_from_logstash_is_named() -> None:
    shipped = load_profile(ROOT / "config" / "pt.yaml", {})
    changed = ProfileSettings.model_validate(
        {**shipped.model_dump(), "parsing": "strict", "sanitise_names": "ecs"}
    )

    assert departures(shipped) == ""
    assert departures(changed) == "departs from Logstash: parsing: strict, sanitise_names: ecs"


def test_more_workers_than_cores_are_noted_and_others_not() -> None:
    found = findings(workers=64)

    assert ("note", "workers") in subjects(found)
    assert ("note", "workers") not in subjects(findings(workers=0))
    assert subjects(findings(workers=0)) == subjects(findings(workers=1))


def test_it_is_said_how_many_processes_there_will_be(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("workers: 2\n")

    ran = run("check", "--config", "c.yaml", folder=tmp_path)

    assert "2, and a supervisor" in ran.out.decode()


OWN = """
groups:
  - group: pt
    data_stream: {namespace: pt}
    patterns:
      - name: kv
        regex: '^(?P<log_message>(?:[a-z]+=?[a-z]*,?)+)$'
        samples: [{line: "a=b", fields: {log_message: "a=b"}}]
      - name: plain
        regex: '(?P<client>\\S+) (?P<what>.*)'
        samples: [{line: "a b", fields: {client: a, what: b}}]
"""


@pytest.mark.timeout(60)  # three processes
def test_it_is_said_who_runs_an_expression_and_what_a_hostile_line_costs(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(OWN)
    (tmp_path / "c.yaml").write_text("profile: own.yaml\n")

    out = run("check", "--config", "c.yaml", folder=tmp_path).out.decode()

    assert "pattern kv: not linear on Python's engine (it repeats a group" in out
    assert "pattern plain: runs on Python's engine, linear in the line; the worst of" in out
    assert "hostile lines of 64 KiB took" in out


@pytest.mark.timeout(60)
def test_an_expression_that_no_engine_runs_in_linear_time_is_refused(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(OWN.replace("(?:[a-z]+=?", "(?:(?!b)[a-z]+=?"))
    (tmp_path / "c.yaml").write_text("profile: own.yaml\n")

    ran = run("check", "--config", "c.yaml", folder=tmp_path)

    assert ran.code == 3
    said = ran.out.decode() + (ran.err if isinstance(ran.err, str) else ran.err.decode())
    assert "may take for ever on some lines" in said
    assert "looks ahead or behind" in said


def test_packaged_patterns_and_numbers_are_named_as_departures() -> None:
    (group,) = shipped_profile().groups
    on = PatternSettings.model_validate(packaged_patterns()["react"])
    changed = group.model_copy(update={"patterns": (*group.patterns, on), "numbers": ("status",)})

    found = departures(shipped_profile().model_copy(update={"groups": (changed,)}))

    assert found == "departs from Logstash: groups.pt.patterns react, groups.pt.numbers"
    assert departures(shipped_profile()) == ""
