"""Which events leave the fast path of the pipeline, and why.

For users who want their events to cost less: the reason is found by looking at one event
afterwards, never while events pass. That an event took the slow path is observed, not computed;
the reasons are checked in the order of the fast path's own checks, and ``other`` remains where
none of them applies.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum

import msgspec
from msgspec import Raw

from ptingest.model.outcome import Processed
from ptingest.model.receipt import Receipt
from ptingest.pipeline.decode import (
    Unreadable,
    decode_event,
    decode_payload,
    duplicate_keys,
    is_plain,
)
from ptingest.pipeline.fast.documents import FastPath, touched_fields
from ptingest.pipeline.group import Group
from ptingest.pipeline.interpolate import value_of
from ptingest.pipeline.profile_pipeline import ProfilePipeline
from ptingest.pipeline.route import illegal_name, is_unresolved, mended_dataset
from ptingest.pipeline.timestamps import read_event_time
from ptingest.settings.profile import ProfileSettings


class SlowPathReason(StrEnum):
    """Why an event took the slow path."""

    UNREADABLE = "unreadable"
    NOT_UTF8 = "not_utf8"
    OTHER_GROUP = "other_group"
    PROFILE = "profile"
    NO_MESSAGE = "no_message"
    SERVICE = "service"
    FIELD_IN_THE_WAY = "field_in_the_way"
    DOUBLE_KEY = "double_key"
    TAGS = "tags"
    NO_TIME = "no_time"
    OTHER = "other"


class _SlowPathPipeline(ProfilePipeline):
    """A pipeline that records which payloads took the slow path."""

    def __init__(self, profile: ProfileSettings) -> None:
        super().__init__(profile)
        self.slow: list[bytes] = []

    def _slow_path(
        self, payload: bytes, receipt: Receipt, peer: str, now_ns: int, done: Processed
    ) -> None:
        self.slow.append(payload)
        super()._slow_path(payload, receipt, peer, now_ns, done)


def find_slow_path_reasons(
    profile: ProfileSettings, payloads: Sequence[bytes], *, now_ns: int
) -> Counter[tuple[SlowPathReason, str]]:
    """Count the payloads that take the slow path, by reason and field.

    The field is empty where the reason concerns none.
    """
    pipeline = _SlowPathPipeline(profile)
    pipeline.process(payloads, receipt=Receipt(lambda _: None), peer="", now_ns=now_ns)
    return Counter(why(pipeline, payload) for payload in pipeline.slow)


def why(pipeline: ProfilePipeline, payload: bytes) -> tuple[SlowPathReason, str]:
    """Return why this payload takes the slow path, and the field that causes it."""
    if isinstance(decode_payload(payload), Unreadable):
        return SlowPathReason.UNREADABLE, ""
    if not is_plain(payload):
        return SlowPathReason.NOT_UTF8, ""
    try:
        event = decode_event(payload)
    except msgspec.DecodeError:  # half a surrogate pair, or a byte order mark
        return SlowPathReason.NOT_UTF8, ""
    group = _group_of(pipeline, event)
    if group is None:
        return SlowPathReason.OTHER_GROUP, "group"
    if not FastPath.is_usable(group):
        return SlowPathReason.PROFILE, ""
    return _why_not_usual(group, event, payload)


def _group_of(pipeline: ProfilePipeline, event: dict[str, Raw]) -> Group | None:
    name = value_of(event["group"]) if "group" in event else None
    return pipeline.groups.get(name) if isinstance(name, str) else None


def _why_not_usual(
    group: Group, event: dict[str, Raw], payload: bytes
) -> tuple[SlowPathReason, str]:
    if not _is_text(event.get("message")):
        return SlowPathReason.NO_MESSAGE, "message"
    if not _is_routed(group, event.get("service")):
        return SlowPathReason.SERVICE, "service"
    _, reserved = touched_fields(group)
    in_the_way = reserved & event.keys()
    if "event" in event and not _is_usual_event(event["event"]):
        in_the_way |= {"event"}
    if in_the_way:
        return SlowPathReason.FIELD_IN_THE_WAY, ", ".join(sorted(in_the_way))
    if duplicate_keys(payload, event):
        return SlowPathReason.DOUBLE_KEY, ""
    if "tags" in event and not _are_usual_tags(group, event["tags"]):
        return SlowPathReason.TAGS, "tags"
    sent = event.get("@timestamp")
    if sent is None or not _is_text(sent) or read_event_time(str(value_of(sent))) is None:
        return SlowPathReason.NO_TIME, "@timestamp"
    return SlowPathReason.OTHER, ""


def _is_routed(group: Group, raw: Raw | None) -> bool:
    """Whether the service is a text that may be indexed under its own name."""
    service = None if raw is None else value_of(raw)
    if not isinstance(service, str) or service in ("", "false"):
        return False
    if group.settings.only_known_services and service not in group.known_services:
        return False
    dataset = mended_dataset(service, group.profile.sanitise_names)
    return not is_unresolved(dataset) and illegal_name(dataset) is None


def _is_text(raw: Raw | None) -> bool:
    return raw is not None and isinstance(value_of(raw), str)


def _is_usual_event(raw: Raw) -> bool:
    """Whether it is an object to which our member can be added."""
    inner = value_of(raw)
    return isinstance(inner, dict) and "original" not in inner


def _are_usual_tags(group: Group, raw: Raw) -> bool:
    tags = value_of(raw)
    return (
        isinstance(tags, list)
        and all(isinstance(tag, str) for tag in tags)
        and group.settings.failure_tag not in tags
    )
