"""The profile's entries for nginx and React: off as shipped, true when switched on."""

from __future__ import annotations

import json
import re
from typing import Any

import orjson
import pytest

from ptingest.model.receipt import Receipt
from ptingest.pipeline.compile import compile_profile, run_samples
from ptingest.pipeline.pipeline import Explanation, Pipeline
from ptingest.settings.load import load_profile
from ptingest.settings.profile import ProfileSettings
from tests.support.modules import ROOT

OFF = re.compile(r"^(\s*)#(?=- (?:nginx_access|nginx_error|react)$)", re.MULTILINE)
"""The names of packaged patterns, which are off."""
NOW_NS = 1_735_790_000_000_000_000


@pytest.fixture(scope="module")
def switched_on(tmp_path_factory: pytest.TempPathFactory) -> ProfileSettings:
    text = (ROOT / "config" / "pt.yaml").read_text(encoding="utf-8")
    path = tmp_path_factory.mktemp("profile") / "pt.yaml"
    path.write_text(OFF.sub(r"\1", text), encoding="utf-8")
    return load_profile(path, {})


@pytest.fixture(scope="module")
def pipeline(switched_on: ProfileSettings) -> Pipeline:
    return compile_profile(switched_on)


def lines_of(service: str) -> list[str]:
    path = ROOT / "config" / "samples" / f"{service}.log"
    return path.read_text(encoding="utf-8").splitlines()


def explain(pipeline: Pipeline, service: str, message: str) -> Explanation:
    event = {"@timestamp": "2025-01-02T00:00:00.000Z", "message": message, "group": "pt",
             "service": service}  # fmt: skip
    return pipeline.explain(orjson.dumps(event), now_ns=NOW_NS)


def document_of(explained: Explanation) -> dict[str, object]:
    assert isinstance(explained.document, dict)
    return explained.document


def test_every_sample_holds_when_switched_on(switched_on: ProfileSettings) -> None:
    names = [pattern.name for pattern in switched_on.groups[0].patterns]

    assert names[2:] == ["nginx_access", "nginx_error", "react"]
    assert run_samples(switched_on) == []


def test_as_shipped_they_are_off() -> None:
    shipped = load_profile(ROOT / "config" / "pt.yaml", {})

    assert [p.name for p in shipped.groups[0].patterns] == ["dotted_milliseconds", "plain_time"]


@pytest.mark.parametrize("service", ["nginx", "react"])
def test_no_sample_line_fails_any_more(pipeline: Pipeline, service: str) -> None:
    documents = [document_of(explain(pipeline, service, line)) for line in lines_of(service)]

    assert documents
    assert [one.get("tags") for one in documents if "_grokparsefailure_pt" in str(one)] == []
    assert {one["@timestamp"] == "2025-01-02T00:00:00.000Z" for one in documents} == {False}


PATHS = [
    ('"GET /api/ HTTP/2.0" 200 512 "-" "curl/8"', ("GET", "/api/", "HTTP/2.0")),
    ('"GET /a b HTTP/1.1" 200 5 "-" "x"', ("GET", "/a b", "HTTP/1.1")),
    ('"GET /a HTTP/1.1 HTTP/1.1" 200 5 "-" "x"', ("GET", "/a HTTP/1.1", "HTTP/1.1")),
    ('"PRI * HTTP/2.0" 400 157 "-" "-"', ("PRI", "*", "HTTP/2.0")),
    ('"M-SEARCH * HTTP/1.1" 400 157 "-" "-"', ("M-SEARCH", "*", "HTTP/1.1")),
    (r'"GET /?q=\"a\" HTTP/1.1" 200 5 "-" "x"', ("GET", r"/?q=\"a\"", "HTTP/1.1")),
    (
        r'"GET /\x22 HTTP/1.1" 499 0 "https://a/?q=\x22" "M \x22x\x22"',
        ("GET", r"/\x22", "HTTP/1.1"),
    ),
    ('"GET /x HTTP/1.1" 200 -', ("GET", "/x", "HTTP/1.1")),
    ('"GET /x HTTP/1.1" 200 5 "-" "x" rt=0.003 uct="0.000"', ("GET", "/x", "HTTP/1.1")),
    ('"" 400 0 "-" "-"', (None, None, None)),
    ('"-" 400 0 "-" "-"', (None, None, None)),
    ('"GET /x" 200 5', (None, None, None)),
    ('"GET  HTTP/1.1" 400 5 "-" "-"', ("GET", None, "HTTP/1.1")),
    ('"GET /x HTTP/x" 400 5 "-" "-"', (None, None, None)),
    (r'"\x16\x03\x01\x00\xEE" 400 157 "-" "-"', (None, None, None)),
    (r'"\"\\" 400 157 "-" "-"', (None, None, None)),
    ('"t3 12.1.2\n" 400 157 "-" "-"', (None, None, None)),
]


@pytest.mark.parametrize("before", ["203.0.113.7 - -", "2001:db8::7 - john doe", "unix: - a@b"])
@pytest.mark.parametrize(("after", "request_parts"), PATHS)
def test_a_line_of_the_combined_format_fits_whatever_the_request_is(
    pipeline: Pipeline, before: str, after: str, request_parts: tuple[str | None, ...]
) -> None:
    line = f"{before} [02/Jan/2025:08:34:05 +0530] {after}"

    document = document_of(explain(pipeline, "nginx", line))

    assert "_grokparsefailure_pt" not in str(document["tags"])
    assert document["@timestamp"] == "2025-01-02T03:04:05.000Z"
    address, _, user = before.partition(" - ")
    assert (document["remote_addr"], document["remote_user"]) == (address, user)
    names = ("request_method", "request_path", "request_protocol")
    assert tuple(document.get(name) for name in names) == request_parts
    assert str(document["status"]) in after
    assert f" {document['body_bytes']}" in after


@pytest.mark.parametrize(
    "line",
    [
        '203.0.113.7, 10.0.0.1 - - [02/Jan/2025:03:04:05 +0000] "GET /x HTTP/1.1" 200 5',
        'web:443 203.0.113.7 - - [02/Jan/2025:03:04:05 +0000] "GET /x HTTP/1.1" 200 5',
        '[02/Jan/2025:03:04:05 +0000] 203.0.113.7 "GET /x HTTP/1.1" 200',
        '203.0.113.7 - - [02/Jan/2025:03:04:05 +0000] "GET /x HTTP/1.1" twice 5',
    ],
)
def test_a_line_of_another_format_is_not_misread(pipeline: Pipeline, line: str) -> None:
    document = document_of(explain(pipeline, "nginx", line))

    assert "_grokparsefailure_pt" in str(document["tags"])
    assert "remote_addr" not in document


@pytest.mark.parametrize(
    "hostile",
    [
        "a" * 200_000,
        "a - " * 50_000,
        "a - " + "b " * 100_000,
        'a - b [c] "' + "GET " * 50_000,
        'a - b [c] "GET ' + " HTTP/1.1" * 20_000,
        'a - b [c] "GET ' + "\\x" * 60_000,
        'a - b [c] "GET / HTTP/1.1" 200 5 "' + '\\"' * 60_000,
        'a - b [c] "' + "[d] " * 50_000,
    ],
    ids=lambda text: text[:24],
)
def test_the_access_pattern_is_linear_in_the_line(
    switched_on: ProfileSettings, hostile: str
) -> None:
    pattern = re.compile(switched_on.groups[0].patterns[2].regex or "")

    # Quadratic in 200,000 characters would take minutes: the test's own deadline judges.
    pattern.match(hostile)


@pytest.mark.parametrize("service", ["django", "celery", "celerybeat", "flower"])
def test_the_other_services_become_what_they_were(pipeline: Pipeline, service: str) -> None:
    shipped = compile_profile(load_profile(ROOT / "config" / "pt.yaml", {}))

    for line in lines_of(service):
        assert explain(pipeline, service, line).document == explain(shipped, service, line).document


def test_an_access_line_has_its_own_time_and_its_parts(pipeline: Pipeline) -> None:
    line = '203.0.113.31 - - [02/Jan/2025:04:04:05 +0100] "GET /api/ HTTP/1.1" 499 789 "-" "curl/8"'

    document = document_of(explain(pipeline, "nginx", line))

    assert document["@timestamp"] == "2025-01-02T03:04:05.000Z"
    assert (document["status"], document["request_path"]) == ("499", "/api/")


def test_an_error_line_keeps_what_stands_on_further_lines(pipeline: Pipeline) -> None:
    line = "2025/01/02 03:04:05 [error] 31#31: *7 upstream said:\nsecond line"

    document = document_of(explain(pipeline, "nginx", line))

    assert document["@timestamp"] == "2025-01-02T03:04:05.000Z"
    assert document["log_message"] == "upstream said:\nsecond line"


def test_a_react_line_without_known_keys_is_tagged_as_before(pipeline: Pipeline) -> None:
    document = document_of(explain(pipeline, "react", '{"other": 1}'))

    assert "_grokparsefailure_pt" in str(document["tags"])


# --- everything that the profile offers for them ---------------------------------------------


@pytest.fixture(scope="module")
def all_on(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    text = (ROOT / "config" / "pt.yaml").read_text(encoding="utf-8")
    path = tmp_path_factory.mktemp("profile") / "pt.yaml"
    # A `#` without a space after it is a setting that is off.
    path.write_text(re.sub(r"(?m)^(\s*)#(?=\S)", r"\1", text), encoding="utf-8")
    return compile_profile(load_profile(path, {}))


def stored(pipeline: Pipeline, service: str, message: str) -> dict[str, Any]:
    body = explain(pipeline, service, message).body
    assert body is not None
    found: dict[str, Any] = json.loads(body)
    return found


@pytest.mark.parametrize(
    ("size", "numbers"), [("789", {"status": 499, "body_bytes": 789}), ("-", {"status": 499})]
)
def test_status_and_size_are_numbers_where_that_is_asked_for(
    all_on: Pipeline, size: str, numbers: dict[str, int]
) -> None:
    line = f'203.0.113.31 - - [02/Jan/2025:04:04:05 +0100] "GET / HTTP/1.1" 499 {size}'

    document = stored(all_on, "nginx", line)

    assert {name: document[name] for name in ("status", "body_bytes") if name in document} == (
        numbers
    )


def test_services_have_a_stream_where_rules_look_at_the_service(all_on: Pipeline) -> None:
    line = '203.0.113.31 - - [02/Jan/2025:04:04:05 +0100] "GET / HTTP/1.1" 200 5'

    assert stored(all_on, "nginx", line)["stream"] == "web"
    assert stored(all_on, "react", '{"level":"warn","msg":"x"}')["stream"] == "frontend"
    assert stored(all_on, "django", line)["stream"] == "unknown"


@pytest.mark.parametrize(
    ("service", "line", "level"),
    [
        ("nginx", "2025/01/02 03:04:05 [notice] 1#1: signal process started", "INFO"),
        ("nginx", "2025/01/02 03:04:05 [crit] 31#31: *7 SSL_do_handshake() failed", "CRITICAL"),
        ("react", '{"level":"warn","msg":"x"}', "WARNING"),
        ("react", '{"level":"verbose","msg":"x"}', "verbose"),
    ],
)
def test_levels_are_spelled_as_those_of_the_other_services(
    pipeline: Pipeline, service: str, line: str, level: str
) -> None:
    assert stored(pipeline, service, line)["log_level"] == level


REPORTED = """\
2001:db8::7 - - [29/Nov/2026:04:00:00 +0530] "GET /api/ HTTP/2.0" 200 512 "-" "curl/8"
203.0.113.7 - - [29/Nov/2026:04:00:00 +0000] "" 400 0 "-" "-"
203.0.113.7 - - [29/Nov/2026:04:00:00 +0000] "\\x16\\x03\\x01\\x00\\xEE" 400 157 "-" "-"
203.0.113.7 - - [29/Nov/2026:04:00:00 +0000] "GET /a b HTTP/1.1" 200 5 "-" "x"
203.0.113.7 - - [29/Nov/2026:04:00:00 +0000] "PRI * HTTP/2.0" 400 157 "-" "-"
203.0.113.7 - - [29/Nov/2026:04:00:00 +0000] "GET /x HTTP/1.1" 499 0 "https://a.example/?q=\\x22a\\x22" "Mozilla \\x22x\\x22"
203.0.113.7 - john doe [29/Nov/2026:04:00:00 +0000] "GET /x HTTP/1.1" 200 - "-" "x"
203.0.113.7 - - [29/Nov/2026:04:00:00 +0000] "GET /x HTTP/1.1" 200 5 "-" "x" rt=0.003 uct="0.000" urt="0.003"
2026/11/29 04:00:00 [notice] 1#1: signal process started
2026/11/29 04:00:00 [crit] 31#31: *7 SSL_do_handshake() failed
""".splitlines()  # noqa: E501
"""Lines as people have reported them."""


@pytest.mark.parametrize("line", REPORTED)
def test_reported_lines_have_their_own_time_and_no_failure_tag(all_on: Pipeline, line: str) -> None:
    document = stored(all_on, "nginx", line)

    assert "_grokparsefailure_pt" not in document["tags"]
    assert str(document["@timestamp"])[:10] in ("2026-11-29", "2026-11-28")


@pytest.mark.parametrize("service", ["django", "celery", "celerybeat", "flower", "nginx", "react"])
def test_the_fast_path_and_the_stages_agree_with_everything_on(
    all_on: Pipeline, service: str
) -> None:
    payloads = [
        orjson.dumps({"@timestamp": "2025-01-02T00:00:00.000Z", "message": line, "group": "pt",
                      "service": service, "log": {"offset": at, "file": {"path": "/a"}},
                      "agent": {"id": "a"}})
        for at, line in enumerate([*lines_of(service), *REPORTED])
    ]  # fmt: skip
    receipt = Receipt(lambda _: None)

    fast = all_on.process(payloads, receipt=receipt, peer="p", now_ns=NOW_NS).documents

    explained = [all_on.explain(payload, now_ns=NOW_NS) for payload in payloads]
    assert [json.loads(one.body) for one in fast] == [
        json.loads(one.body or b"") for one in explained
    ]
    assert [one.key for one in fast] == [one.key for one in explained]
