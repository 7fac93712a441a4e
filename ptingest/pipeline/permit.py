"""What a limited sender may not send, taken out before the pipeline sees it.

Only peers whose certificate is named under ``beats.tls.senders`` come this way, and pay for
it by decoding twice; for all others nothing is asked. Group and service are read exactly as
the stages read them, so nobody gets past by writing them in an unusual way. Whatever is no
event, or of a group that the profile does not know, is the pipeline's to judge.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Raw

from ptingest.model.event import Origin
from ptingest.model.outcome import DeadLetter, Processed
from ptingest.model.receipt import Receipt
from ptingest.pipeline.decode import Unreadable, decode_payload
from ptingest.pipeline.interpolate import MISSING, interpolated, value_of
from ptingest.pipeline.pipeline import OTHER, Pipeline
from ptingest.pipeline.route import shown

NOT_ALLOWED = "not_allowed_sender"


def process_permitted(
    pipeline: Pipeline,
    payloads: Sequence[bytes],
    *,
    receipt: Receipt,
    origin: Origin,
    now_ns: int,
) -> Processed:
    """Do what ``Pipeline.process`` does, but events the origin may not send become letters."""
    passed: list[bytes] = []
    letters: list[DeadLetter] = []
    for payload in payloads:
        letter = _refusal(pipeline, payload, origin)
        if letter is None:
            passed.append(payload)
        else:
            letters.append(letter)
    done = pipeline.process(passed, receipt=receipt, peer=origin.peer, now_ns=now_ns)
    done.dead_letters += letters
    for letter in letters:
        done.received[letter.service] = done.received.get(letter.service, 0) + 1
    return done


def _refusal(pipeline: Pipeline, payload: bytes, origin: Origin) -> DeadLetter | None:
    decoded = decode_payload(payload)
    if isinstance(decoded, Unreadable):
        return None
    group = _exact_text(decoded.event.get("group"))
    if group is None or group not in pipeline.groups:
        return None
    service = _service(decoded.event.get("service", MISSING))
    if origin.may_send is None or any(one.covers(group, service) for one in origin.may_send):
        return None
    return DeadLetter(
        reason=NOT_ALLOWED,
        detail=f"{origin.tls_subject} may not send group {shown(group)} with service "
        f"{shown(service)} (beats.tls.senders)",
        payload=payload,
        service=service if service in pipeline.services else OTHER,
        peer=origin.peer,
    )


def _exact_text(raw: Raw | None) -> str | None:
    return str(value_of(raw)) if raw is not None and bytes(raw).startswith(b'"') else None


def _service(found: object) -> str:
    try:
        return interpolated(found, placeholder="")
    except RecursionError:
        return ""  # fits no list; where any service may be sent the pipeline says why not
