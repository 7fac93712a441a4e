"""Messages about values that do not fit the settings."""

from __future__ import annotations

from typing import Literal

import pytest
from pydantic import ByteSize, SecretStr, ValidationError

from ptingest.settings.explain import (
    all_places,
    explain,
    explain_booleans,
    find_spot,
    is_secret,
    show_bytes,
    show_default,
)
from ptingest.settings.interpolate import interpolate
from ptingest.settings.parse import parse
from ptingest.settings.server import ServerSettings
from ptingest.settings.sinks import BatchSettings, ElasticsearchSettings
from tests.settings.test_interpolate import NOWHERE


def told(text: str, environ: dict[str, str] | None = None) -> list[str]:
    parsed = parse(text, file="f")
    values = interpolate(parsed, environ or {}, folder=NOWHERE)
    problems = explain_booleans(model=ServerSettings, parsed=parsed, values=values)
    try:
        ServerSettings.model_validate(values.root)
    except ValidationError as error:
        problems += explain(error, model=ServerSettings, parsed=parsed, values=values)
    return [str(problem) for problem in problems]


ES = "sinks:\n  elasticsearch:\n    hosts: [http://x]\n    "


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param(
            "sinks:\n  store:\n    batch: {max_documents: 0}\n",
            "f:3: sinks.store.batch.max_documents is 0, must be 1 to 100000; "
            "remove the line to get 4096",
            id="out of range",
        ),
        pytest.param(
            "beats: {allow_from: '10.0.0.0/8, ::1'}",
            "f:1: beats.allow_from is '10.0.0.0/8, ::1', must be a list; "
            'write it as a list: ["10.0.0.0/8", "::1"]',
            id="a text for a list",
        ),
        pytest.param(
            "log.level: debug",
            "f:1: log.level is not a setting; write it as a section: `log:`, and below it, "
            "indented, `level: ...`",
            id="a section as one key",
        ),
        pytest.param(
            "beats.port: 5044",
            'f:1: beats.port is not a setting; here it is listen: "0.0.0.0:5044"',
            id="one of Logstash's, as one key",
        ),
        pytest.param(
            ES + "cloud_id: x",
            "f:4: sinks.elasticsearch.cloud_id is not a setting; write the address in hosts, as "
            "Elastic Cloud shows it (Copy endpoint)",
            id="one of Logstash's in its section",
        ),
        pytest.param(
            "sinks: {elasticsearch: {hosts: ' , '}}",
            "f:1: sinks.elasticsearch.hosts is empty; give it at least 1",
            id="a text without a host",
        ),
        pytest.param(
            "drain_seconds: 0",
            "f:1: drain_seconds is 0, must be more than 0; remove the line to get 20",
            id="not positive",
        ),
        pytest.param(
            "beats: {limits: {window_events: many}}",
            "f:1: beats.limits.window_events is 'many', must be 1 to 10000000; "
            "remove the line to get 65536",
            id="text for a number",
        ),
        pytest.param(
            "beats: {limits: {window_events: 1.5}}",
            "f:1: beats.limits.window_events is 1.5, must be 1 to 10000000; "
            "remove the line to get 65536",
            id="a fraction for a whole number",
        ),
        pytest.param(
            "beats: {limits: {window_events: true}}",
            "f:1: beats.limits.window_events is true, must be 1 to 10000000; "
            "remove the line to get 65536",
            id="a boolean for a number",
        ),
        pytest.param(
            "beats: {limits: {window_events: [1]}}",
            "f:1: beats.limits.window_events is a list, must be 1 to 10000000; "
            "remove the line to get 65536",
            id="a list for a number",
        ),
        pytest.param(
            "beats: {limits: {frame_bytes: 64 parsecs}}",
            "f:1: beats.limits.frame_bytes is '64 parsecs', must be a size such as 64MiB; "
            "remove the line to get 64MiB",
            id="no size",
        ),
        pytest.param(
            "beats: {limits: {frame_bytes: 0}}",
            "f:1: beats.limits.frame_bytes is 0, must be a size such as 64MiB; "
            "remove the line to get 64MiB",
            id="no bytes at all",
        ),
        pytest.param(
            "log: {level: loud}",
            "f:1: log.level is 'loud', must be debug, info, warning or error; "
            "remove the line to get info",
            id="not one of the words",
        ),
        pytest.param(
            "api: {listen: here}",
            "f:1: api.listen is 'here', must be like '127.0.0.1:9600'; "
            "remove the line to get 127.0.0.1:9600",
            id="no address",
        ),
        pytest.param(
            "api: {listen: 'h:70000'}",
            "f:1: api.listen cannot be used: port 70000 does not exist; write one from 0 to 65535",
            id="no such port",
        ),
        pytest.param(
            "data_dir: 5",
            "f:1: data_dir is 5, must be text; write it in quotes",
            id="a number for text",
        ),
        pytest.param(
            "api:",
            "f:1: api is empty, must be a section with keys of its own; "
            "remove the line to get the defaults",
            id="an empty section",
        ),
        pytest.param(
            "sinks: {store: {max_age_days: never}}",
            "f:1: sinks.store.max_age_days is 'never', must be more than 0 or empty (null); "
            "remove the line to get 30",
            id="a value that may also be null",
        ),
        pytest.param(
            "sinks: {elasticsearch: {}}",
            "f:1: sinks.elasticsearch.hosts is missing; add it: a list",
            id="a missing key",
        ),
        pytest.param(
            "sinks: {store: }",
            "f:1: sinks cannot be used: no sink is given; write `store: {}` or remove `sinks:`",
            id="what only a validator sees",
        ),
        pytest.param(
            "wrokers: 2",
            "f:1: wrokers is not a setting; did you mean workers? Or remove the line",
            id="a typing error",
        ),
        pytest.param(
            "hold_seconds: 2",
            "f:1: hold_seconds is not a setting; it belongs to beats",
            id="a key in the wrong section",
        ),
        pytest.param(
            "api: {colour: red}",
            "f:1: api.colour is not a setting; remove the line; known here: listen, tls, token",
            id="nothing near",
        ),
        pytest.param(
            "log: {syslog: {facility: x}}",
            "f:1: log.syslog is not a setting; remove the line; known here: level, format",
            id="a section that is not there",
        ),
        pytest.param(
            "sinks: {elasticsearch: {hosts: []}}",
            "f:1: sinks.elasticsearch.hosts is empty; give it at least 1",
            id="an empty list",
        ),
        pytest.param(
            ES + "hosts_: x\n    ids: [keyed]\n",
            "f:5: sinks.elasticsearch.ids is a list, must be keyed or none; "
            "remove the line to get keyed",
            id="the line of the value, not of the section",
        ),
    ],
)
def test_a_problem_says_place_value_limit_and_cure(text: str, sentence: str) -> None:
    assert sentence in told(text)


def test_values_that_fit_have_no_problem() -> None:
    assert told("drain_seconds: ${W:2}\nlog: {level: debug}\nbeats: {limits: {pairs: '3'}}") == []


def test_a_value_from_a_variable_is_shown_with_its_source() -> None:
    sentences = told("beats: {limits: {window_events: '${W}'}}", {"W": "many"})

    assert sentences == [
        "f:1: beats.limits.window_events is 'many' (from '${W}'), must be 1 to 10000000; "
        "remove the line to get 65536"
    ]


def test_a_place_is_told_once_even_when_a_variable_was_missing() -> None:
    parsed = parse("workers: ${W}", file="f")
    values = interpolate(parsed, {}, folder=NOWHERE)

    with pytest.raises(ValidationError) as caught:
        ServerSettings.model_validate(values.root)

    assert explain(caught.value, model=ServerSettings, parsed=parsed, values=values) == []
    assert len(parsed.problems) == 1


def test_a_list_is_not_called_empty_because_its_entries_are_broken() -> None:
    assert told("sinks: {elasticsearch: {hosts: [5]}}") == [
        "f:1: sinks.elasticsearch.hosts[0] is 5, must be text; write it in quotes"
    ]


def test_a_section_is_not_judged_while_a_variable_in_it_is_missing() -> None:
    assert told("sinks: {elasticsearch: {hosts: ['${NOPE}']}}") == []


def test_a_long_value_is_cut() -> None:
    (sentence,) = told(f"workers: {'x' * 5000}")

    assert len(sentence) < 200


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(ES + 'password: "${PW}"\n', id="without a user"),
        pytest.param(ES + 'username: "${PW}"\n    api_key: "${PW}"', id="beside another log-in"),
        pytest.param(ES + 'password: ["${PW}"]\n', id="as a list"),
        pytest.param(ES + 'pasword: "${PW}"\n', id="under a misspelled key"),
        pytest.param(ES + "password: hunter2hunter2\n", id="plain in the file"),
        pytest.param(ES + "password: {hunter2hunter2: 1}\n", id="as a section"),
        pytest.param(
            "sinks:\n  elasticsearch: {hosts: ['ftp://u:${PW}@x'], password: 12345678}\n",
            id="in an address",
        ),
        pytest.param(
            "sinks:\n  elasticsearch: {hosts: ['u:${PW}@x'], username: a, password: '${PW}'}\n",
            id="in an address without a scheme",
        ),
    ],
)
def test_a_secret_is_in_no_sentence(text: str) -> None:
    sentences = told(text, {"PW": "hunter2hunter2"})

    assert sentences
    assert "hunter2" not in " ".join(sentences)
    assert "12345678" not in " ".join(sentences)


def test_secrets_are_found_through_optional_and_nested_types() -> None:
    place = ("sinks", "elasticsearch", "password")

    assert is_secret(find_spot(ServerSettings, place).annotation)
    assert not is_secret(find_spot(ServerSettings, ("sinks", "elasticsearch", "ids")).annotation)
    assert is_secret(SecretStr)
    assert not is_secret(Literal["a"])


def test_the_schema_lists_every_setting_with_its_sections() -> None:
    places = set(all_places(ServerSettings))

    assert {("beats",), ("beats", "limits", "pairs"), ("sinks", "ndjson", "keep")} <= places
    assert find_spot(ServerSettings, ("sinks", "store", "batch")).annotation is BatchSettings
    assert find_spot(ServerSettings, ("sinks", "elasticsearch", "hosts", 0)).annotation is str
    assert find_spot(ElasticsearchSettings, ("nope",)).field is None


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param(None, "none", id="nothing"),
        pytest.param(ByteSize(64 << 20), "64MiB", id="a size"),
        pytest.param(True, "true", id="a boolean"),
        pytest.param(20.0, "20", id="a whole float"),
        pytest.param(0.25, "0.25", id="a fraction"),
        pytest.param("info", "info", id="text"),
    ],
)
def test_defaults_are_shown_as_they_would_be_written(value: object, shown: str) -> None:
    assert show_default(value) == shown


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0B"), (1023, "1023B"), (1024, "1KiB"), (1536, "1536B"), (10 << 30, "10GiB")],
)
def test_sizes_are_shown_exactly(count: int, shown: str) -> None:
    assert show_bytes(count) == shown
