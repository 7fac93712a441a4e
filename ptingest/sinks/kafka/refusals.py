"""What an error of the brokers means for one record. Pure.

of the record    sent once more, alone: a whole batch is refused for one of its records
of the topic     its documents wait, those of other topics go on
all others       sent again
"""

from __future__ import annotations

from ptingest.errors import NotAppended
from ptingest.kafka.topic import FORBIDDEN, MISSING, trouble_of
from ptingest.model.document import Document
from ptingest.model.outcome import Refusal

TOO_LARGE = frozenset({"MSG_SIZE_TOO_LARGE", "INVALID_MSG_SIZE", "RECORD_LIST_TOO_LARGE"})
OF_THE_RECORD = TOO_LARGE | frozenset(
    {
        "INVALID_MSG",
        "INVALID_RECORD",
        "INVALID_TIMESTAMP",
        "POLICY_VIOLATION",
        "TOPIC_EXCEPTION",
        "UNSUPPORTED_FOR_MESSAGE_FORMAT",
    }
)
"""Names of errors."""


def of_the_record(document: Document, error: NotAppended, *, size: int, limit: int) -> Refusal:
    """Return the refusal of a record that was refused even alone; ``size`` and ``limit`` in
    bytes."""
    topic = document.target.name
    if error.name in TOO_LARGE:
        detail = (
            f"a record of {size} bytes is larger than sinks.kafka.record_bytes ({limit}) or than "
            f"max.message.bytes of topic {topic}; raise them, and requeue it"
        )
        return Refusal(document, "record_too_large", detail)
    detail = f"the brokers refuse it for topic {topic} ({error.name}: {error.detail})"
    return Refusal(document, "record_refused", detail)


def of_the_topic(document: Document, error: NotAppended) -> Refusal | None:
    """Return why a topic takes no records now; None where the error does not say that."""
    detail = trouble_of(error.name, error.detail, document.target.name)
    if error.name in MISSING:
        return Refusal(document, "topic_missing", detail)
    if error.name in FORBIDDEN:
        return Refusal(document, "topic_forbidden", detail)
    return None
