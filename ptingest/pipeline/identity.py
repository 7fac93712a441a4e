"""Keys: they make a resent event recognisable.

    key = base64url( 6 bytes: event time in ms | 10 bytes: BLAKE2b of the constant values )

The constant values are the same when a Beat sends an event again, also after it was killed and
restarted or the file was renamed: agent.id, the file's identity, host.name, log.offset, the
message, and the raw text of the line's own time (``own_time.py``), or of Filebeat's time when
the line has none. Filebeat's ``@timestamp`` and ``agent.ephemeral_id`` change at a restart, and
the order of members at each send; so the hash is taken of decoded values, framed as one
MessagePack array, which no two different tuples share. The time comes first because
Elasticsearch stores ids in order of time at no cost, and random ones at half as much again.

No two events may share a key: the second would be acked and never stored. So an event without
``agent.id``, ``log.offset``, ``host.name``, any time, or an identity of its file gets no key: a
duplicate is better than a loss.
"""

from __future__ import annotations

import hashlib
from binascii import b2a_base64
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from ptingest.model.origin import RecordPlace
from ptingest.pipeline.fast.cache import ValueCache
from ptingest.pipeline.fast.events import ABSENT, LogFields

_INSIDE = slice(1, -1)
"""A text without its quotes; built once, since building a slice costs as much as slicing."""
(_BACKSLASH,) = b"\\"
TIME_CHARACTERS = 8
"""Characters of a key that hold the time, 48 bits of milliseconds."""
MAX_MILLIS = (1 << 48) - 1
_UNKNOWN = frozenset((None, "", 0, "0"))
"""Numbers of devices and files that identify nothing."""
FILE_UNKNOWN = b""
"""Returned in place of a key: none of the values that were read identifies the file."""
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


class _Agent(msgspec.Struct, gc=False):
    id: str


class _Host(msgspec.Struct, gc=False):
    name: str | None = None


class _File(msgspec.Struct, gc=False):
    path: str | None = None
    device_id: str | int | None = None
    inode: str | int | None = None
    fingerprint: str | None = None
    vol: str | int | None = None
    idxhi: str | int | None = None
    idxlo: str | int | None = None


class _Log(msgspec.Struct, gc=False):
    offset: int
    file: _File | None = None


class _Container(msgspec.Struct, gc=False):
    id: str | None = None


class _Named(msgspec.Struct, gc=False):
    name: str | None = None


class _Pod(msgspec.Struct, gc=False):
    uid: str | None = None


class _Kubernetes(msgspec.Struct, gc=False):
    pod: _Pod | None = None
    container: _Named | None = None


_agent_of = msgspec.json.Decoder(_Agent).decode
_host_of = msgspec.json.Decoder(_Host).decode
_log_of = msgspec.json.Decoder(_Log).decode
_text_of = msgspec.json.Decoder(str).decode
_file_of = msgspec.json.Decoder(_File | None).decode
_members_of = msgspec.json.Decoder(dict[str, Raw]).decode
_container_of = msgspec.json.Decoder(_Container | None).decode
_kubernetes_of = msgspec.json.Decoder(_Kubernetes | None).decode
framed_value = msgspec.msgpack.Encoder().encode
_blake2b = hashlib.blake2b


def event_key(
    members: Mapping[str, object], message: str | None, time_text: str, millis: int
) -> str | None:
    """Return 22 characters of unpadded base64url, or None when nothing identifies the event.

    ``members`` are the event's, raw. ``time_text`` is the time as the line or else Filebeat
    wrote it; ``millis`` is the same time, clamped to six bytes, 0 when it cannot be read.
    """
    agent, log = members.get("agent"), members.get("log")
    if not isinstance(agent, Raw) or not isinstance(log, Raw):
        return None
    try:
        agent_id, where = _agent_of(agent).id, _log_of(log)
        name = _host_name(members.get("host"))
        identity = _file_identity(where.file) or _container_identity(members)
        framed = framed_value((agent_id, identity, name, where.offset, message, time_text))
    except (msgspec.DecodeError, OverflowError):
        # The types differ from Filebeat's, or the offset is beyond 64 bits.
        return None
    if not (agent_id and name and identity):
        return None
    return key_text(key_bytes(framed, millis))


def key_bytes(framed: bytes, millis: int) -> bytes:
    """The 16 bytes of a key: its time and the hash of the constant values."""
    if not 0 <= millis <= MAX_MILLIS:
        millis = 0 if millis < 0 else MAX_MILLIS
    return millis.to_bytes(6, "big") + _blake2b(framed).digest()[:10]


def part_key(key: str, number: int) -> str:
    """Return the key of one of several documents that were made of one event.

    ``key`` is the event's, and that of document 0. The others begin with the same time.
    """
    if number == 0:
        return key
    digest = _blake2b(key.encode() + number.to_bytes(4, "big")).digest()[:10]
    return key[:TIME_CHARACTERS] + key_text(digest)[:14]


def key_text(key: bytes) -> str:
    """Encode one key."""
    return b2a_base64(key).translate(_URL_SAFE)[:22].decode("ascii")


def record_key(place: RecordPlace, payload: bytes) -> str:
    """Return the key of an event that is known by the record of Kafka it came in.

    The payload is in it as well: a topic that was deleted and made again counts offsets anew.
    """
    where = (place.topic, place.partition, place.offset, place.millis, payload)
    return key_texts([key_bytes(framed_value(where), place.millis)])[0]


def key_texts(keys: Sequence[bytes]) -> list[str]:
    """Encode keys of 16 bytes each as texts, all at once, which costs a third.

    Two bytes separate them, so that each fills 24 characters; the first 22 are its own.
    """
    joined = b"\0\0".join(keys)
    text = b2a_base64(joined, newline=False).translate(_URL_SAFE).decode("ascii")
    return [text[at : at + 22] for at in range(0, 24 * len(keys), 24)]


def _host_name(host: object) -> str | None:
    """The user's own ``host: x`` replaces Filebeat's in the event and is then no object."""
    if not isinstance(host, Raw | bytes):
        return None
    try:
        return _host_of(host).name
    except msgspec.DecodeError:
        pass
    try:
        return _text_of(host)
    except msgspec.DecodeError:
        return None


def file_identity(members: Mapping[str, object]) -> tuple[object, ...] | None:
    """Return what identifies a file, given the members of ``log.file``; None when nothing does."""
    try:
        return _file_identity(msgspec.convert(members, _File))
    except msgspec.ValidationError:
        return None


def _file_identity(file: _File | None) -> tuple[object, ...] | None:
    """Return what identifies a file, None when nothing does.

    Nearly always that is device and inode, which do not change when the file is renamed. An
    inode is used again after its file was deleted, so a fingerprint is added when there is one;
    an inode without a device identifies too little without the path. The tuples differ in
    length, so that no two kinds can be equal.
    """
    if file is None:
        return None
    ids: tuple[object, ...] = (file.device_id, file.inode)
    needed = ids
    if file.vol is not None:  # Windows
        ids, needed = (file.vol, file.idxhi, file.idxlo), (file.vol, file.idxlo)
    if file.fingerprint:
        return ("fingerprint", file.fingerprint, *ids)
    if not _UNKNOWN.intersection(needed):
        return ids
    if not file.path:
        return None
    return (file.path,) if _UNKNOWN.issuperset(needed) else ("path", file.path, None, *ids)


def known_by(payload: bytes) -> str | None:
    """Say what identifies the files of a sender, from one of its events.

    ``inode`` (with its device, or the index of Windows), ``fingerprint``, ``container`` or
    ``path``, which a rename changes; ``nothing`` when there is no key because nothing
    identifies the file or the host. None for an event that does not come from a file.
    """
    try:
        members = _members_of(payload)
        log = _log_of(members["log"])
        if not _host_name(members.get("host")):
            return "nothing"
        found = _file_identity(log.file)
        if found is None:
            return "container" if _container_identity(members) else "nothing"
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, KeyError):
        return None
    if found[0] == "fingerprint":
        return "fingerprint"
    return "path" if len(found) == 1 or found[0] == "path" else "inode"


CONTAINER_NAMES = ("container", "kubernetes")
"""Members that may identify the place of an event that names no file."""


def _container_identity(members: Mapping[str, object]) -> tuple[object, ...] | None:
    """Return what identifies the output of one container, when no file is named.

    A pod alone does not: it may have several containers.
    """
    container, kubernetes = map(members.get, CONTAINER_NAMES)
    found = _container_of(container) if isinstance(container, Raw) else None
    around = _kubernetes_of(kubernetes) if isinstance(kubernetes, Raw) else None
    container_id = found.id if found else None
    pod = around.pod.uid if around and around.pod else None
    name = around.container.name if around and around.container else None
    if not (container_id or (pod and name)):
        return None
    return ("container", container_id, pod, name, None, None, None)


# --- the same from a struct ---------------------------------------------------------------

SHORT_TEXT = 256
TEXT_HEADS = [framed_value("x" * length)[: -length or None] for length in range(SHORT_TEXT)]
"""The MessagePack head of a text of so many bytes of UTF-8."""


class KeyMaker:
    """Frames the keys of common events from cached pieces.

    A Beat sends the same agent, host and file with every event, in one of a few orders of their
    keys, so the frames of these values are cached by their raw text. The message is framed
    without decoding when it holds no escape. This costs half of decoding and framing
    everything.
    """

    def __init__(self) -> None:
        self._agents, self._files = ValueCache(_framed_agent), ValueCache(_framed_file)
        self._hosts = ValueCache(_framed_host)

    def key_of(
        self, agent: Raw, host: Raw, log: Any, raw: bytes, framed_time: bytes, millis: int
    ) -> bytes | None:
        """Return the 16 bytes of a key, None when nothing identifies the event, and
        ``FILE_UNKNOWN`` when its file is not identified: its container may be.

        ``agent`` and ``host`` are the event's, ``ABSENT`` where it has none; ``log`` is
        ``LogFields``, or raw. ``raw`` is the message as JSON, ``framed_time`` the time as the hash
        needs it, ``millis`` as for ``event_key``.
        """
        if log.__class__ is not LogFields:
            try:
                log = _odd_where_of(log)
            except msgspec.DecodeError:
                return None
        framed_agent, file = self._agents[b"" + agent], self._files[b"" + log.file]
        framed_host = self._hosts[b"" + host]
        if framed_agent is None or file is None or framed_host is None:
            return FILE_UNKNOWN if file is None else None
        if _BACKSLASH in raw:
            # Encoded here: the framing encoder would leave a copy of the UTF-8 in the text
            # object.
            text = _text_of(raw).encode()
            length = len(text)
            head = TEXT_HEADS[length] if length < SHORT_TEXT else text_head(length)
        elif len(raw) < SHORT_TEXT:
            head, text = TEXT_HEADS[len(raw) - 2], raw[_INSIDE]
        else:
            head, text = text_head(len(raw) - 2), raw[_INSIDE]
        try:
            offset = framed_value(log.offset)
        except OverflowError:
            return None
        framed = b"".join((framed_agent, file, framed_host, offset, head, text, framed_time))
        if not 0 <= millis <= MAX_MILLIS:
            return key_bytes(framed, millis)
        return millis.to_bytes(6, "big") + _blake2b(framed).digest()[:10]


class _OddLogFields(msgspec.Struct, gc=False):
    """``log`` with members that ``LogFields`` does not have."""

    offset: int
    file: Raw = ABSENT


_odd_where_of = msgspec.json.Decoder(_OddLogFields).decode


def _framed_agent(agent: bytes) -> bytes | None:
    """Begin the array with ``agent.id``; None when there is none: the event then has no key."""
    try:
        name = _agent_of(agent).id
    except msgspec.DecodeError:
        return None
    return b"\x96" + framed_value(name) if name else None


def _framed_file(file: bytes) -> bytes | None:
    """The second member, from ``log.file``, which may be missing (no bytes)."""
    try:
        identity = _file_identity(_file_of(file) if file else None)
        return framed_value(identity) if identity else None
    except (msgspec.DecodeError, OverflowError):
        return None


def _framed_host(host: bytes) -> bytes | None:
    """The third member, from ``host``, which may be missing (no bytes)."""
    name = _host_name(host) if host else None
    return framed_value(name) if name else None


def text_head(length: int) -> bytes:
    """The MessagePack head of a text of so many bytes of UTF-8, of any length."""
    if length < SHORT_TEXT:
        return TEXT_HEADS[length]
    if length < 1 << 16:
        return b"\xda" + length.to_bytes(2, "big")
    return b"\xdb" + length.to_bytes(4, "big")


def framed_text(text: bytes) -> bytes:
    """One text, passed as UTF-8."""
    return text_head(len(text)) + text
