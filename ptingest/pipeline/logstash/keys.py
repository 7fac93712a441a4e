"""Keys of events, from what Filebeat sent: what filters make of an event does not change them.

    members, before the filters --known--> Known --key_of--> key

The key is the one that ``identity.event_key`` makes; values that appear with every event of a
file are cached.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from ptingest.pipeline.decode import Unreadable, decode_payload
from ptingest.pipeline.fast.cache import CACHED_VALUES
from ptingest.pipeline.identity import (
    event_key,
    file_identity,
    framed_value,
    key_bytes,
    key_texts,
)
from ptingest.pipeline.logstash.sent_times import SentTimes
from ptingest.pipeline.own_time import OwnTimes
from ptingest.pipeline.timestamps import TimeReader
from ptingest.settings.profile import TimeSettings

_MILLI = 1_000_000
_MOST_OFFSET = (1 << 63) - 1
_FILE = ("path", "device_id", "inode", "fingerprint", "vol", "idxhi", "idxlo")
_text = msgspec.json.Decoder(str).decode


class Known(NamedTuple):
    """What identifies an event, taken before filters change it."""

    agent: object
    file: tuple[object, ...]
    host: object
    offset: object
    message: object
    sent: object


class EventKeys:
    """Makes keys; holds caches, so there is one for each pipeline."""

    def __init__(self) -> None:
        self._sent_times = SentTimes()
        self._own_times = OwnTimes(TimeReader(TimeSettings(), timezone="UTC", is_full=True))
        self._files: dict[tuple[object, ...], object] = {}

    @staticmethod
    def known(fields: dict[str, Any]) -> Known | None:
        """Return what identifies an event; None where that is not as usual."""
        agent, log, host = fields.get("agent"), fields.get("log"), fields.get("host")
        if type(agent) is not dict or type(log) is not dict or type(host) is not dict:
            return None
        file = log.get("file")
        if type(file) is not dict:
            return None
        get = file.get
        return Known(
            agent.get("id"),
            (get("path"), get("device_id"), get("inode"), get("fingerprint"), get("vol"),
             get("idxhi"), get("idxlo")),
            host.get("name"),
            log.get("offset"),
            fields.get("message"),
            fields.get("@timestamp"),
        )  # fmt: skip

    def key_of(self, known: Known | None, payload: bytes) -> str | None:
        """Return the key of the event of a payload; None where nothing identifies it."""
        if known is None or not _is_usual(known):
            return self._slow_key(payload)
        identity = self._identity(known.file)
        if identity is None:
            return self._slow_key(payload)
        message, sent = known.message, known.sent
        found = self._own_times.find_in_text(message)  # type: ignore[arg-type]
        if found is not None:
            time_text, millis = found.text.decode("ascii"), found.millis
        else:
            moment = self._sent_times.read(sent) if type(sent) is str else None
            if moment is None:
                return None
            time_text, millis = sent, moment // _MILLI  # type: ignore[assignment]
        framed = framed_value((known.agent, identity, known.host, known.offset, message, time_text))
        return key_texts([key_bytes(framed, millis)])[0]

    def _identity(self, file: tuple[object, ...]) -> object:
        found = self._files.get(file)
        if found is None:
            found = file_identity(dict(zip(_FILE, file, strict=True)))
            if len(self._files) >= CACHED_VALUES:
                self._files.clear()
            self._files[file] = found
        return found

    def _slow_key(self, payload: bytes) -> str | None:
        decoded = decode_payload(payload)
        if isinstance(decoded, Unreadable):
            return None
        members = decoded.event
        message = _text_of(members.get("message"))
        found = self._own_times.find_in_text(message or "")
        if found is not None:
            return event_key(members, message, found.text.decode("ascii"), found.millis)
        sent = _text_of(members.get("@timestamp"))
        moment = None if sent is None else self._sent_times.read(sent)
        if sent is None or moment is None:
            return None
        return event_key(members, message, sent, moment // _MILLI)


def _is_usual(known: Known) -> bool:
    """Whether every value has the type that Filebeat gives it, and is not empty."""
    offset = known.offset
    return (
        type(known.agent) is str
        and type(known.host) is str
        and type(known.message) is str
        and type(offset) is int
        and -_MOST_OFFSET <= offset <= _MOST_OFFSET
        and known.agent != ""
        and known.host != ""
        # Unhashable values cannot be cached, and other types identify nothing.
        and all(one is None or type(one) is str or type(one) is int for one in known.file)
    )


def _text_of(raw: Raw | None) -> str | None:
    return _text(raw) if raw is not None and bytes(raw).startswith(b'"') else None
