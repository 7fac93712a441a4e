"""The profile's entries for nginx and React: off as shipped, true when switched on."""

from __future__ import annotations

import re

import pytest

from ptingest.pipeline.compile import compile_profile, run_samples
from ptingest.pipeline.pipeline import Explained, Pipeline
from ptingest.settings.load import load_profile
from ptingest.settings.profile import ProfileSettings
from tests.house.modules import ROOT

OFF = re.compile(r"^(\s*)#(?=\S)", re.MULTILINE)
"""A `#` without a space after it is a setting that is off."""
NOW_NS = 1_735_790_000_000_000_000


@pytest.fixture(scope="module")
def switched_on(tmp_path_factory: pytest.TempPathFactory) -> ProfileSettings:
    text = (ROOT / "config" / "pt.yaml").read_text(encoding="utf-8")
    text = re.sub(r"^ *formats: .*\n(?= *#formats)", "", text, flags=re.MULTILINE)
    path = tmp_path_factory.mktemp("profile") / "pt.yaml"
    path.write_text(OFF.sub(r"\1", text), encoding="utf-8")
    return load_profile(path, {})


@pytest.fixture(scope="module")
def pipeline(switched_on: ProfileSettings) -> Pipeline:
    return compile_profile(switched_on)


def lines_of(service: str) -> list[str]:
    path = ROOT / "config" / "samples" / f"{service}.log"
    return path.read_text(encoding="utf-8").splitlines()


def explain(pipeline: Pipeline, service: str, message: str) -> Explained:
    import orjson

    event = {"@timestamp": "2025-01-02T00:00:00.000Z", "message": message, "group": "pt",
             "service": service}  # fmt: skip
    return pipeline.explain(orjson.dumps(event), now_ns=NOW_NS)


def document_of(explained: Explained) -> dict[str, object]:
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
