"""What an error of the brokers means for one record."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ptingest.errors import NotAppended
from ptingest.model.document import Index
from ptingest.sinks.kafka.refusals import of_the_record, of_the_topic
from tests.support.documents import document

DOCUMENT = replace(document(), target=Index("logs", output="kafka"))


@pytest.mark.parametrize(
    ("name", "reason", "told"),
    [
        ("MSG_SIZE_TOO_LARGE", "record_too_large", "a record of 30 bytes"),
        ("INVALID_RECORD", "record_refused", "INVALID_RECORD: said"),
    ],
)
def test_a_record_that_is_refused_alone_says_why(name: str, reason: str, told: str) -> None:
    found = of_the_record(DOCUMENT, NotAppended(name, "said"), size=30, limit=20)

    assert (found.document, found.reason) == (DOCUMENT, reason)
    assert told in found.detail
    assert "logs" in found.detail


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("_UNKNOWN_TOPIC", "topic_missing"),
        ("UNKNOWN_TOPIC_OR_PART", "topic_missing"),
        ("TOPIC_AUTHORIZATION_FAILED", "topic_forbidden"),
        ("_PURGE_QUEUE", None),
        ("REQUEST_TIMED_OUT", None),
    ],
)
def test_only_what_the_topic_is_at_fault_for_holds_it_up(name: str, reason: str | None) -> None:
    found = of_the_topic(DOCUMENT, NotAppended(name, "said"))

    assert (None if found is None else found.reason) == reason
