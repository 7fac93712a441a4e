"""Keys of events, from the payload as it came: what filters make of it does not change them.

    payload --a few members, raw--> the line's own time, else Filebeat's --> key

Common events have their keys from cached pieces (``KeyMaker``); all others are read member by
member, with the same result.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Raw

from ptingest.pipeline.decode import Decoded
from ptingest.pipeline.fast.events import ABSENT, LogFields
from ptingest.pipeline.identity import KeyMaker, event_key, framed_text, key_texts
from ptingest.pipeline.logstash.sent_times import SentTimes
from ptingest.pipeline.own_time import OwnTimes
from ptingest.pipeline.timestamps import TimeReader
from ptingest.settings.profile import TimeSettings

_MILLI = 1_000_000


class _KeyFields(msgspec.Struct, gc=False):
    """What a key is made of."""

    agent: Raw = ABSENT
    host: Raw = ABSENT
    log: LogFields | None = None
    message: Raw = ABSENT
    sent: Raw = msgspec.field(default=ABSENT, name="@timestamp")


_fields = msgspec.json.Decoder(_KeyFields).decode
_text = msgspec.json.Decoder(str).decode


class EventKeys:
    """Makes keys; holds caches, so there is one for each pipeline."""

    def __init__(self, sent_times: SentTimes) -> None:
        self._sent_times = sent_times
        self._maker = KeyMaker()
        self._own_times = OwnTimes(TimeReader(TimeSettings(), timezone="UTC", is_full=True))

    def key_of(self, decoded: Decoded) -> str | None:
        """Return the key of an event; None where nothing identifies it."""
        try:
            fields = _fields(decoded.payload)
        except msgspec.DecodeError:
            return self._slow_key(decoded.event)
        raw = bytes(fields.message)
        sent = bytes(fields.sent)
        if (
            fields.log is None
            or raw[:1] != b'"'
            or b"\\" in raw
            or sent[:1] != b'"'
            or b"\\" in sent
        ):
            return self._slow_key(decoded.event)
        found = self._own_times.find(raw, 1, len(raw) - 1)
        if found is not None:
            framed_time, millis = framed_text(found.text), found.millis
        else:
            text = sent[1:-1]
            moment = self._sent_times.read(text.decode())
            if moment is None:
                return None
            framed_time, millis = framed_text(text), moment // _MILLI
        key = self._maker.key_of(fields, raw, framed_time, millis)
        return key_texts([key])[0] if key else self._slow_key(decoded.event)

    def _slow_key(self, members: Mapping[str, Raw]) -> str | None:
        message = _text_of(members.get("message"))
        found = self._own_times.find_in_text(message or "")
        if found is not None:
            return event_key(members, message, found.text.decode("ascii"), found.millis)
        sent = _text_of(members.get("@timestamp"))
        moment = None if sent is None else self._sent_times.read(sent)
        if sent is None or moment is None:
            return None
        return event_key(members, message, sent, moment // _MILLI)


def _text_of(raw: Raw | None) -> str | None:
    return _text(raw) if raw is not None and bytes(raw).startswith(b'"') else None
