"""Events that a limited sender may not send are rejected, in whatever form they are written."""

from __future__ import annotations

import orjson
import pytest

from ptingest.model.origin import MaySend, Origin
from ptingest.model.outcome import Processed
from ptingest.model.receipt import Receipt
from ptingest.pipeline.authorize import process_permitted
from ptingest.pipeline.compile import compile_profile, packaged_profile_path
from ptingest.pipeline.profile_pipeline import ProfilePipeline
from ptingest.settings.load import load_profile

NGINX = MaySend(groups=frozenset({"pt"}), services=frozenset({"nginx"}))
REACT = MaySend(services=frozenset({"react"}))


@pytest.fixture(scope="module")
def pipeline() -> ProfilePipeline:
    return compile_profile(load_profile(packaged_profile_path(), {}))


def event(**fields: object) -> bytes:
    return orjson.dumps({"group": "pt", "message": "x", **fields})


def process(
    pipeline: ProfilePipeline, *payloads: bytes, may_send: tuple[MaySend, ...]
) -> Processed:
    return process_permitted(
        pipeline,
        payloads,
        receipt=Receipt(lambda _: None),
        origin=Origin("192.0.2.7:1", tls_subject="CN=web-1", may_send=may_send),
        now_ns=0,
    )


def test_what_it_may_send_is_a_document_and_the_rest_are_letters(pipeline: ProfilePipeline) -> None:
    good, bad = event(service="nginx"), event(service="django")

    done = process(pipeline, good, bad, good, may_send=(NGINX,))

    assert [one.payload for one in done.documents] == [good, good]
    (letter,) = done.dead_letters
    assert (letter.reason, letter.payload, letter.service) == ("not_allowed_sender", bad, "django")
    assert letter.detail == (
        "CN=web-1 may not send group 'pt' with service 'django' (beats.tls.senders)"
    )
    assert letter.peer == "192.0.2.7:1"
    assert done.received == {"nginx": 2, "django": 1}


def test_a_certificate_named_twice_may_send_what_either_allows(pipeline: ProfilePipeline) -> None:
    payloads = [event(service=name) for name in ("nginx", "react", "django")]

    done = process(pipeline, *payloads, may_send=(NGINX, REACT))

    assert len(done.documents) == 2
    assert len(done.dead_letters) == 1


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(event(service=["nginx", "django"]), id="a list"),
        pytest.param(event(service=["nginx"]) + b" ", id="a list of the right one"),
        pytest.param(event(service={"nginx": 1}), id="an object"),
        pytest.param(event(service="NGINX"), id="another case"),
        pytest.param(event(), id="no service"),
        pytest.param(b'{"service":"nginx","group":"pt","service":"django"}', id="the key twice"),
        pytest.param(b'{"group":"pt","service":"dj\\u0061ngo"}', id="with an escape"),
        pytest.param(b'\xef\xbb\xbf{"group":"pt","service":"django"}', id="behind a BOM"),
        pytest.param(b'{"group":"pt","service":"django","x":"\xff"}', id="invalid UTF-8"),
        pytest.param(b'{"group":"pt","service":"django","x":"\\ud800"}', id="a lone surrogate"),
    ],
)
def test_an_unusual_way_of_writing_gets_nobody_past(
    pipeline: ProfilePipeline, payload: bytes
) -> None:
    done = process(pipeline, payload, may_send=(NGINX,))

    # Logstash treats a list of one text as that text, so it may pass as such.
    if payload.startswith(event(service=["nginx"])):
        assert [one.target.name for one in done.documents] == ["logs-nginx-pt"]
    else:
        assert [one.reason for one in done.dead_letters] == ["not_allowed_sender"]
        assert done.documents == []


def test_what_no_stage_would_index_is_not_asked_about(pipeline: ProfilePipeline) -> None:
    done = process(pipeline, b"[]", event(group="other", service="django"), b"{", may_send=(NGINX,))

    assert [one.reason for one in done.dead_letters] == ["not_an_object", "not_json"]
    assert sum(done.dropped.values()) == 1


def test_a_group_may_be_limited_alone(pipeline: ProfilePipeline) -> None:
    other = MaySend(groups=frozenset({"elsewhere"}))

    done = process(pipeline, event(service="nginx"), may_send=(other,))

    assert [one.reason for one in done.dead_letters] == ["not_allowed_sender"]


@pytest.mark.parametrize(
    "wrong",
    ["x", "", 5, True, ["x"], [1], [{"dataset": "django"}], [[]]],
    ids=str,
)
@pytest.mark.parametrize("may_send", [NGINX, MaySend(groups=frozenset({"pt"}))], ids=["s", "g"])
def test_a_data_stream_that_is_no_object_leads_nowhere_else(
    pipeline: ProfilePipeline, wrong: object, may_send: MaySend
) -> None:
    stray, good = event(service="nginx", data_stream=wrong), event(service="nginx")

    done = process(pipeline, stray, good, may_send=(may_send,))

    assert [one.payload for one in done.documents] == [good]
    (letter,) = done.dead_letters
    assert (letter.reason, letter.payload) == ("not_allowed_sender", stray)
    assert letter.data_stream == "logs-generic-default"
    assert "but to logs-nginx-pt" in letter.detail
    assert done.received == {"nginx": 2}


@pytest.mark.parametrize(
    "fields",
    [
        {"data_stream": {"dataset": "django", "type": "metrics"}},
        {"data_stream": {"dataset": ["a", "django"]}},
        {"data_stream": None},
        {"data_stream": {}},
        {"data_stream.dataset": "django"},
    ],
    ids=str,
)
def test_a_data_stream_that_is_overwritten_does_no_harm(
    pipeline: ProfilePipeline, fields: dict[str, object]
) -> None:
    done = process(pipeline, event(service="nginx", **fields), may_send=(NGINX,))

    assert [one.target.name for one in done.documents] == ["logs-nginx-pt"]


def test_a_text_where_a_constant_belongs_does_not_set_the_data_stream_free(
    pipeline: ProfilePipeline,
) -> None:
    group = pipeline.profile.groups[0]
    fields = {**group.fields, "site.name": "pt"}
    profile = pipeline.profile.model_copy(
        update={"groups": (group.model_copy(update={"fields": fields}),)}
    )
    stray = event(service="nginx", site="x", data_stream={"dataset": "django", "namespace": "pt"})

    done = process(compile_profile(profile), stray, may_send=(NGINX,))

    assert [one.data_stream for one in done.dead_letters] == ["logs-django-pt"]
    assert done.documents == []
