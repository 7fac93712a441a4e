"""What must hold of payloads and of sinks' answers, whatever they are made of.

Each function takes any bytes and raises only where a promise is broken.
"""

from __future__ import annotations

import atexit
import json
import re
import sqlite3
from functools import cache

import yaml

from ptingest.dead_letters.queue import decode_letter, encode_letter
from ptingest.model.document import Document
from ptingest.pipeline.compile import compile_profile
from ptingest.pipeline.profile_pipeline import ProfilePipeline
from ptingest.settings.profile import ProfileSettings
from ptingest.sinks.elasticsearch.answer import (
    LONGEST_RETRY_AFTER_SECONDS,
    Answer,
)
from ptingest.sinks.elasticsearch.bulk import BulkOutcome, read_answer
from ptingest.sinks.elasticsearch.dialect import ELASTICSEARCH
from ptingest.sinks.elasticsearch.doubts import Lookup, read_mget
from ptingest.sinks.elasticsearch.unsynced import read_shards
from ptingest.sinks.store.schema import open_writer
from tests.deploy.test_profile import OFF
from tests.pipeline.test_profile_pipeline import (
    NOW_NS,
    PIPELINE,
    assert_same_fate,
    assert_twins,
    processed,
)
from tests.support import scratch
from tests.support.documents import DJANGO, NGINX, document
from tests.support.modules import ROOT
from tests.support.store_documents import insert

STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
SENT = re.compile(rb'@timestamp"\s*:\s*"([^"]*)')
RFC_3339 = re.compile(
    rb"20[0-9]{2}-\d\d-(?:[01][0-9]|2[0-8])T\d\d:\d\d:[0-5]\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)"
)
KEY = re.compile(r"[A-Za-z0-9_-]{22}")


def pipeline(payload: bytes) -> None:
    """A payload has one fate, the same on the fast path and in the reference stages.

    What is indexed can be framed for Elasticsearch and stored by SQLite; what is dead can
    be written and read back.
    """
    check_fate(PIPELINE, payload)


def improved(payload: bytes) -> None:
    """The same with every improvement and every pattern of the shipped profile switched on."""
    check_fate(improved_pipeline(), payload)


@cache
def improved_pipeline() -> ProfilePipeline:
    text = (ROOT / "config" / "pt.yaml").read_text(encoding="utf-8")
    text = re.sub(r"^ *formats: .*\n(?= *#formats)", "", text, flags=re.MULTILINE)
    profile = yaml.safe_load(OFF.sub(r"\1", text)) | {
        "parsing": "strict",
        "timestamp_precision": "full",
        "event_original": "on_failure",
        "sanitise_names": "ecs",
        "timezone": "Europe/Warsaw",
    }
    return compile_profile(ProfileSettings.model_validate(profile))


def check_fate(by: ProfilePipeline, payload: bytes) -> None:
    explained = by.explain(payload, now_ns=NOW_NS)
    done = processed(by, payload)

    assert_same_fate(explained, done)
    for one in done.documents:
        assert one.key is None or KEY.fullmatch(one.key)
        assert one.payload == payload
        check_body(one)
    for letter in done.dead_letters:
        assert letter.payload == payload
        stored = decode_letter(encode_letter(letter, letter_id="1", time="t"))
        assert stored is not None
        assert stored.letter.payload == payload
        assert (stored.letter.reason, stored.letter.key) == (letter.reason, letter.key)


def check_body(one: Document) -> None:
    one.body.decode()
    assert b"\n" not in one.body, "it would end the document's line in a bulk request"
    one.target.name.encode()
    connection = store()
    connection.execute("BEGIN")
    insert(connection, [one])
    ((body,),) = connection.execute("SELECT body FROM documents").fetchall()
    connection.execute("ROLLBACK")
    assert body.encode() == one.body


@cache
def store() -> sqlite3.Connection:
    """An empty store."""
    connection = open_writer(scratch.folder() / "pipeline.sqlite")
    atexit.register(connection.close)
    return connection


def twin(payload: bytes) -> None:
    """The pipeline answers as its plain twin does, inside what the twin was written for."""
    if is_in_the_twins_world(payload):
        assert_twins(payload)


def is_in_the_twins_world(payload: bytes) -> bool:
    """The twin reads RFC 3339, and numbers that Python prints as Java does."""
    if len(payload) > 4000 or max(map(payload.count, (b"[", b"{"))) > 90:
        return False
    numbers = re.findall(rb"-?[0-9][-+0-9.eE]*", STRING.sub(b"", payload))
    if not all(re.fullmatch(rb"-?[0-9]{1,18}|\d{1,6}\.[0-9]{0,6}[1-9]", n) for n in numbers):
        return False
    sent = SENT.findall(payload)
    return all(RFC_3339.fullmatch(text) or not re.search(rb"[0-9\\]", text) for text in sent)


# --- bulk answers -----------------------------------------------------------------------

STATUSES = (200, 200, 200, 200, 400, 401, 403, 404, 413, 429, 500, 502, 503, 301, 599, None)
MAX_DOCUMENTS = 8


def bulk_answer(data: bytes) -> None:
    """Three bytes choose status, documents and headers; the rest is the body.

    Whatever comes back, nothing is raised and each document has exactly one outcome.
    """
    choice = data[:3].ljust(3, b"\0")
    count = choice[1] % MAX_DOCUMENTS + 1
    keyed = bool(choice[1] & 128)
    documents = [
        document(number=n, key=f"k{n}" if n % 3 else None, stream=NGINX if n % 2 else DJANGO)
        for n in range(count)
    ]
    headers: dict[str, str] = {}
    body = data[3:]
    if choice[2] & 1:
        headers[ELASTICSEARCH.product_header] = ELASTICSEARCH.product
    if choice[2] & 2:
        value, _, body = body.partition(b"\n")
        headers["retry-after"] = value.decode("latin-1")
    if choice[2] & 4:
        value, _, body = body.partition(b"\n")
        headers["date"] = value.decode("latin-1")
    answer = Answer(STATUSES[choice[0] % len(STATUSES)], headers, body, failure="gone")

    bulk_outcome = read_answer(documents, answer, keyed=keyed)

    check_outcomes(documents, answer, bulk_outcome)
    replies = read_mget([Lookup(one, "index") for one in documents], answer)
    assert replies.found.keys() <= set(documents)
    read_shards(answer)
    assert not replies.found or answer.is_from_cluster


def check_outcomes(documents: list[Document], answer: Answer, bulk_outcome: BulkOutcome) -> None:
    result = bulk_outcome.result
    listed = [
        *result.already_stored,
        *result.failure_stored,
        *result.busy,
        *result.doubtful,
        *(refusal.document for refusal in (*result.refused, *result.stream_busy)),
    ]
    numbers = [id(one) for one in listed]
    assert len(numbers) == len(set(numbers)), "a document has two outcomes"
    assert set(numbers) <= {id(one) for one in documents}
    is_stored = len(listed) < len(documents)
    assert not is_stored or (answer.status == 200 and answer.is_from_cluster)
    assert all(one.key is not None for one in result.already_stored)
    wait = result.retry_after_seconds
    assert wait is None or 0 <= wait <= LONGEST_RETRY_AFTER_SECONDS
    assert result.trouble is None or result.trouble.strip()
    for refusal in (*result.refused, *result.stream_busy):
        assert refusal.reason.isidentifier()
        # It goes into a dead letter, which is UTF-8.
        refusal.detail.encode()
    if is_stored:
        items = json.loads(answer.body.decode("utf-8", "replace"))["items"]
        assert len(items) == len(documents)
