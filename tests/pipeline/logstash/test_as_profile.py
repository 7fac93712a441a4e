"""Configs whose meaning a profile can express run on its fast path, with the same documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptingest.model.outcome import Processed
from ptingest.model.receipt import Receipt
from ptingest.pipeline.compile import compile_profile
from ptingest.pipeline.logstash.as_profile import profile_of
from ptingest.pipeline.logstash.parse import parse
from ptingest.pipeline.logstash.pipeline import compile_logstash
from ptingest.pipeline.pipeline import Pipeline
from ptingest.settings.logstash import load_logstash
from tests.support.profile import shipped_profile

ROOT = Path(__file__).parents[3]
CONFIG = ROOT / "config" / "logstash" / "pt.conf"
TEXT = CONFIG.read_text()
ENVIRONMENT = {"LOGSTASH_WRITER_PASSWORD": "x"}
VECTORS = json.loads((ROOT / "tests" / "pipeline" / "vectors.json").read_text())
NOW_NS = 1_735_787_045_000_000_000

RULES = load_logstash(CONFIG, ENVIRONMENT)
FAST = compile_logstash(RULES)
GENERAL = compile_logstash(RULES, is_general=True)
YAML = compile_profile(shipped_profile())

SENT = {
    "@timestamp": "2025-01-02T03:04:06.123Z", "group": "pt", "service": "django",
    "agent": {"id": "a"}, "host": {"name": "h"},
    "log": {"offset": 7, "file": {"inode": "1", "device_id": "2"}},
}  # fmt: skip


def process(pipeline: Pipeline, payload: bytes) -> Processed:
    receipt = Receipt(lambda _: None)
    return pipeline.process([payload], receipt=receipt, peer="192.0.2.7:1", now_ns=NOW_NS)


def made(done: Processed) -> tuple[object, ...]:
    """What two engines must agree on; a profile drops by other names."""
    documents = [(one.target.name, json.loads(one.body)) for one in done.documents]
    return documents, [one.reason for one in done.dead_letters], sum(done.dropped.values())


def payloads() -> list[bytes]:
    lines = [{**SENT, "message": case["message"]} for case in VECTORS["grok_fuzz"]]
    events = [case["event"] for case in VECTORS["pipeline"]]
    return [json.dumps(event).encode() for event in (*events, *lines)]


def test_the_shipped_config_means_the_shipped_profile() -> None:
    found = profile_of(parse(TEXT, ENVIRONMENT, file="pt.conf"))

    assert found is not None
    (group,), (shipped,) = found.groups, shipped_profile().groups
    assert group.categories == shipped.categories
    assert (group.fields, group.data_stream) == (shipped.fields, shipped.data_stream)
    assert [one.line for one in group.patterns] == [one.line for one in shipped.patterns]
    assert group.time == shipped.time
    assert group.failure_tag == shipped.failure_tag


def test_every_recorded_event_gets_the_documents_and_keys_of_the_profile() -> None:
    assert FAST.fast is not None
    found = payloads()
    assert len(found) == 1728

    for payload in found:
        ours, profiles = process(FAST, payload), process(YAML, payload)
        assert made(ours) == made(profiles)
        assert [one.key for one in ours.documents] == [one.key for one in profiles.documents]


def test_the_general_engine_makes_the_same_of_every_recorded_event() -> None:
    """The text "false" alone is told apart: Logstash 8.8, which these events were recorded with,
    takes it for false, 8.19 does not."""
    assert GENERAL.fast is None
    for payload in payloads():
        if json.loads(payload).get("service") != "false":
            assert made(process(GENERAL, payload)) == made(process(FAST, payload)), payload


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
TIMES = st.sampled_from(
    ["2025-01-02T03:04:05", "2025-01-02 03:04:05,678", "2025-01-02T03:04:05.678", "25", "x"]
)
NAMES = st.sampled_from(["django.request", "boto3", "root", "apps.logs", "a.tasks", "celeryx", ""])
LINES = st.builds("{}|{}|{}|{}".format, st.sampled_from(["INFO", "é", ""]), NAMES, TIMES, TEXTS)
VALUES = st.one_of(TEXTS, st.none(), st.booleans(), st.integers(), st.lists(TEXTS, max_size=2))


@settings(deadline=None)
@given(
    message=st.one_of(LINES, TEXTS, VALUES),
    service=st.one_of(st.sampled_from(["django", "nginx"]), VALUES),
    more=st.dictionaries(
        st.sampled_from(["log_level", "stream", "logger_name", "data_stream", "x"]), VALUES
    ),
)
def test_both_engines_are_equal_on_any_event(
    message: object, service: object, more: dict[str, Any]
) -> None:
    payload = json.dumps({**SENT, **more, "message": message, "service": service}).encode()
    # The text "false" as above; and null where an object is needed, at which Logstash fails while
    # a profile makes the object.
    if b"false" in payload or more.get("data_stream", "") is None:
        return

    assert made(process(GENERAL, payload)) == made(process(FAST, payload))


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ('[group] == "pt" {\n    grok', '[group] != "pt" {\n    grok'),
        ("%{WORD:log_level}", "%{NOTSPACE:log_level}"),
        ('"[event][module]"          => "pt"', '"[event][module]" => "%{service}"'),
        (r"/\Aboto/", r"/^boto/"),
        (r"/\Aboto/", r"/\Abo.o/"),
        ('"ISO8601", "yyyy', '"UNIX", "yyyy'),
        ("data_stream     => true", 'index => "x"'),
        ("data_stream     => true", 'data_stream => true pipeline => "p"'),
        ("port => 5044", 'port => 5044 tags => ["a"]'),
        ("port => 5044", "port => 5044 codec => json"),
        ('tag_on_failure => ["_grokparsefailure_pt"]', 'tag_on_failure => ["a", "b"]'),
        ('target => "@timestamp"', 'target => "time"'),
        ("    grok {", "    drop {} grok {"),
        ('{ mutate { replace => { "stream" => "django" } } }', "{ drop {} }"),
        ('mutate { replace => { "stream" => "django" } }', "drop {}"),
        ('if [group] == "pt" and [service]', "if [service]"),
        ('"stream" => "unknown" "app_module" => "unknown"', '"app_module" => "unknown"'),
    ],
)
def test_whatever_differs_is_left_to_the_general_engine(was: str, becomes: str) -> None:
    changed = TEXT.replace(was, becomes, 1)

    if changed == TEXT:
        pytest.skip("the text to change is not there in this form")
    assert profile_of(parse(changed, ENVIRONMENT, file="pt.conf")) is None


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("tag_on_failure", 'id => "g" tag_on_failure'),
        ("port => 5044", 'port => 5045 host => "::" ssl_enabled => true'),
        ('if [group] == "pt" and [service]', 'if [group] == "crm" and [service]'),
        (r"/\Aconfig(\.|\z)/", r"/\A(config|settings)(\.|\z)/"),
    ],
)
def test_what_changes_no_document_or_has_a_counterpart_stays_fast(was: str, becomes: str) -> None:
    changed = TEXT.replace(was, becomes, 1)
    if "crm" in becomes:
        changed = changed.replace('"pt"', '"crm"')

    assert profile_of(parse(changed, ENVIRONMENT, file="pt.conf")) is not None
