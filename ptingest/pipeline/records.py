"""Records of Kafka as payloads of a pipeline."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from ptingest.model.origin import Origin
from ptingest.model.record_frame import framed
from ptingest.pipeline.pipeline import Pipeline

SOURCE = "kafka"


def taken_in(
    pipeline: Pipeline, payloads: Sequence[bytes], origin: Origin
) -> tuple[Sequence[bytes], Origin]:
    """Return payloads as the pipeline takes them in, and their origin: records that others wrote
    to Kafka get a frame where the rules have an input for them."""
    places = origin.records
    if places is None or origin.source != SOURCE or not pipeline.reads_kafka:
        return payloads, origin
    known = [places[id(payload)] for payload in payloads]
    taken = list(map(framed, payloads, known))
    return taken, replace(origin, records=dict(zip(map(id, taken), known, strict=True)))
