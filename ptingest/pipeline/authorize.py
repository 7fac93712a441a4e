"""Rejects events that a limited sender may not send, before the pipeline sees them.

Only peers whose certificate is named under ``beats.tls.senders`` are checked here, at the cost
of decoding twice; nothing is done for all others. Group and service are read exactly as the
stages read them, so that an unusual spelling does not evade the check. Payloads that are no
events, and events of a group that the profile does not know, are left to the pipeline.

An event that passes the check and then goes to another data stream than its service's becomes a
letter as well. Logstash routes such events: where a field that should be an object is a text,
it keeps what the event says, or takes its defaults.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Raw

from ptingest.model.document import DataStream, Document
from ptingest.model.origin import Origin
from ptingest.model.outcome import DeadLetter, Processed, Refusal
from ptingest.model.receipt import Receipt
from ptingest.pipeline.decode import Unreadable, decode_payload
from ptingest.pipeline.interpolate import MISSING, interpolated, value_of
from ptingest.pipeline.pipeline import Pipeline
from ptingest.pipeline.route import shown

NOT_ALLOWED = "not_allowed_sender"
NONE = ""
"""What an event without a group is taken for."""


def process_permitted(
    pipeline: Pipeline,
    payloads: Sequence[bytes],
    *,
    receipt: Receipt,
    origin: Origin,
    now_ns: int,
) -> Processed:
    """Do what ``Pipeline.process`` does; events that the origin may not send become letters."""
    if origin.may_send is None:
        return pipeline.process(payloads, receipt=receipt, peer=origin.peer, now_ns=now_ns)
    passed: list[bytes] = []
    letters: list[DeadLetter] = []
    expected: dict[int, DataStream] = {}
    for payload in payloads:
        found = _evaluate(pipeline, payload, origin)
        if isinstance(found, DeadLetter):
            letters.append(found)
            continue
        passed.append(payload)
        if found is not None:
            expected[id(payload)] = found
    done = pipeline.process(passed, receipt=receipt, peer=origin.peer, now_ns=now_ns)
    done.dead_letters += letters
    for letter in letters:
        done.received[letter.service] = done.received.get(letter.service, 0) + 1
    _take_out_strays(done, expected, origin)
    return done


def _take_out_strays(done: Processed, expected: dict[int, DataStream], origin: Origin) -> None:
    """Make letters of the documents whose data stream is not that of their service."""
    allowed: list[Document] = []
    for document in done.documents:
        own = expected.get(id(document.payload))
        if own is None or document.target == own:
            allowed.append(document)
            continue
        detail = (
            f"{origin.tls_subject} may not write to data stream "
            f"{shown(document.target.name)} but to {own.name} (beats.tls.senders); a "
            "field such as data_stream that should be an object is something else"
        )
        done.dead_letters.append(Refusal(document, NOT_ALLOWED, detail).letter())
    done.documents = allowed


def _evaluate(pipeline: Pipeline, payload: bytes, origin: Origin) -> DeadLetter | DataStream | None:
    """Return the data stream of an event that is allowed, the letter of one that is not, and
    nothing for what is left to the pipeline."""
    decoded = decode_payload(payload)
    if isinstance(decoded, Unreadable):
        return None
    group = _exact_text(decoded.event.get("group"))
    if not pipeline.is_for(group):
        return None
    service = interpolated(decoded.event.get("service", MISSING), placeholder="")
    if any(one.covers(group or NONE, service) for one in origin.may_send or ()):
        return pipeline.own_stream(group, service) if group is not None else None
    return DeadLetter(
        reason=NOT_ALLOWED,
        detail=f"{origin.tls_subject} may not send group {shown(group or NONE)} with service "
        f"{shown(service)} (beats.tls.senders)",
        payload=payload,
        service=pipeline.label_of(service),
        peer=origin.peer,
    )


def _exact_text(raw: Raw | None) -> str | None:
    return str(value_of(raw)) if raw is not None and bytes(raw).startswith(b'"') else None
