"""What Logstash's Beats input makes of a payload before the first filter sees it.

    members of the payload --codec--> message, event.original, the other members, metadata, a tag

With ECS, as Logstash 8 has it unless told otherwise. What makes Logstash close the connection
and receive the window again, for ever, is refused here with a reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ptingest.pipeline.decode import Unreadable, must_be
from ptingest.pipeline.interpolate import message_text
from ptingest.pipeline.logstash.event import Event, new_event
from ptingest.pipeline.logstash.members import Members
from ptingest.pipeline.logstash.sent_times import SentTimes
from ptingest.pipeline.logstash.values import Timestamp, Value

CODECS = ("plain", "json")
_value = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder(decimal_format="number").encode


class BeatsInput:
    """Builds events as one ``beats`` input does."""

    def __init__(
        self,
        *,
        codec: str = "plain",
        has_ecs: bool = True,
        tags: Sequence[str] = (),
        type_name: str | None = None,
        add_field: Sequence[tuple[str, str]] = (),
        tags_codec: bool = True,
        names_peer: bool = True,
    ) -> None:
        """``tags``, ``type_name`` and ``add_field`` are the input's options of these names.

        Args:
            codec: one of ``CODECS``.
            has_ecs: the message is kept in ``event.original``, too.
            tags_codec: whether a tag says which codec was used.
            names_peer: whether the metadata has the Beat's address.
        """
        self._codec, self._has_ecs = codec, has_ecs
        self._is_plain = codec == "plain"
        self._codec_tag = f"beats_input_codec_{codec}_applied"
        self._times = SentTimes()
        self._tags_codec, self._names_peer = tags_codec, names_peer
        self._tags, self._type, self._add_field = tuple(tags), type_name, tuple(add_field)

    def events_of(self, members: Members, *, peer: str, now_ns: int) -> list[Event] | Unreadable:
        """Return the events of a payload, nearly always one; or why Logstash could not."""
        fields = members.fields
        refused = _refused(fields)
        if refused is not None:
            return refused
        metadata = self._metadata(fields.pop("@metadata", None), peer)
        sent = fields.pop("@timestamp", None)
        moment = self._times.read(sent) if isinstance(sent, str) else None
        time = Timestamp(now_ns if moment is None else moment)
        text = fields.get("message")
        if type(text) is str and self._is_plain:
            # The usual event: what the codec makes is put into the members that are there.
            if self._has_ecs:
                inner = fields.setdefault("event", {})
                inner.setdefault("original", text)
            return [self._finish(fields, metadata, time, self._codec_tag, members, now_ns)]
        source = "message" if text is not None else "line"
        text = fields.get(source)
        if text is None:
            if sent is not None and moment is None:
                fields["_@timestamp"] = sent
                _add_tag(fields, "_timestampparsefailure")
            return [self._finish(fields, metadata, time, "beats_input_raw_event", members, now_ns)]
        del fields[source]
        if not isinstance(text, str):
            text = message_text(msgspec.Raw(_encode(text)))
        return [
            self._finish(
                _merged(own, fields), dict(metadata), time, self._codec_tag, members, now_ns
            )
            for own in self._decoded_by_codec(text)
        ]

    def _decoded_by_codec(self, text: str) -> list[dict[str, Value]]:
        """Return the members that the codec makes of a message."""
        found: list[dict[str, Value]] = []
        if self._codec == "json":
            found = _objects(text) or [{"message": text, "tags": ["_jsonparsefailure"]}]
        else:
            found = [{"message": text}]
        if self._has_ecs:
            for one in found:
                inner = one.setdefault("event", {})
                if isinstance(inner, dict):
                    inner.setdefault("original", text)
        return found

    def _metadata(self, sent: object, peer: str) -> dict[str, Value]:
        metadata = sent if isinstance(sent, dict) else {}
        if isinstance(sent, dict) and self._names_peer:
            host = peer.rpartition(":")[0].strip("[]") or peer
            if self._has_ecs:
                metadata["input"] = {"beats": {"host": {"ip": host}}}
            else:
                metadata["ip_address"] = host
        return metadata

    def _finish(
        self,
        fields: dict[str, Value],
        metadata: dict[str, Value],
        time: Timestamp,
        tag: str,
        members: Members,
        now_ns: int,
    ) -> Event:
        fields.setdefault("@version", "1")
        fields["@timestamp"] = time
        if self._type is not None:
            fields.setdefault("type", self._type)
        for name, text in self._add_field:
            fields[name] = [fields[name], text] if name in fields else text
        for one in self._tags:
            _add_tag(fields, one)
        if self._tags_codec:
            _add_tag(fields, tag)
        if "invalid_utf8" in members.marks:
            _add_tag(fields, "_invalid_utf8")
        return Event(fields, metadata, now_ns=now_ns)


class AsGiven:
    """Takes the members of a payload for the event, in place of a ``beats`` input."""

    def events_of(self, members: Members, *, peer: str, now_ns: int) -> list[Event]:  # noqa: ARG002
        """Return the one event of a payload."""
        return [new_event(members.fields, now_ns=now_ns)]


def _refused(fields: Mapping[str, Any]) -> Unreadable | None:
    tags = fields.get("tags")
    if not (
        tags is None
        or isinstance(tags, str)
        or (isinstance(tags, list) and all(isinstance(one, str) for one in tags))
    ):
        return Unreadable("tags_invalid", must_be("tags", "a string or a list of strings"))
    inner = fields.get("event", fields)
    if not isinstance(inner, dict):
        has_line = fields.get("message") is not None or fields.get("line") is not None
        if inner is not None or has_line:
            return Unreadable("event_invalid", must_be("event", "an object"))
    return None


def _merged(own: dict[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """Put the payload's other members over what the codec made; ``event`` joins one level deep."""
    for name, value in others.items():
        present = own.get(name)
        if name == "event" and isinstance(present, dict) and isinstance(value, dict):
            present.update(value)
        elif name == "tags" and present is not None:
            own[name] = [*(value if isinstance(value, list) else [value]), *present]
        else:
            own[name] = value
    return own


def _objects(text: str) -> list[dict[str, Any]]:
    """Return the objects of a JSON text; empty where it is none."""
    try:
        found = _value(text)
    except (msgspec.DecodeError, RecursionError):
        return []
    listed = found if isinstance(found, list) else [found]
    return listed if all(isinstance(one, dict) for one in listed) else []


def _add_tag(fields: dict[str, Any], tag: str) -> None:
    tags = fields.get("tags")
    listed = [] if tags is None else [tags] if isinstance(tags, str) else tags
    if tag not in listed:
        fields["tags"] = [*listed, tag]
