"""Keys of events, from what Filebeat sent: what filters make of an event does not change them.

The key is the one that ``identity.event_key`` makes; values that appear with every event of a
file are cached.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Raw

from ptingest.pipeline.fast.events import ABSENT
from ptingest.pipeline.identity import (
    FILE_UNKNOWN,
    TEXT_HEADS,
    KeyMaker,
    event_key,
    key_text,
)
from ptingest.pipeline.logstash.sent_times import SentTimes
from ptingest.pipeline.own_time import OwnTimes
from ptingest.pipeline.timestamps import TimeReader
from ptingest.settings.profile import TimeSettings

_MILLI = 1_000_000
(_BACKSLASH,) = b"\\"
_text = msgspec.json.Decoder(str).decode


class EventKeys:
    """Makes keys; holds caches, so there is one for each pipeline."""

    def __init__(self) -> None:
        self._times = SentTimes()
        self._own_times = OwnTimes(TimeReader(TimeSettings(), timezone="UTC", is_full=True))
        self._maker = KeyMaker()

    def key_of(self, sent: Mapping[str, Raw]) -> str | None:
        """Return the key of an event, given its members; None where nothing identifies it."""
        message = b"" + sent.get("message", ABSENT)
        is_text = message[:1] == b'"'
        own = self._own_times.find_in_json(message) if is_text else None
        found = self._sent_time(sent) if own is None else own
        if found is None:
            return None
        time, millis = found
        key: bytes | None = FILE_UNKNOWN
        if is_text:
            agent, host = sent.get("agent", ABSENT), sent.get("host", ABSENT)
            log = sent.get("log", ABSENT)
            key = self._maker.key_of(
                agent, host, log, message, TEXT_HEADS[len(time)] + time, millis
            )
        if key:
            return key_text(key)
        if key is None:
            return None
        return event_key(sent, _text(message) if is_text else None, time.decode(), millis)

    def _sent_time(self, sent: Mapping[str, Raw]) -> tuple[bytes, int] | None:
        """Return Filebeat's time as it was sent, and in milliseconds."""
        text = b"" + sent.get("@timestamp", ABSENT)
        moment = self._times.read(text)
        if moment is None:
            return None
        is_plain = _BACKSLASH not in text
        return text[1:-1] if is_plain else _text(text).encode(), moment // _MILLI
