"""Records of Kafka as payloads of a pipeline."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from ptingest.model.origin import Origin
from ptingest.pipeline.pipeline import Pipeline

SOURCE = "kafka"


def taken_in(
    pipeline: Pipeline, payloads: Sequence[bytes], origin: Origin
) -> tuple[Sequence[bytes], Origin]:
    """Return payloads as the pipeline takes them in, and their origin: records that others wrote
    to Kafka get a frame where the rules have an input for them."""
    places = origin.records
    if places is None or origin.source != SOURCE:
        return payloads, origin
    known = [places[id(payload)] for payload in payloads]
    framed = list(map(pipeline.framed, payloads, known))
    if all(map(_is, framed, payloads)):
        return payloads, origin
    return framed, replace(origin, records=dict(zip(map(id, framed), known, strict=True)))


def _is(one: bytes, other: bytes) -> bool:
    return one is other
