"""Hypothesis strategies for events: common ones, unusual ones, and their bytes mutated."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

TIMES = st.sampled_from(
    [
        "2025-01-02T03:04:05.678",
        "2025-01-02T03:04:05,678",
        "2025-01-02T03:04:05",
        "2025-01-02_03:04:05",
        "2025-01-02_03:04:05.678",
        "2025-01-02_03:04:05,678",
        "2025-01-02T03:04:05Z",
        "2025-01-02T03:04:05.678Z",
        "2025-01-02_03:04:05,678Z",
        "2025-01-02T03:04:05.678+05:30",
        "2025-01-02T03:04:05.678901",
        "25-1-2T3:04",
        "2025-01-02T03:04:60",
        "2025-02-30T03:04:05",
        "0000-01-01T00:00:00",
        "0000-01-01T00:00:00+01:00",
        "2025-02-29_03:04:05,678",
        "2024-02-29_03:04:05,678",
        "2025-01-02T0304",
        "2025-01-02T03:04:05.+6",
        "2025-01-02_03:04:05Z",
        "9999-12-31T23:59:59.999",
        "2025-01-02",
        "2025-01-02T03:04:05:678",
        "nonsense",
    ]
)
LEVELS = st.sampled_from(["INFO", "ERROR", "W_1", "info", "50", "", " INFO", "IN-FO"])
LOGGERS = st.sampled_from(
    [
        "django.request",
        "apps.parcels.tasks",
        "boto3",
        "root",
        "root.x",
        "celery",
        "x.tasks",
        "config",
        "configx",
        "",
        "a\nb",
        "żółć",
        "apps.common",
        'a"b',
        "a\\b",
        "urllib3.x",
    ]
)
TEXTS = st.sampled_from(
    ["", "msg", "a|b", "tab\there", "|2025-01-02T03:04:09.001|stolen", "2025-01-02T03:04:09.001|x",
     "x\nERROR|root|2025-01-02T03:04:09.001|two", "📦 ż", "\x1b[31mred|", "end\n", "|", 'q"q']
)  # fmt: skip
LINES = st.builds(
    lambda before, level, logger, time, text: (
        f"{before}{level}|{logger}|{time.replace('_', ' ')}|{text}"
    ),
    st.sampled_from(["", "", "", "\n", "noise\n", "noise\r"]), LEVELS, LOGGERS, TIMES, TEXTS,
)  # fmt: skip
OWN_TIMES = st.sampled_from(
    [
        "[02/Jan/2025:03:04:05 +0000]",
        "[02/Jan/2025 03:04:05]",
        "2025/01/02 03:04:05 [error] 31#31: *7 ",
        "Thu Jan  2 03:04:05 2025",
        "Thu, 02 Jan 2025 03:04:05 GMT",
        "Thu Jan 02 2025 03:04:05 GMT+0530",
        "2025-02-30T03:04:60.5Z",
        '{"level":"info","time":"2025-01-02T03:04:05.678Z"}',
        '{"level":30,"time":1735787045678}',
        '{"ts": 1735787045.678}',
        '{"id":1735787045678}',
        "02/Jam/2025:03:04:05",
        "12025-01-02T03:04:05",
        "0000-01-01 00:00 +2359",
        "03:04:05",
    ]
)
MESSAGES = st.one_of(
    LINES, LINES, st.builds("".join, st.lists(st.one_of(LINES, TEXTS, OWN_TIMES), max_size=3)),
    OWN_TIMES, st.text(max_size=20), st.just('203.0.113.7 - - "GET / HTTP/1.1" 200'),
)  # fmt: skip
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 10**20), st.sampled_from([1.0, 0.5, 42.25]),
    st.text(max_size=8), st.sampled_from(["", "false", "django", "%{[group]}", "a b", "Ünï"]),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.text('ab\n"', max_size=2), inner, max_size=3),
    ),
    max_leaves=5,
)  # fmt: skip
SERVICES = st.one_of(
    st.sampled_from(["django", "celery", "nginx", "unknown-one", "Django", "a b"]), VALUES
)
TAGS = st.one_of(
    st.lists(st.sampled_from(["a", "_grokparsefailure_pt", "beats_input_codec_plain_applied"])),
    st.sampled_from(["a", "", "x_grokparsefailure_ptx", "beats_input_codec_plain_applied"]),
    VALUES,
)
SENT = st.one_of(
    st.sampled_from(["2025-01-02T03:04:06.123Z", "2025-01-02T03:04:06.123456Z", "garbage",
                     "2025-01-02T03:04:06Z", "2025-01-02T03:04:06.100+02:00"]),
    VALUES.filter(lambda value: not isinstance(value, str)),
)  # fmt: skip
OURS = ["log_level", "logger_name", "log_timestamp", "log_ms", "log_message", "stream",
        "app_module", "data_stream", "event", "@version", "line", "extra"]  # fmt: skip
FILES: Any = st.sampled_from(
    [None, {}, {"path": "/p"}, {"path": "/p", "inode": "1"}, {"fingerprint": "f"}, {"path": ""},
     {"path": "/p", "inode": "1", "device_id": "2", "fingerprint": "f"}]
)  # fmt: skip
AROUND: Any = st.sampled_from(
    [{}, {"container": {"id": "c"}}, {"kubernetes": {"pod": {"uid": "u"}}},
     {"kubernetes": {"pod": {"uid": "u"}, "container": {"name": "n"}}, "container": {}}]
)  # fmt: skip
BASE = {
    "@metadata": {"beat": "filebeat", "type": "_doc", "version": "8.19.0"},
    "agent": {"id": "3d2f1f5e", "ephemeral_id": "e", "name": "pt-app-1"},
    "log": {
        "file": {"path": "/var/log/pt/django.log", "inode": "1", "device_id": "2"},
        "offset": 7,
    },
    "host": {"name": "pt-app-1"},
    "group": "pt",
}


@st.composite
def events(draw: st.DrawFn) -> dict[str, Any]:
    """Mostly an event as Filebeat sends it, with up to three fields of any value."""
    event: dict[str, Any] = dict(BASE)
    event["message"] = draw(MESSAGES)
    event["service"] = draw(SERVICES)
    event["@timestamp"] = draw(SENT)
    if draw(st.integers(0, 3)) == 0:
        event["tags"] = draw(TAGS)
    if draw(st.integers(0, 3)) == 0:
        event["log"] = {"offset": 7, "file": draw(FILES)}
        event |= draw(AROUND)
    for name in draw(st.lists(st.sampled_from(OURS), max_size=2)):
        event[name] = draw(VALUES)
    for name in draw(st.lists(st.sampled_from(list(event)), max_size=1)):
        if draw(st.booleans()):
            del event[name]
        else:
            event[name] = draw(VALUES)
    return event


@st.composite
def payloads(draw: st.DrawFn) -> bytes:
    """Events as bytes: compact, spaced, escaped, in any order."""
    event = draw(events())
    names = draw(st.permutations(list(event)))
    separators = draw(st.sampled_from([(",", ":"), (",", ":"), (", ", ": "), (",\n", ":")]))
    text = json.dumps(
        {name: event[name] for name in names},
        ensure_ascii=draw(st.booleans()),
        separators=separators,
    )
    return text.encode("utf-8", "surrogatepass")


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Payloads with some bytes cut, doubled or replaced."""
    payload = draw(payloads())
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(payload)))
        end = min(len(payload), start + draw(st.integers(0, 6)))
        new = draw(
            st.one_of(
                st.binary(max_size=3),
                st.just(payload[start:end] * 2),
                st.sampled_from(
                    [b'"', b"\\", b"\\ud800", b"{", b"}", b",", b'"group":"pt",', b"\xff"]
                ),
            )
        )  # fmt: skip
        payload = payload[:start] + new + payload[end:]
    return payload
