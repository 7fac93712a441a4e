"""From a document back to the event that it was made of, so that today's rules can be applied.

Captures, tags and the copy of the message are taken away as today's patterns find them; what
rules overwrite anyway stays. Under the rules that made the document the result is exact: it
becomes the same document again. A field of a rule that is gone stays in the event.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Raw

from ptingest.pipeline.encode import encode_value
from ptingest.pipeline.group import CODEC_TAG, DATE_TAG, MUTATE_TAG, RAW_EVENT_TAG, Group
from ptingest.pipeline.patterns import Parsed

_ANY = msgspec.json.Decoder()
_object = msgspec.json.Decoder(dict[str, Raw]).decode
_list = msgspec.json.Decoder(list[Raw]).decode


def sent_event(document: Mapping[str, Raw], group: Group) -> bytes:
    """Return the event of one document, as JSON."""
    event: dict[str, object] = dict(document)
    message = _text(document.get("message"))
    tags = _strings(document.get("tags"))
    ours = {CODEC_TAG, RAW_EVENT_TAG, DATE_TAG, MUTATE_TAG}
    parsed = None if message is None else group.parser.parse(message)
    failure_tag = group.settings.failure_tag
    if failure_tag not in tags:
        _without_captures(event, document, parsed, group)
    elif parsed is not None and _has_captures(document, parsed):
        # A pattern matched all the same: the sender set the tag, which stays.
        _without_captures(event, document, parsed, group)
    else:
        ours.add(failure_tag)
    if not ours.isdisjoint(tags):
        event["tags"] = [tag for tag in tags if tag not in ours]
    _without_original(event, document.get("event"), message)
    return encode_value(event)


def _has_captures(document: Mapping[str, Raw], parsed: Parsed) -> bool:
    """Whether each capture is in the document, alone or behind the values that were there."""
    return all(
        _last(document.get(name)) == encode_value(value) for name, value in parsed.values.items()
    )


def _last(raw: Raw | None) -> bytes | None:
    if raw is None or not bytes(raw).startswith(b"["):
        return None if raw is None else encode_value(_ANY.decode(raw))
    items = _list(raw)
    return encode_value(_ANY.decode(items[-1])) if items else None


def _without_captures(
    event: dict[str, object], document: Mapping[str, Raw], parsed: Parsed | None, group: Group
) -> None:
    """Undo what grok does: it sets a field, or adds its capture to the values that are there."""
    for name in () if parsed is None else parsed.values:
        raw = bytes(document.get(name, b"null"))
        match raw[:1]:
            case b"[":
                event[name] = _list(raw)[:-1]
            case b'"':
                del event[name]
            case _ if name in group.settings.numbers:
                event.pop(name, None)


def _without_original(event: dict[str, object], raw: Raw | None, message: str | None) -> None:
    if raw is None or message is None or not bytes(raw).startswith(b"{"):
        return
    inner = _object(raw)
    if _text(inner.get("original")) == message:
        del inner["original"]
        event["event"] = inner


def _text(raw: Raw | None) -> str | None:
    value = _ANY.decode(raw) if raw is not None and bytes(raw).startswith(b'"') else None
    return value if isinstance(value, str) else None


def _strings(raw: Raw | None) -> list[str]:
    """Return the tags of a document; our stages leave a list, others may leave anything."""
    if raw is None or not bytes(raw).startswith(b"["):
        return []
    found = _ANY.decode(raw)
    return found if all(isinstance(one, str) for one in found) else []
