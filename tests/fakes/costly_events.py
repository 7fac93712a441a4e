"""Shapes of events that cost much to read for their size, as data: name -> payload of ``size``.

Each repeats a small piece; what they have in common with an event from a Beat is the rest of
the members. Whatever the pipeline does with one must grow as its size does.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

Shape = Callable[[int], bytes]
TIME = "2025-01-02T03:04:05.678"


def event(**members: Any) -> dict[str, Any]:
    """The members of a usual event, with others instead or beside."""
    return {
        "@timestamp": TIME + "Z",
        "group": "pt",
        "service": "django",
        "message": "hello",
        "agent": {"id": "a"},
        "host": {"name": "h"},
        "log": {"offset": 1, "file": {"path": "/x", "device_id": "1", "inode": "2"}},
        **members,
    }


def text(name: str, piece: str, *, before: str = "", after: str = "", **more: Any) -> Shape:
    """An event whose member is a long text, escaped as JSON has to be."""

    def make(size: int) -> bytes:
        return json.dumps(
            event(**{name: before + piece * (size // len(piece)) + after}, **more)
        ).encode()

    return make


def raw(
    name: str, piece: bytes, *, before: bytes = b"[", after: bytes = b"0]", **more: Any
) -> Shape:
    """An event whose member is long JSON, given as it stands in the payload."""

    def make(size: int) -> bytes:
        members = event(**more)
        members.pop(name, None)
        value = before + piece * (size // len(piece)) + after
        head = json.dumps(members)[:-1].encode()
        return b'%b,"%b":%b}' % (head, name.encode(), value)

    return make


def nested(name: str, opening: bytes, closing: bytes, depth: int, filling: bytes) -> Shape:
    """An event with a long value under many levels, some of it at each level."""

    def make(size: int) -> bytes:
        part = filling * (size // depth // len(filling))
        value = opening.replace(b"*", part) * depth + b"0" + closing * depth
        return raw(name, value, before=b"", after=b"")(len(value))

    return make


def members(pattern: str, *, first: bool = True) -> Shape:
    """An event with many more members; ``%d`` makes their names different."""

    def make(size: int) -> bytes:
        many = [pattern % number if "%" in pattern else pattern for number in range(size // 16)]
        inner = json.dumps(event())[1:-1]
        return ("{" + ",".join([*many, inner] if first else [inner, *many]) + "}").encode()

    return make


SHAPES: dict[str, Shape] = {
    "plain message": text("message", "x"),
    "record": text("message", "x", before=f"INFO|apps.x|{TIME}|"),
    "pipes": text("message", "|", before="INFO|a|"),
    "pipes and digits": text("message", "|20", before="INFO|a|"),
    "almost times": text("message", "|2025-01-02T03:04:05."),
    "long fraction": text("message", "1", before=f"INFO|a|{TIME}", after="x"),
    "lines": text("message", "INFO\n", after="|a"),
    "heads": text("message", "INFO|a\n"),
    "newlines": text("message", "\n"),
    "long word": text("message", "A", after="|a"),
    "long logger": text("message", "apps.", before="INFO|", after=f"|{TIME}Z|x"),
    "spaces": text("message", " "),
    "escaped": text("message", "\\"),
    "quotes": text("message", '"'),
    "control characters": text("message", "\0"),
    "other letters": text("message", "\u0105\U0001f4e6"),
    "placeholders in a message": text("message", "%{"),
    "not UTF-8": raw("message", b"\xff", before=b'"', after=b'"'),
    "half of a letter": raw("message", b"\xc4", before=b'"', after=b'"'),
    "one lone surrogate": raw("message", b"\\n", before=b'"\\ud800', after=b'"'),
    "lone surrogates": raw("message", b"\\udc00", before=b'"', after=b'"'),
    "lone surrogates between": raw("message", b"\\ud800x\\\\u", before=b'"', after=b'"'),
    "message of numbers": raw("message", b"0,"),
    "message of floats": raw("message", b"1e9,"),
    "message of exponents": raw("message", b"1E-300,"),
    "message of lists": raw("message", b"[],"),
    "message of objects": raw("message", b'{"a":0},'),
    "message deep": nested("message", b"[*", b"]", 200, b"0,"),
    "message of texts": raw("message", b'"\\u0041",'),
    "line of numbers": raw("line", b"0,", message=None),
    "service of placeholders": text("service", "%{"),
    "service of ends": text("service", "}", before="%{\n"),
    "service of placeholders in lines": text("service", "%{\n", after="}"),
    "service of capitals": text("service", "A"),
    "service of numbers": raw("service", b"0,"),
    "service of floats": raw("service", b"1.5e-7,"),
    "service of lists": raw("service", b"[],"),
    "service deep": nested("service", b"[*", b"]", 200, b"0,"),
    "service of objects": raw("service", b'{"a":{}},'),
    "service object deep": nested("service", b'{"a":[*', b"]}", 200, b"0,"),
    "tags": raw("tags", b'"",', after=b'""]'),
    "long tags": raw("tags", b"x", before=b'["', after=b'"]'),
    "tags of numbers": raw("tags", b"0,"),
    "data stream": raw("data_stream", b'"a":0,', before=b"{", after=b'"dataset":[0]}'),
    "data stream dataset": raw("data_stream", b"1e9,", before=b'{"dataset":[', after=b"0]}"),
    "event of members": raw("event", b'"a":0,', before=b"{", after=b'"b":0}'),
    "group of numbers": raw("group", b"0,"),
    "group long": text("group", "pt"),
    "time long": text("@timestamp", "1", before=TIME + "."),
    "time of numbers": raw("@timestamp", b"0,"),
    "captured before": raw("log_level", b"0,", message=f"INFO|a|{TIME}|x"),
    "list of lists": raw("a", b"[],"),
    "list of texts": raw("a", b'"",'),
    "list of digits": raw("a", b"1" * 999 + b","),
    "list of too many digits": raw("a", b"1" * 4096 + b","),
    "list of points": raw("a", b'"-.-.",' + b"1" * 500 + b","),
    "one long number": raw("a", b"1", before=b"", after=b""),
    "spaces between": raw("a", b"0 ,\n"),
    "same member": members('"group":"pt"'),
    "same member, escaped": members('"gr\\u006fup":1', first=True),
    "wide": members('"k%d":0'),
    "wide and spaced": members('"k%d" : 0'),
    "dropped list": raw("message", b"0,", group="other"),
    "dropped long numbers": raw("a", b"1" * 4096 + b",", group="other"),
    "dropped service": raw("service", b"1e9,", group="other"),
    "no group": lambda size: raw("fields", b"[],", before=b'{"a":[', after=b"0]}")(size).replace(
        b'"group": "pt", ', b""
    ),
    "fields of lists": raw("fields", b"[],", before=b'{"a":[', after=b'0],"group":"pt"}'),
    "junk": lambda size: b"\xff" * size,
    "brackets": lambda size: b"[" * size,
    "braces": lambda size: b'{"a":' * (size // 5),
    "blanks": lambda size: b" " * size,
    "open text": lambda size: b'{"message":"' + b"\\\\" * (size // 2),
    "backslashes": lambda size: b'{"message":"' + b"\\" * size,
}
