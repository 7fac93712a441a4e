"""What Logstash's Beats input makes of a payload before the first filter sees it.

    members of the payload --codec--> message, event.original, the other members, metadata, a tag

With ECS, as Logstash 8 has it unless told otherwise. What makes Logstash close the connection
and receive the window again, for ever, is refused here with a reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Raw

from ptingest.pipeline.decode import INVALID_UTF8, Decoded, Unreadable, must_be
from ptingest.pipeline.fast.cache import CACHED_VALUES, LONGEST_VALUE
from ptingest.pipeline.interpolate import message_text
from ptingest.pipeline.logstash.encode import encode_value
from ptingest.pipeline.logstash.event import Event, new_event
from ptingest.pipeline.logstash.json_codec import events_of_json
from ptingest.pipeline.logstash.members import decoded, value_of
from ptingest.pipeline.logstash.sent_times import SentTimes
from ptingest.pipeline.logstash.values import FieldError, Timestamp, Value

CODECS = ("plain", "json")
INPUTS_OWN = frozenset((
    "message", "line", "tags", "event", "@metadata", "@timestamp", "@version", "_@timestamp",
))  # fmt: skip
"""Members that it makes or changes, unless it has options or the codec json."""
_NULL = Raw(b"null")


class BeatsInput:
    """Builds events as one ``beats`` input does."""

    def __init__(
        self,
        *,
        codec: str = "plain",
        has_ecs: bool = True,
        type_name: str | None = None,
        decorate: Callable[[Event], object] | None = None,
        tags_codec: bool = True,
        names_peer: bool = True,
    ) -> None:
        """Take the input's options.

        Args:
            codec: one of ``CODECS``.
            has_ecs: the message is kept in ``event.original``, too.
            type_name: the option ``type``.
            decorate: applies ``add_field`` and ``tags``, where one of them is set.
            tags_codec: whether a tag says which codec was used.
            names_peer: whether the metadata has the Beat's address.
        """
        self._codec, self._has_ecs = codec, has_ecs
        self._is_plain = codec == "plain"
        self._codec_tag = f"beats_input_codec_{codec}_applied"
        self._times = SentTimes()
        self._tags_codec, self._names_peer = tags_codec, names_peer
        self._type, self._decorate = type_name, decorate
        self._has_options = decorate is not None or type_name is not None
        self._is_usual = self._is_plain and has_ecs and tags_codec and not self._has_options
        self._metadatas: dict[tuple[bytes, str], Raw] = {}

    @property
    def keeps_members(self) -> bool:
        """Whether an event differs from its payload in ``INPUTS_OWN`` only, unless the payload has
        ``tags`` or ``event``, which may be refused, or was mended."""
        return self._is_plain and not self._has_options

    def events_of(self, sent: Decoded, peer: str, now_ns: int) -> list[Event] | Unreadable:
        """Return the events of a payload, nearly always one; or why Logstash could not."""
        root: dict[str, Any] = dict(sent.event)
        text = root.get("message")
        text = None if text is None else decoded(root, "message", text)
        is_usual = self._is_usual
        if "tags" in root or "event" in root:
            is_usual = False
            refused = _refused(root)
            if refused is not None:
                return refused
        sent_metadata = root.pop("@metadata", _NULL)
        metadata = self._metadatas.get((b"" + sent_metadata, peer))
        if metadata is None:
            metadata = self._metadata(sent_metadata, peer)
        sent_time = root.pop("@timestamp", _NULL)
        moment = self._times.read(b"" + sent_time)
        time = Timestamp(now_ns if moment is None else moment)
        if type(text) is str and self._is_plain:
            if is_usual and not sent.marks:
                # Nearly every event: as below, without a look for what is not there.
                root["event"] = {"original": text}
                root.setdefault("@version", "1")
                root["@timestamp"], root["tags"] = time, [self._codec_tag]
                return [Event(root, metadata, now_ns)]
            # What the codec makes is put into the members that are there.
            if self._has_ecs:
                _keep_original(root, text)
            return [self._finish(root, metadata, time, self._codec_tag, sent, now_ns)]
        if text is None and value_of(root.get("line", _NULL)) is None:
            if moment is None and (odd := value_of(sent_time)) is not None:
                root["_@timestamp"] = odd
                _add_tags(root, ("_timestampparsefailure",))
            return [self._finish(root, metadata, time, "beats_input_raw_event", sent, now_ns)]
        return [
            self._finish(
                members, metadata, time if moment is not None or own is None else own,
                self._codec_tag, sent, now_ns,
            )
            for members, own in self._decoded_by_codec(root, now_ns)
        ]  # fmt: skip

    def _decoded_by_codec(
        self, root: dict[str, Any], now_ns: int
    ) -> list[tuple[dict[str, Any], Timestamp | None]]:
        """Return the members of each event, and the time that its text has."""
        source = "line" if root.get("message") is None else "message"
        text = root.pop(source)
        if type(text) is Raw:
            text = value_of(text)
        if not isinstance(text, str):
            text = message_text(Raw(encode_value(text)))
        if not self._is_plain:
            events = events_of_json(text, has_ecs=self._has_ecs, now_ns=now_ns)
            return [(_merged(one, root), one.timestamp) for one in events]
        root.setdefault("message", text)
        if self._has_ecs:
            _keep_original(root, text)
        return [(root, None)]

    def _metadata(self, sent: Raw, peer: str) -> Raw:
        """Make the metadata of an event, and keep it: all of a connection have the same."""
        found = Raw(encode_value(self._named(value_of(sent), peer)))
        if len(self._metadatas) >= CACHED_VALUES:
            self._metadatas.clear()
        if len(sent) <= LONGEST_VALUE:
            self._metadatas[b"" + sent, peer] = found
        return found

    def _named(self, metadata: Value, peer: str) -> dict[str, Value]:
        if not isinstance(metadata, dict):
            return {}
        if self._names_peer:
            host = peer.rpartition(":")[0].strip("[]") or peer
            if self._has_ecs:
                metadata["input"] = {"beats": {"host": {"ip": host}}}
            else:
                metadata["ip_address"] = host
        return metadata

    def _finish(
        self,
        root: dict[str, Value | Raw],
        metadata: Raw,
        time: Timestamp,
        tag: str,
        sent: Decoded,
        now_ns: int,
    ) -> Event:
        root.setdefault("@version", "1")
        root["@timestamp"] = time
        event = Event(root, metadata, now_ns)
        if self._has_options:
            self._apply_options(event)
        if self._tags_codec:
            if "tags" in root:
                _add_tags(root, (tag,))
            else:
                root["tags"] = [tag]
        if sent.marks and INVALID_UTF8 in sent.marks:
            _add_tags(root, ("_invalid_utf8",))
        return event

    def _apply_options(self, event: Event) -> None:
        if self._type is not None:
            event.root.setdefault("type", self._type)
        if self._decorate is None:
            return
        try:
            self._decorate(event)
        except FieldError:
            # A field of the config that cannot be set in this event; Logstash would receive the
            # window again, for ever.
            event.tag("_input_error")


class AsGiven:
    """Takes the members of a payload for the event, in place of a ``beats`` input."""

    keeps_members = False
    """As for ``BeatsInput``; here any member may be taken for metadata or refused."""

    def events_of(self, sent: Decoded, peer: str, now_ns: int) -> list[Event]:  # noqa: ARG002
        """Return the one event of a payload."""
        return [new_event(sent.event, now_ns=now_ns)]


def _keep_original(root: dict[str, Any], text: str) -> None:
    if "event" in root:
        root["event"].setdefault("original", text)
    else:
        root["event"] = {"original": text}


def _refused(fields: dict[str, Any]) -> Unreadable | None:
    """Decode ``tags`` and ``event``; return why they cannot be used."""
    for name in ("tags", "event"):
        if name in fields:
            fields[name] = value_of(fields[name])
    tags = fields.get("tags")
    if not (
        tags is None
        or isinstance(tags, str)
        or (isinstance(tags, list) and all(isinstance(one, str) for one in tags))
    ):
        return Unreadable("tags_invalid", must_be("tags", "a string or a list of strings"))
    inner = fields.get("event", fields)
    if not isinstance(inner, dict):
        has_line = (
            fields.get("message") is not None or value_of(fields.get("line", _NULL)) is not None
        )
        if inner is not None or has_line:
            return Unreadable("event_invalid", must_be("event", "an object"))
    return None


def _merged(event: Event, others: Mapping[str, Any]) -> dict[str, Any]:
    """Put the payload's other members over what the codec made; objects join one level deep."""
    own = event.root
    for name, sent in others.items():
        present, value = event.read(name), sent
        if isinstance(present, dict):
            value = value_of(sent) if type(sent) is Raw else sent
            if isinstance(value, dict):
                value = {**present, **value}
        own[name] = value
    return own


def _add_tags(root: dict[str, Any], tags: Sequence[str]) -> None:
    """Add tags that are not there."""
    present = root.get("tags")
    if present is None:
        if tags:
            root["tags"] = list(tags)
        return
    listed = [present] if isinstance(present, str) else present
    added = [tag for tag in tags if tag not in listed]
    if added:
        root["tags"] = [*listed, *added]
