"""What documents cost Elasticsearch, by figures of `python -m benchmarks.elasticsearch`.

The figures are of the benchmark's documents on one warm node of 8.19 without replicas. Stored
bytes are given for each byte of a document as JSON, since long lines take more than short ones;
how well other lines compress is not known before they are stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

DAY_SECONDS = 86_400
CORPUS_BYTES = 1_409
"""A document of the benchmark as JSON, on average."""


class Price(NamedTuple):
    """What one document of the benchmark takes with a template."""

    stored_bytes: float
    cpu_us: float


class Choice(NamedTuple):
    """One option of the template or of the profile that makes documents cheaper."""

    name: str
    how: str
    price: Price


DEFAULT = Price(186, 56)
UNCOMPRESSED = Price(291, 57)
LOGSDB = Price(132, 70)
NO_ORIGINAL = Choice("no event.original", "event_original: drop in the profile", Price(179, 56))


class Cost(NamedTuple):
    """What a stream takes."""

    bytes_a_document: float
    is_measured: bool
    """Whether that is the stream's own figure, else one of the benchmark."""
    cpu_us: float

    def bytes_a_day(self, rate: float) -> float:
        """At so many documents a second."""
        return self.bytes_a_document * rate * DAY_SECONDS

    def cores(self, rate: float) -> float:
        """Cores of Elasticsearch at so many documents a second."""
        return self.cpu_us * rate / 1e6


def cost_of(
    body_bytes: float, settings: Mapping[str, Any], *, documents: int, stored_bytes: int
) -> Cost:
    """Return what a document of so many bytes takes under an index's settings.

    With enough ``documents`` of the stream's own, their size on disk is the measure.
    """
    price = price_of(settings)
    if documents >= 1_000:
        return Cost(stored_bytes / documents, True, price.cpu_us)
    return Cost(price.stored_bytes / CORPUS_BYTES * body_bytes, False, price.cpu_us)


def price_of(settings: Mapping[str, Any]) -> Price:
    """The benchmark's figure for a template with these settings."""
    if settings.get("mode") == "logsdb":
        return LOGSDB
    return DEFAULT if settings.get("codec") == "best_compression" else UNCOMPRESSED


def savings(settings: Mapping[str, Any], *, has_original: bool) -> list[tuple[str, str, float]]:
    """Return (name, how, part of the stored bytes saved, 0 to 1) of options that are not in use."""
    now = price_of(settings).stored_bytes
    found = []
    if settings.get("mode") != "logsdb":
        if settings.get("codec") != "best_compression":
            found.append(Choice("best_compression", "ptingest setup", DEFAULT))
        found.append(Choice("logsdb", "ptingest setup --logsdb", LOGSDB))
    rows = [(one.name, one.how, 1 - one.price.stored_bytes / now) for one in found]
    if has_original:
        share = 1 - NO_ORIGINAL.price.stored_bytes / DEFAULT.stored_bytes
        rows.append((NO_ORIGINAL.name, NO_ORIGINAL.how, share))
    return rows
