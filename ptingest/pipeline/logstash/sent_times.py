"""Filebeat's ``@timestamp``, read as Logstash's event reads it, with its seconds cached."""

from __future__ import annotations

import re

import msgspec

from ptingest.pipeline.fast.cache import remember
from ptingest.pipeline.logstash.values import NANOS
from ptingest.pipeline.timestamps import read_event_time

_SECOND = slice(len('"2025-01-02T03:04:05'))
_FRACTION = slice(len('"2025-01-02T03:04:05'), None)
_MILLI = 1_000_000
_MILLIS = {b'.%03dZ"' % number: number * _MILLI for number in range(1000)}
"""All fractions as Beats write them."""
_USUAL_SECOND = re.compile(
    rb'"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-5][0-9]'
).fullmatch
_text = msgspec.json.Decoder(str).decode


class SentTimes(dict[bytes, int | None]):
    """Reads times; those of one second share the work."""

    def read(self, sent: bytes) -> int | None:
        """Return nanoseconds since 1970 of a JSON value; None where Logstash would take its own
        time."""
        nanos = _MILLIS.get(sent[_FRACTION])
        if nanos is not None:
            second = self[sent[_SECOND]]
            if second is not None:
                return second + nanos
        return _read(sent)

    def __missing__(self, second: bytes) -> int | None:
        found = _read(second + b'.000Z"') if _USUAL_SECOND(second) else None
        remember(self, second, found)
        return found


def _read(sent: bytes) -> int | None:
    if not sent.startswith(b'"'):
        return None
    found = read_event_time(_text(sent))
    return None if found is None else found.seconds * NANOS + found.nanos
