"""What Logstash's codec ``json`` makes of a text, for each input that has it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Raw

from ptingest.pipeline.decode import nests_too_deeply
from ptingest.pipeline.logstash.event import Event, new_event
from ptingest.pipeline.logstash.field_reference import parse_reference
from ptingest.pipeline.logstash.values import FieldError

_ORIGINAL = parse_reference("[event][original]")
_Members = dict[str, Raw]
_decode = msgspec.json.Decoder(_Members | list[_Members]).decode


def events_of_json(
    text: str, *, has_ecs: bool, now_ns: int, members: Mapping[str, Raw] | None = None
) -> list[Event]:
    """Return the event of an object, those of a list of objects, or one that holds the text.

    Args:
        text: what came; a single event keeps it in ``event.original``.
        has_ecs: whether it does.
        now_ns: the clock.
        members: those of the text's object, where it was decoded already.
    """
    unread = {"message": text, "tags": ["_jsonparsefailure"]}
    if members is None and nests_too_deeply(text.encode("utf-8", "surrogatepass")):
        return [new_event(unread, now_ns=now_ns)]
    try:
        found = _decode(text) if members is None else members
        listed = found if isinstance(found, list) else [found]
        events = [new_event(one, now_ns=now_ns) for one in listed]
        if len(events) == 1 and has_ecs:
            _keep_original(events[0], text)
    except (msgspec.MsgspecError, FieldError):
        return [new_event(unread, now_ns=now_ns)]
    return events


def _keep_original(event: Event, text: str) -> None:
    inner = event.read("event")
    if not (isinstance(inner, dict) and "original" in inner):
        event.set(_ORIGINAL, text)
