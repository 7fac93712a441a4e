from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ptingest.model.document import Document, Index
from ptingest.model.outcome import WriteResult
from ptingest.sinks.elasticsearch.answer import Answer, retry_after_seconds
from ptingest.sinks.elasticsearch.bulk import (
    DETAIL_CHARACTERS,
    PIECE_BYTES,
    PIECE_DOCUMENTS,
    bulk_pieces,
    bulk_target,
    read_answer,
    targets_of,
)
from tests.support.documents import DJANGO, NGINX, document

OURS = {"x-elastic-product": "Elasticsearch"}
SECURITY = {"type": "security_exception", "reason": "unable to authenticate user [x]"}


def answer_of(*items: dict[str, Any], headers: dict[str, str] | None = None) -> Answer:
    body = {
        "errors": any("error" in item for item in items),
        "items": [{"create": item} for item in items],
    }
    return Answer(
        200, OURS if headers is None else headers, json.dumps(body, separators=(",", ":")).encode()
    )


def error_answer(status: int, kind: str, reason: str, **headers: str) -> Answer:
    body = {"error": {"type": kind, "reason": reason}, "status": status}
    return Answer(status, {**OURS, **headers}, json.dumps(body).encode())


def outcome(result: WriteResult, wanted: Document) -> str:
    """Name the one outcome of a document."""
    found = [
        name
        for name in ("already_stored", "failure_stored", "dropped", "busy", "doubtful")
        if wanted in getattr(result, name)
    ]
    found += [f"refused {r.reason}" for r in result.refused if r.document is wanted]
    found += [f"failing {r.reason}" for r in result.failing if r.document is wanted]
    found += [f"stream_busy {r.reason}" for r in result.stream_busy if r.document is wanted]
    assert len(found) <= 1
    return found[0] if found else "stored"


# --- the request ------------------------------------------------------------------------


def test_each_document_is_an_action_line_and_its_own_bytes_in_order() -> None:
    documents = [
        document(body=b'{"a":1}', key="k1"),
        document(body=b'{"b":2}', stream=NGINX),
        document(body=b'{"c":3}', key="k3"),
    ]

    body = b"".join(bulk_pieces(documents, keyed=True))

    assert body == (
        b'{"create":{"_index":"logs-django-pt","_id":"k1"}}\n{"a":1}\n'
        b'{"create":{"_index":"logs-nginx-pt"}}\n{"b":2}\n'
        b'{"create":{"_index":"logs-django-pt","_id":"k3"}}\n{"c":3}\n'
    )
    assert targets_of(documents) == [DJANGO, NGINX]


def test_a_long_body_comes_in_pieces_that_end_between_documents() -> None:
    count = 2 * PIECE_DOCUMENTS + 1
    documents = [document(number=n, key=f"k{n}") for n in range(count)]

    pieces = list(bulk_pieces(documents, keyed=True))

    assert [piece.count(b"\n") // 2 for piece in pieces] == [PIECE_DOCUMENTS, PIECE_DOCUMENTS, 1]
    ids = [json.loads(line)["create"]["_id"] for line in b"".join(pieces).split(b"\n")[:-1:2]]
    assert ids == [f"k{n}" for n in range(count)]


def test_keys_stay_home_when_ids_are_not_keyed() -> None:
    (body,) = bulk_pieces([document(body=b"{}", key="k")], keyed=False)

    assert body == b'{"create":{"_index":"logs-django-pt"}}\n{}\n'


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.none() | st.text(max_size=30), st.sampled_from([DJANGO, NGINX]))))
def test_any_key_comes_back_from_its_action_line(pairs: list[tuple[str | None, Any]]) -> None:
    # A lone surrogate cannot stand in UTF-8, nor come out of the dead letters.
    pairs = [(key and key.encode("utf-8", "ignore").decode(), stream) for key, stream in pairs]
    documents = [document(key=key, stream=stream) for key, stream in pairs]

    lines = b"".join(bulk_pieces(documents, keyed=True)).split(b"\n")

    assert lines[-1] == b""
    actions = [json.loads(line)["create"] for line in lines[:-1:2]]
    assert [(a.get("_id"), a["_index"]) for a in actions] == [(k, s.name) for k, s in pairs]


def test_the_target_asks_for_backing_indices_only_when_told() -> None:
    plain = bulk_target(shard_seconds=10, with_index=False)
    with_index = bulk_target(shard_seconds=0.0001, with_index=True)

    assert plain == (
        "/_bulk?require_data_stream=true&timeout=10000ms"
        "&filter_path=errors,items.*.status,items.*.error,items.*.failure_store"
    )
    assert "timeout=1ms" in with_index
    assert with_index.endswith(",items.*._index")


# --- one outcome for each item ----------------------------------------------------------


def test_all_created_is_an_empty_result() -> None:
    documents = [document(number=n) for n in range(3)]

    bulk_outcome = read_answer(documents, answer_of(*[{"status": 201}] * 3), keyed=True)

    assert bulk_outcome.result == WriteResult()


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        pytest.param({"status": 200}, "dropped", id="200 is a noop of an ingest pipeline"),
        pytest.param(
            {"status": 200, "_index": "logs-django-pt"}, "dropped", id="200 with an index"
        ),
        pytest.param(
            {"status": 201, "failure_store": "used"}, "failure_stored", id="failure store used"
        ),
        pytest.param({"status": 201, "failure_store": "not_enabled"}, "stored", id="store unused"),
        pytest.param(
            {"status": 409, "error": {"type": "version_conflict_engine_exception"}},
            "already_stored",
            id="409 with a key was written before",
        ),
        pytest.param(
            {"status": 400, "error": {"type": "document_parsing_exception", "reason": "no"}},
            "refused mapping",
            id="mapping conflict",
        ),
        pytest.param(
            {"status": 400, "error": {"type": "strict_dynamic_mapping_exception"}},
            "refused mapping",
            id="strict mapping",
        ),
        pytest.param(
            {"status": 400, "error": {"type": "invalid_index_name_exception"}},
            "refused illegal_data_stream",
            id="illegal name",
        ),
        pytest.param(
            {"status": 400, "error": {"type": "illegal_argument_exception", "reason": None}},
            "refused refused",
            id="400 of another kind, without a reason",
        ),
        pytest.param({"status": 400}, "refused refused", id="400 without an error"),
        pytest.param({"status": 413}, "refused too_large", id="413 of one item"),
        pytest.param(
            {"status": 500, "error": {"type": "not_x_content_exception"}},
            "refused not_an_object",
            id="500 that is permanent",
        ),
        *(
            pytest.param({"status": 500, "error": error}, "failing ingest_pipeline", id=f"500 {n}")
            for n, error in enumerate(
                (
                    {"type": "fail_processor_exception", "reason": "no such tenant"},
                    {"type": "null_pointer_exception", "reason": "nothing there"},
                    {"type": "graph_structure_exception", "reason": "Cycle detected: p-a"},
                    {"type": "illegal_state_exception", "reason": "non-existent pipeline [x]"},
                    {},
                )
            )
        ),
        pytest.param(
            {"status": 500, "error": {"type": "i_o_exception"}}, "busy", id="500 of a disk"
        ),
        pytest.param(
            {"status": 500, "error": {"type": "translog_exception"}}, "busy", id="500 of a shard"
        ),
        pytest.param({"status": 502}, "busy", id="502 of an item"),
        pytest.param({"status": 504}, "busy", id="504 of an item"),
        pytest.param({"status": 501}, "failing not_understood", id="501 of an item"),
        pytest.param({"status": 600}, "failing not_understood", id="600 of an item"),
        pytest.param(
            {"status": 400, "error": {"type": "index_closed_exception", "reason": "closed"}},
            "stream_busy index_closed",
            id="a closed write index",
        ),
        pytest.param(
            {
                "status": 400,
                "error": {
                    "type": "document_parsing_exception",
                    "reason": "Malformed content, must start with an object",
                },
            },
            "refused not_an_object",
            id="the same as 8.19.21 and 9.5 say it",
        ),
        pytest.param(
            {
                "status": 400,
                "error": {
                    "type": "document_parsing_exception",
                    "reason": "[1:2] object mapping for [host] tried to parse field [host]",
                },
            },
            "refused mapping",
            id="a mapping that does not fit",
        ),
        pytest.param(
            {"status": 503, "error": {"type": "unavailable_shards_exception"}}, "busy", id="503"
        ),
        pytest.param(
            {"status": 429, "error": {"type": "es_rejected_execution_exception"}}, "busy", id="429"
        ),
        pytest.param(
            {
                "status": 400,
                "error": {
                    "type": "validation_exception",
                    "reason": "Validation Failed: 1: this action would add [1] shards, but this "
                    "cluster currently has [11]/[1] maximum normal shards open;",
                },
            },
            "stream_busy shard_limit",
            id="the shard limit is the cluster's fault",
        ),
        pytest.param(
            {"status": 400, "error": {"type": "validation_exception", "reason": "other"}},
            "refused refused",
            id="another validation error",
        ),
        pytest.param(
            {
                "status": 400,
                "error": {
                    "type": "illegal_argument_exception",
                    "reason": "pipeline with id [x] does not exist",
                },
            },
            "stream_busy pipeline_missing",
            id="a missing ingest pipeline is the template's fault",
        ),
        pytest.param(
            {"status": 403, "error": SECURITY}, "stream_busy forbidden", id="403 of an item"
        ),
        pytest.param({"status": 401}, "stream_busy forbidden", id="401 of an item"),
        pytest.param(
            {"status": 403, "error": {"type": "cluster_block_exception"}},
            "stream_busy write_block",
            id="write block",
        ),
        pytest.param(
            {
                "status": 404,
                "error": {
                    "type": "index_not_found_exception",
                    "reason": "no such index [x] and the index creation request requires a data "
                    "stream, but no matching index template",
                },
            },
            "stream_busy template_missing",
            id="no template",
        ),
        pytest.param({"status": 404}, "stream_busy not_found", id="another 404"),
        pytest.param({"status": 302}, "failing not_understood", id="a status nobody knows"),
    ],
)
def test_an_item_is_judged_by_its_own_status_between_good_neighbours(
    item: dict[str, Any], expected: str
) -> None:
    documents = [document(number=n, key=f"k{n}") for n in range(3)]
    answer = answer_of({"status": 201}, item, {"status": 201})

    result = read_answer(documents, answer, keyed=True).result

    assert [outcome(result, d) for d in documents] == ["stored", expected, "stored"]


def test_a_409_without_a_key_is_no_proof_of_anything() -> None:
    bare, keyed = document(), document(key="k")
    answer = answer_of({"status": 409}, {"status": 409})

    by_key = read_answer([bare, keyed], answer, keyed=True).result
    by_setting = read_answer([bare, keyed], answer, keyed=False).result

    assert [outcome(by_key, d) for d in (bare, keyed)] == ["busy", "already_stored"]
    assert [outcome(by_setting, d) for d in (bare, keyed)] == ["busy", "busy"]


def test_errors_false_does_not_hide_the_failure_store() -> None:
    one = document()
    answer = Answer(
        200, OURS, b'{"errors":false,"items":[{"create":{"status":201,"failure_store":"used"}}]}'
    )

    assert outcome(read_answer([one], answer, keyed=True).result, one) == "failure_stored"


def test_a_refusal_carries_the_error_as_elasticsearch_gave_it_and_not_without_end() -> None:
    error = {"type": "document_parsing_exception", "reason": "r" * 5000}

    result = read_answer(
        [document()], answer_of({"status": 400, "error": error}), keyed=True
    ).result

    detail = result.refused[0].detail
    assert detail.startswith('{"type":"document_parsing_exception","reason":"rrr')
    assert len(detail) == DETAIL_CHARACTERS


def test_an_error_that_is_no_utf_8_is_judged_by_its_status() -> None:
    documents = [document(), document(number=1)]
    body = (
        b'{"items":[{"create":{"status":201}},{"create":{"status":404,"error":{"type":"\xd4"}}}]}'
    )

    result = read_answer(documents, Answer(200, OURS, body), keyed=True).result

    assert [outcome(result, one) for one in documents] == ["stored", "stream_busy not_found"]


def test_stream_trouble_says_which_stream_what_was_said_and_the_cure() -> None:
    reason = "this action is granted by the index privileges [auto_configure,create_index]"
    item = {"status": 403, "error": {"type": "security_exception", "reason": reason}}

    result = read_answer([document()], answer_of(item), keyed=True).result

    detail = result.stream_busy[0].detail
    assert detail.startswith("logs-django-pt: Elasticsearch answers 403 security_exception: this")
    assert detail.endswith("the right to write to it: `ptingest setup --only role`")
    assert result.trouble is None


def test_the_flood_stage_and_missing_shards_are_loud_and_a_full_queue_is_not() -> None:
    def trouble(status: int, kind: str) -> str | None:
        item = {"status": status, "error": {"type": kind, "reason": "r"}}
        return read_answer([document()], answer_of(item), keyed=True).result.trouble

    assert "disk space" in (trouble(429, "cluster_block_exception") or "")
    assert "shards of logs-django-pt" in (trouble(503, "unavailable_shards_exception") or "")
    assert trouble(429, "es_rejected_execution_exception") is None


def test_the_write_index_is_learned_from_what_it_took_or_knew_already() -> None:
    documents = [
        document(key="a"),
        document(key="b", stream=NGINX),
        document(key="c", stream=NGINX),
        document(key="d"),
    ]
    answer = answer_of(
        {"_index": ".fs-logs-django-pt-9", "status": 201, "failure_store": "used"},
        {"_index": ".ds-logs-nginx-pt-1", "status": 201},
        {"_index": ".ds-logs-nginx-pt-2", "status": 409, "error": {"type": "v"}},
        {"_index": "logs-django-pt", "status": 429, "error": {"type": "r"}},
    )

    bulk_outcome = read_answer(documents, answer, keyed=True)

    assert bulk_outcome.write_indices == {"logs-nginx-pt": ".ds-logs-nginx-pt-2"}


# --- answers that are none --------------------------------------------------------------

GOOD = b'{"errors":false,"items":[{"create":{"status":201}},{"create":{"status":201}}]}'


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer(None, failure="no answer from http://es:9200"), id="none came"),
        pytest.param(Answer(200, OURS, GOOD[:-30]), id="truncated"),
        pytest.param(Answer(200, OURS, GOOD[:-2]), id="truncated by two bytes"),
        pytest.param(Answer(200, OURS, b""), id="empty"),
        pytest.param(Answer(200, OURS, b"<html>hello</html>"), id="HTML"),
        pytest.param(Answer(200, {}, b"<html>hello</html>"), id="HTML from elsewhere"),
        pytest.param(answer_of({"status": 201}), id="an item too few"),
        pytest.param(answer_of(*[{"status": 201}] * 3), id="an item too many"),
        pytest.param(answer_of({"status": 201}, {}), id="an item without a status"),
        pytest.param(Answer(200, OURS, b'{"errors":false}'), id="no items"),
        pytest.param(Answer(200, OURS, b'{"items":[{"index":{"status":201}}]}'), id="other verb"),
        pytest.param(
            Answer(200, OURS, GOOD.replace(b"201}}]", b'201,"_index":"\xd4"}}]')), id="no UTF-8"
        ),
        pytest.param(Answer(200, OURS, b'{"x":' + b"[" * 9999), id="nested without end"),
        pytest.param(Answer(500, OURS, b'{"error":{"reason":"\xd4"}}'), id="500 in no UTF-8"),
        pytest.param(Answer(503, {}, b"busy"), id="503 of a proxy"),
        pytest.param(Answer(429, {}, b"busy"), id="429 of a proxy"),
        pytest.param(Answer(401, {}, b"who?"), id="401 of a proxy"),
        pytest.param(Answer(403, {}, b'{"error":"no"}'), id="403 of a proxy"),
        pytest.param(Answer(500, OURS, b"{}"), id="500"),
        pytest.param(Answer(502, {}, b"bad gateway"), id="502"),
        pytest.param(Answer(504, {}, b""), id="504"),
        pytest.param(Answer(406, OURS, b'{"error":"Content-Type","status":406}'), id="406"),
        pytest.param(Answer(400, {}, b"plain HTTP sent to HTTPS port"), id="400 of a proxy"),
    ],
)
def test_whatever_is_not_one_item_for_each_document_leaves_all_in_doubt(answer: Answer) -> None:
    documents = [document(key="a"), document(key="b")]

    result = read_answer(documents, answer, keyed=True).result

    assert [outcome(result, d) for d in documents] == ["doubtful", "doubtful"]
    assert result.trouble is not None
    assert "documents wait and are tried again" in result.trouble


@pytest.mark.parametrize("answer", [error_answer(401, "security_exception", "r"), Answer(503)])
def test_of_several_hosts_the_trouble_names_the_one_that_answered(answer: Answer) -> None:
    only = document(key="a")

    result = read_answer([only], answer._replace(host="http://b:9200"), keyed=True).result

    assert "Elasticsearch at http://b:9200" in str(result.trouble)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_leaves_nothing_in_doubt_and_says_where_to(status: int) -> None:
    answer = Answer(status, {}, b"", f"http://a:1 answers {status} to http://b:2: write that")
    only = document(key="a")

    result = read_answer([only], answer, keyed=True).result

    assert outcome(result, only) == "busy"
    assert result.trouble == f"{answer.failure}; documents wait and are tried again"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(error_answer(401, "security_exception", "r"), id="401"),
        pytest.param(error_answer(403, "security_exception", "r"), id="403"),
        pytest.param(error_answer(429, "circuit_breaking_exception", "r"), id="429"),
        pytest.param(error_answer(503, "master_not_discovered_exception", "r"), id="503"),
        pytest.param(
            Answer(401, {}, json.dumps({"error": SECURITY, "status": 401}).encode()),
            id="401 of the real security, which sets no product header",
        ),
    ],
)
def test_elasticsearchs_own_no_leaves_all_busy(answer: Answer) -> None:
    documents = [document(key="a"), document(key="b")]

    result = read_answer(documents, answer, keyed=True).result

    assert [outcome(result, d) for d in documents] == ["busy", "busy"]


def test_a_wrong_login_asks_whether_a_role_was_taken_for_the_user() -> None:
    result = read_answer([document()], error_answer(401, "s", "r"), keyed=True).result

    assert "its role logstash_writer_pt" in (result.trouble or "")


def test_a_whole_answer_without_the_product_header_is_busy_and_loud() -> None:
    one = document()

    result = read_answer([one], answer_of({"status": 201}, headers={}), keyed=True).result

    assert outcome(result, one) == "busy"
    assert "something else than Elasticsearch answers" in (result.trouble or "")


def test_413_asks_for_smaller_batches() -> None:
    documents = [document(), document()]

    result = read_answer(documents, Answer(413), keyed=True).result

    assert result == WriteResult(busy=documents, too_large=True)


def test_what_never_left_cannot_be_stored() -> None:
    documents = [document(), document()]
    refused = Answer(None, failure="connection refused", never_sent=True)

    result = read_answer(documents, refused, keyed=True).result

    assert (result.busy, result.doubtful) == (documents, ())
    assert "connection refused" in (result.trouble or "")


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("x_content_parse_exception", "[1:30] Unexpected end-of-input in VALUE_STRING"),
        ("action_request_validation_exception", "id [xxx..] is too long"),
        ("illegal_argument_exception", "Malformed action/metadata line [3], expected START_OBJECT"),
        ("illegal_argument_exception", "The bulk request must be terminated by a newline [\\n]"),
    ],
)
def test_a_body_that_cannot_be_read_asks_for_halves(kind: str, reason: str) -> None:
    documents = [document(), document()]

    result = read_answer(documents, error_answer(400, kind, reason), keyed=True).result

    assert result.unreadable
    assert [outcome(result, d) for d in documents] == ["busy", "busy"]
    assert reason in result.busy_because


@pytest.mark.parametrize(
    ("kind", "reason", "said"),
    [
        pytest.param(
            "illegal_argument_exception",
            "request [/_bulk] contains unrecognized parameter: [require_data_stream]",
            "older than 8.13",
            id="8.12 and older",
        ),
        pytest.param(
            "media_type_header_exception", "Invalid media-type value", "older than 8.0", id="7.x"
        ),
        pytest.param(
            "illegal_argument_exception",
            "explicit index in bulk is not allowed",
            "explicit index in bulk is not allowed",
            id="a setting of the cluster",
        ),
    ],
)
def test_a_400_that_no_document_can_cause_is_never_halved(
    kind: str, reason: str, said: str
) -> None:
    bulk_outcome = read_answer([document()], error_answer(400, kind, reason), keyed=True)

    assert not bulk_outcome.result.unreadable
    assert not bulk_outcome.result.refused
    assert said in (bulk_outcome.result.trouble or "")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "86400"}, 300.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        (
            {
                "retry-after": "Mon, 23 Nov 2026 10:00:20 GMT",
                "date": "Mon, 23 Nov 2026 10:00:05 GMT",
            },
            15.0,
        ),
        ({"retry-after": "Mon, 23 Nov 2026 10:00:20 GMT"}, None),
    ],
)
def test_retry_after_is_read_in_seconds_or_against_the_answers_own_date(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert retry_after_seconds(Answer(503, headers)) == seconds


def test_retry_after_travels_with_the_result() -> None:
    answer = error_answer(429, "r", "r", **{"retry-after": "7"})

    assert read_answer([document()], answer, keyed=True).result.retry_after_seconds == 7.0


ITEMS = st.sampled_from(
    [
        {"status": 201},
        {"status": 201, "failure_store": "used"},
        {"status": 409, "error": {"type": "version_conflict_engine_exception"}},
        {"status": 400, "error": {"type": "document_parsing_exception", "reason": "r"}},
        {"status": 403, "error": SECURITY},
        {"status": 429, "error": {"type": "es_rejected_execution_exception"}},
        {"status": 503, "error": {"type": "unavailable_shards_exception"}},
    ]
)


def plain_outcome(item: dict[str, Any]) -> str:
    """The table again, in the plainest words: the twin of the fast path."""
    if item.get("failure_store") == "used":
        return "failure_stored"
    return {
        201: "stored",
        409: "already_stored",
        400: "refused mapping",
        403: "stream_busy forbidden",
    }.get(item["status"], "busy")


@settings(deadline=None, max_examples=150)
@given(st.lists(ITEMS, min_size=1, max_size=12))
def test_every_document_has_the_one_outcome_of_its_own_item(
    items: Sequence[dict[str, Any]],
) -> None:
    documents = [document(number=n, key=f"k{n}") for n in range(len(items))]

    result = read_answer(documents, answer_of(*items), keyed=True).result

    assert [outcome(result, d) for d in documents] == [plain_outcome(item) for item in items]


def is_same_json(left: bytes, right: bytes) -> bool:
    try:
        return bool(json.loads(left) == json.loads(right))
    except ValueError:
        return False


@settings(deadline=None, max_examples=150)
@given(st.integers(1, 6), st.integers(0, 200), st.binary(min_size=0, max_size=3))
def test_a_damaged_answer_never_stores_a_document(count: int, at: int, patch: bytes) -> None:
    whole = answer_of(*[{"status": 201}] * count).body
    at = min(at, len(whole))
    damaged = whole[:at] + patch
    documents = [document(number=n) for n in range(count)]

    result = read_answer(documents, Answer(200, OURS, damaged), keyed=True).result

    expected = "stored" if is_same_json(damaged, whole) else "doubtful"
    assert {outcome(result, d) for d in documents} == {expected}


@pytest.mark.parametrize("over", [-1, 0, 1, PIECE_BYTES, 3 * PIECE_BYTES + 5])
def test_a_giant_comes_in_pieces_that_are_never_larger_than_a_stretch(over: int) -> None:
    giant = document(body=b'"' + b"x" * (PIECE_BYTES + over - 2) + b'"', key="k1")

    pieces = list(bulk_pieces([giant], keyed=True))

    head = b'{"create":{"_index":"logs-django-pt","_id":"k1"}}\n'
    assert b"".join(pieces) == head + giant.body + b"\n"
    assert max(map(len, pieces)) <= len(head) + PIECE_BYTES + 1
    assert len(pieces[0]) >= PIECE_BYTES - 1, "by the first one it is seen that it is large"


def test_an_index_says_its_action_pipeline_and_routing_and_a_data_stream_that_it_is_one() -> None:
    place = Index("orders-2025.01", "index", has_own_ids=True, pipeline="geo")
    documents = [
        document(number=1, key="a"),
        replace(document(number=2, key="7"), target=place),
        replace(document(number=3, key="8"), target=place, routing="eu"),
        replace(document(number=4, key="9"), target=Index("plain", "create")),
    ]

    lines = b"".join(bulk_pieces(documents, keyed=False, only_data_streams=False)).split(b"\n")

    assert [json.loads(line) for line in lines[:-1:2]] == [
        {"create": {"_index": "logs-django-pt", "require_data_stream": True}},
        {"index": {"_index": "orders-2025.01", "pipeline": "geo", "_id": "7"}},
        {"index": {"_index": "orders-2025.01", "pipeline": "geo", "routing": "eu", "_id": "8"}},
        {"create": {"_index": "plain"}},
    ]


@pytest.mark.parametrize(
    ("item", "fate"),
    [
        ({"index": {"status": 201, "result": "created"}}, "stored"),
        ({"index": {"status": 200, "result": "updated"}}, "stored"),
        ({"index": {"status": 200, "result": "noop"}}, "dropped"),
        ({"create": {"status": 409, "error": {"type": "version_conflict_engine_exception"}}},
         "already_stored"),
        ({"delete": {"status": 200}}, "doubtful"),
    ],
)  # fmt: skip
def test_what_an_item_of_an_index_says(item: dict[str, object], fate: str) -> None:
    one = replace(document(key="7"), target=Index("orders", "index", has_own_ids=True))
    answer = Answer(200, OURS, json.dumps({"errors": False, "items": [item]}).encode())

    result = read_answer([one], answer, keyed=False).result

    found = [name for name in ("dropped", "already_stored", "doubtful") if getattr(result, name)]
    assert found == ([] if fate == "stored" else [fate])
