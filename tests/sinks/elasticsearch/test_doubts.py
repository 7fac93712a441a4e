from __future__ import annotations

import json

import msgspec
import pytest

from ptingest.model.receipt import Receipt
from ptingest.sinks.elasticsearch import remembered
from ptingest.sinks.elasticsearch.answer import Answer
from ptingest.sinks.elasticsearch.doubts import Doubts, Lookup, mget_body, read_mget
from ptingest.sinks.elasticsearch.unsynced import Place
from tests.support.documents import DJANGO, NGINX, document

OURS = {"x-elastic-product": "Elasticsearch"}


def test_a_write_index_is_asked_for_first_and_again_when_ten_seconds_old() -> None:
    doubts = Doubts()

    before = doubts.is_stale([DJANGO], 100.0)
    doubts.saw({"logs-django-pt": "one"}, 100.0)

    assert before
    assert not doubts.is_stale([DJANGO], 109.9)
    assert doubts.is_stale([DJANGO], 110.0)
    assert doubts.is_stale([DJANGO, NGINX], 100.0)
    assert doubts.write_index(DJANGO) == "one"
    assert doubts.write_index(NGINX) is None


def test_a_doubt_is_asked_where_the_stream_wrote_when_it_arose() -> None:
    doubts = Doubts()
    lost, other = document(key="a"), document(key="b")
    doubts.saw({"logs-django-pt": "one"}, 0.0)

    doubts.arose([lost])
    doubts.saw({"logs-django-pt": "two"}, 1.0)

    assert doubts.lookups([other, lost]) == [Lookup(lost, "one")]


def test_a_second_doubt_after_a_rollover_is_asked_in_both_places_once() -> None:
    doubts = Doubts()
    lost = document(key="a")
    doubts.saw({"logs-django-pt": "one"}, 0.0)
    doubts.arose([lost])
    doubts.arose([lost])
    doubts.saw({"logs-django-pt": "two"}, 1.0)
    doubts.arose([lost])

    assert doubts.lookups([lost]) == [Lookup(lost, "one"), Lookup(lost, "two")]


def test_nothing_is_asked_without_a_key_or_a_write_index() -> None:
    doubts = Doubts()
    doubts.saw({"logs-django-pt": "one"}, 0.0)

    doubts.arose([document(), document(key="a", stream=NGINX)])

    assert len(doubts) == 0


def test_what_became_certain_is_forgotten() -> None:
    doubts = Doubts()
    lost = document(key="a")
    doubts.saw({"logs-django-pt": "one"}, 0.0)
    doubts.arose([lost])

    doubts.over([document(key="b"), lost])

    assert doubts.lookups([lost]) == []


def test_documents_given_back_are_swept_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "SWEEP_BYTES", 0)
    doubts = Doubts()
    gone, held = Receipt(lambda _: None), Receipt(lambda _: None)
    doubts.saw({"logs-django-pt": "one"}, 0.0)
    doubts.arose(document(key=str(n), receipt=gone) for n in range(3))
    kept = document(key="kept", receipt=held)

    gone.fail("connection closed")
    doubts.arose([kept] * 9)
    doubts.arose_in((document(key=str(n), receipt=held), "two") for n in range(4))

    assert doubts.indices(kept) == ("one",)
    assert len(doubts) == 5


def test_the_lookups_name_index_and_id() -> None:
    body = mget_body([Lookup(document(key="a"), "one"), Lookup(document(key="b"), "two")])

    assert json.loads(body) == {
        "docs": [{"_index": "one", "_id": "a"}, {"_index": "two", "_id": "b"}]
    }


def test_a_document_is_looked_up_where_its_routing_put_it() -> None:
    routed = msgspec.structs.replace(document(key="a"), routing="shop-7")

    body = mget_body([Lookup(routed, "one")])

    assert json.loads(body) == {"docs": [{"_index": "one", "_id": "a", "routing": "shop-7"}]}


def lookups(count: int) -> list[Lookup]:
    return [Lookup(document(key=str(n)), "one") for n in range(count)]


def test_replies_come_in_the_order_of_the_lookups() -> None:
    asked = lookups(3)
    body = b'{"docs":[{"found":true},{"found":false},{"found":true}]}'

    replies = read_mget(asked, Answer(200, OURS, body))

    assert replies.found == {asked[0].document: Place("one"), asked[2].document: Place("one")}
    assert replies.is_whole


def test_a_deleted_index_took_its_documents_along() -> None:
    body = b'{"docs":[{"error":{"type":"index_not_found_exception"}}]}'

    replies = read_mget(lookups(1), Answer(200, OURS, body))

    assert replies.is_whole
    assert not replies.found


def test_a_shard_that_cannot_answer_leaves_the_question_open() -> None:
    body = b'{"docs":[{"error":{"type":"no_shard_available_action_exception"}},{"found":true}]}'

    assert not read_mget(lookups(2), Answer(200, OURS, body)).is_whole


def test_no_right_to_read_is_told_from_no_answer() -> None:
    denied = b'{"error":{"type":"security_exception"},"status":403}'
    item = b'{"docs":[{"error":{"type":"security_exception"}}]}'

    assert read_mget(lookups(1), Answer(403, {}, denied)).is_denied
    assert read_mget(lookups(1), Answer(200, OURS, item)).is_denied
    for answer in (
        Answer(None, failure="cut"),
        Answer(503, OURS, b"{}"),
        Answer(403, {}, b"proxy"),
        Answer(200, {}, b'{"docs":[{"found":false}]}'),
        Answer(200, OURS, b'{"docs":[{"found":fal'),
        Answer(200, OURS, b'{"docs":[]}'),
        Answer(200, OURS, b'{"docs":[{"error":{"type":"\xd4"}}]}'),
        Answer(200, OURS, b'{"docs":[{"x":' + b"[" * 9999),
    ):
        replies = read_mget(lookups(1), answer)
        assert (replies.is_denied, replies.is_whole) == (False, False)
