"""The pipeline again, slow and plain: whole dicts, stdlib json, real backtracking regexes.

It knows the shipped profile only and imports nothing of the package, so that agreement
with the fast pipeline says something. Rules are Logstash's; see the sections named.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

TS = (
    r"(?:[0-9]{2}){1,2}-(?:0?[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01]|[1-9])[T ]"
    r"(?:2[0-3]|[01]?[0-9]):?[0-5][0-9](?::?(?:[0-5]?[0-9]|60)(?:[:.,][0-9]+)?)?"
    r"(?:Z|[+-](?:2[0-3]|[01]?[0-9]):?[0-5][0-9])?"
)
GROK = [
    re.compile(
        rf"^(?P<log_level>[A-Za-z0-9_]+)\|(?P<logger_name>.*?)\|(?P<log_timestamp>{TS})"
        r"\.(?P<log_ms>[+-]?[0-9]+)\|(?P<log_message>.*)\Z",
        re.MULTILINE | re.DOTALL,
    ),
    re.compile(
        rf"^(?P<log_level>[A-Za-z0-9_]+)\|(?P<logger_name>.*?)\|(?P<log_timestamp>{TS})"
        r"\|(?P<log_message>.*)\Z",
        re.MULTILINE | re.DOTALL,
    ),
]
CATEGORIES: list[tuple[str, str, str | None]] = [
    (r"\Adjango(\.|\Z)", "django", None),
    (r"\Awerkzeug(\.|\Z)", "server", None),
    (r"\Aboto|\As3transfer(\.|\Z)", "aws", None),
    (r"\Aurllib3(\.|\Z)", "network", None),
    (r"\A(asyncio|PIL)(\.|\Z)|\Aroot\Z", "system", None),
    (r"\Aapps\.(custom_auth|onboarding)(\.|\Z)", "app", "auth"),
    (r"\Aapps\.parcels(\.|\Z)", "app", "parcels"),
    (r"\Aapps\.tenant_manager(\.|\Z)", "app", "tenant"),
    (r"\Aapps\.notification(\.|\Z)", "app", "notification"),
    (r"\Aapps\.manage_reports(\.|\Z)", "app", "reports"),
    (r"\Aapps\.integrations(\.|\Z)", "app", "integrations"),
    (r"\Aapps\.dashboard(\.|\Z)", "app", "dashboard"),
    (r"\Aapps\.data_governance(\.|\Z)", "app", "data_governance"),
    (r"\Aapps\.branded(\.|\Z)", "app", "branded"),
    (r"\Aapps\.container(\.|\Z)", "app", "container"),
    (r"\Aapps\.harmonization(\.|\Z)", "app", "harmonization"),
    (r"\Aapps\.logs(\.|\Z)", "app", "logs"),
    (r"\Aapps\.cron_tasks(\.|\Z)|\Acelery(\.|\Z)|\.tasks\Z", "app", "tasks"),
    (r"\Aapps\.common(\.|\Z)", "app", "common"),
    (r"\Aconfig(\.|\Z)", "app", "config"),
]
MISSING = object()


@dataclass
class Answer:
    outcome: str
    reason: str | None = None
    document: dict[str, Any] | None = None
    data_stream: str | None = None
    notes: set[str] = field(default_factory=set)
    key: str | None = None


class Refused(Exception):
    """The payload is no event; the argument is the reason."""


def answer(payload: bytes) -> Answer:
    """The expected result for a payload under the shipped profile."""
    notes: set[str] = set()
    try:
        event = read(payload, notes)
    except Refused as refused:
        return Answer("dead_letter", str(refused), notes=notes)
    if event.get("group") != "pt" or isinstance(event["group"], bool):
        below = event.get("fields")
        if "group" not in event and isinstance(below, dict) and below.get("group") == "pt":
            notes.add("fields_not_under_root")
        return Answer("dropped", "other_group", notes=notes)
    tags = event.get("tags")
    if not (tags is None or is_text(tags) or (is_list(tags) and all(map(is_text, tags)))):
        return Answer("dead_letter", "tags_invalid", notes=notes)
    has_line = event.get("message") is not None or event.get("line") is not None
    inner = event.get("event", {})
    if not isinstance(inner, dict) and (inner is not None or has_line):
        return Answer("dead_letter", "event_invalid", notes=notes)
    return filters(event, notes)


# --- JSON ---------------------------------------------------------------------------------


def read(payload: bytes, notes: set[str]) -> dict[str, Any]:
    payload = payload.removeprefix(b"\xef\xbb\xbf")
    text = payload.decode("utf-8", "replace")
    if text.encode() != payload:
        notes.add("invalid_utf8")
    if not payload.strip():
        raise Refused("empty")

    lengths = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        lengths.append(len(pairs))
        return {mended(key, notes): mended(value, notes) for key, value in pairs}

    try:
        value = json.loads(text, object_pairs_hook=unique, parse_constant=refused_constant)
    except ValueError:
        raise Refused("not_json") from None
    if not isinstance(value, dict):
        raise Refused("not_an_object")
    if lengths[-1] != len(value):
        notes.add("duplicate_keys")
    return value


def refused_constant(name: str) -> Any:
    raise ValueError(name)


def mended(value: Any, notes: set[str]) -> Any:
    """Replace lone surrogates."""
    if isinstance(value, list):
        return [mended(each, notes) for each in value]
    if not isinstance(value, str):
        return value
    text = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if text != value:
        notes.add("lone_surrogate")
    return text


# --- stages -------------------------------------------------------------------------------


def filters(event: dict[str, Any], notes: set[str]) -> Answer:
    sent = event.pop("@timestamp", None)
    event.pop("@metadata", None)
    event.setdefault("@version", "1")
    time = sent_time(sent) if is_text(sent) else None
    event["@timestamp"] = time or "<now>"
    source = "message" if event.get("message") is not None else "line"
    if event.get(source) is not None:
        text = text_of(event.pop(source))
        event.setdefault("message", text)
        event["event"] = {"original": text} | event.get("event", {})
        tag(event, "beats_input_codec_plain_applied")
    else:
        if sent is not None and time is None:
            event["_@timestamp"] = sent
            tag(event, "_timestampparsefailure")
        tag(event, "beats_input_raw_event")
    if "invalid_utf8" in notes:
        tag(event, "_invalid_utf8")
    captured = grok(event, notes)
    mutate(event, notes)
    category(event)
    date(event, notes)
    if event["@timestamp"] == "<now>":
        notes.add("time_made_up")
    result = route(event, notes)
    result.key = key_of(event, captured, sent)
    return result


def grok(event: dict[str, Any], notes: set[str]) -> dict[str, str]:
    message = event.get("message")
    found = None
    for pattern in GROK:
        found = found or (pattern.search(message) if isinstance(message, str) else None)
    if found is None:
        notes.add("grok_failure")
        tag(event, "_grokparsefailure_pt")
        return {}
    for name, text in found.groupdict().items():
        old = event.get(name)
        if text == "":
            continue
        if old is None:
            event[name] = text
        elif is_text(old):
            event[name] = [old, text]
        elif is_list(old):
            event[name] = [*old, text]
    return found.groupdict()


def mutate(event: dict[str, Any], notes: set[str]) -> None:
    dataset = interpolated(event.get("service"))
    wanted = {
        "data_stream": {"type": "logs", "dataset": dataset, "namespace": "pt"},
        "event": {"module": "pt"},
    }
    for name in wanted:
        if not isinstance(event.get(name), dict | list | None):
            notes.add("mutate_failure")
            tag(event, "_mutate_error")
            return
    for name, fields in wanted.items():
        if not is_list(event.get(name)):
            event[name] = (event.get(name) or {}) | fields


def category(event: dict[str, Any]) -> None:
    name = event.get("logger_name")
    for pattern, stream, module in CATEGORIES:
        if isinstance(name, str) and re.search(pattern, name):
            event["stream"] = stream
            if module is not None:
                event["app_module"] = module
            return
    event["stream"] = event["app_module"] = "unknown"


def date(event: dict[str, Any], notes: set[str]) -> None:
    value = event.get("log_timestamp")
    if "_grokparsefailure_pt" in event["tags"] or not truthy(value):
        return
    printed = line_time(value) if isinstance(value, str) else None
    if printed is None:
        notes.add("date_failure")
        tag(event, "_dateparsefailure")
    else:
        event["@timestamp"] = printed


def route(event: dict[str, Any], notes: set[str]) -> Answer:
    if not truthy(event.get("service")):
        return Answer("dropped", "no_service", event, notes=notes)
    stream = event.get("data_stream")
    if not isinstance(stream, dict):
        event["data_stream"] = {"type": "logs", "dataset": "generic", "namespace": "default"}
    else:
        defaults = {"type": "logs", "dataset": "generic", "namespace": "default"}
        for part, default in defaults.items():
            if stream.get(part) is None:
                stream[part] = default
    parts = event["data_stream"]
    name = "-".join(interpolated(parts[part]) for part in ("type", "dataset", "namespace"))
    if re.search(r"%\{.*?\}", name):
        return Answer("dead_letter", "index_interpolation", event, name, notes)
    if (
        re.search(r'[\\/*?"<>|,#: \x00-\x1f\x7f-\x9f]', name)
        or name != name.lower()
        or re.match(r"[-_+]|\.ds-", name)
        or len(name.encode()) > 255
    ):
        return Answer("dead_letter", "illegal_data_stream", event, name, notes)
    return Answer("indexed", None, event, name, notes)


# --- values -------------------------------------------------------------------------------


def is_text(value: Any) -> bool:
    return isinstance(value, str)


def is_list(value: Any) -> bool:
    return isinstance(value, list)


def truthy(value: Any) -> bool:
    return not (value is None or value is False or value in ("", "false"))


def tag(event: dict[str, Any], name: str) -> None:
    tags = event.get("tags")
    listed = [] if tags is None else [tags] if isinstance(tags, str) else tags
    if name not in listed:
        event["tags"] = [*listed, name]


def text_of(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def interpolated(value: Any) -> str:
    if value is None:
        return "%{[service]}"
    if isinstance(value, list):
        return ",".join("" if each is None else interpolated_in_list(each) for each in value)
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return java_text(value)


def interpolated_in_list(value: Any) -> str:
    return interpolated(value) if isinstance(value, list) else java_text(value)


def java_text(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={java_text(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(java_text, value)) + "]"
    return str(value)


# --- times --------------------------------------------------------------------------------


def sent_time(text: str) -> str | None:
    """Filebeat's own time; the tests send RFC 3339 in the years 1 to 9999 or nonsense."""
    form = r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)"
    found = re.fullmatch(form, text, re.ASCII)
    if found is None:
        return None
    if found[3] != "Z" and (int(found[3][1:3]), int(found[3][4:])) > (18, 0):
        return None  # java.time knows no zone further from UTC
    try:
        moment = datetime.fromisoformat(found[1] + found[3].replace("Z", "+00:00"))
        moment = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    digits = (found[2] or "").ljust(9, "0")
    while len(digits) > 3 and digits.endswith("000"):
        digits = digits[:-3]
    return f"{moment:%Y}".rjust(4, "0") + f"{moment:-%m-%dT%H:%M:%S}.{digits}Z"


def line_time(text: str) -> str | None:
    zone = r"(Z|[+-]\d\d:?\d\d)?"
    day = r"(\d{1,9})-(\d\d?)-(\d\d?)"
    found = re.fullmatch(
        day + r"T(\d\d?):(\d\d)(?::(\d\d?)(?:[.,](\d{1,9}))?)?" + zone, text, re.ASCII
    ) or re.fullmatch(day + r" (\d\d?):(\d\d):(\d\d?)[.,](\d{1,3})" + zone, text, re.ASCII)
    if found is None:
        return None
    year, month, date_, hour, minute = (int(found[number]) for number in range(1, 6))
    second, millis = int(found[6] or 0), (found[7] or "").ljust(3, "0")[:3]
    offset = timedelta()
    if found[8] and found[8] != "Z":
        if int(found[8][1:3]) > 23 or int(found[8][-2:]) > 59:
            return None
        offset = timedelta(hours=int(found[8][1:3]), minutes=int(found[8][-2:]))
        offset = -offset if found[8][0] == "-" else offset
    try:
        # The Gregorian calendar repeats after 400 years, and datetime has no year 0.
        moment = datetime(year % 400 + 400, month, date_, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    moment -= offset
    shown = year - year % 400 - 400 + moment.year
    printed = f"{shown:04d}" if 0 <= shown <= 9999 else f"{shown:+05d}"
    return f"{printed}-{moment:%m-%dT%H:%M:%S}.{millis}Z"


# --- keys ---------------------------------------------------------------------------------


def key_of(event: dict[str, Any], captured: dict[str, str], sent: Any) -> str | None:
    """The expected id of the document; the tests send no message longer than the searched part."""
    agent, host, log = (event.get(name) for name in ("agent", "host", "log"))
    if not (isinstance(agent, dict) and isinstance(log, dict)) or "offset" not in log:
        return None
    name = host.get("name") if isinstance(host, dict) else host
    place = file_of(log.get("file") or {}) or container_of(event)
    if not (agent.get("id") and name and isinstance(name, str) and place):
        return None
    message = event.get("message")
    own = own_time(message if isinstance(message, str) else "", captured)
    if own is None:
        printed = sent_time(sent) if is_text(sent) else None
        if printed is None:
            return None
        own = (sent, millis_of(printed))
    framed = msgspec.msgpack.encode((agent["id"], place, name, log["offset"], message, own[0]))
    start = min(max(own[1], 0), 2**48 - 1).to_bytes(6, "big")
    raw = start + hashlib.blake2b(framed).digest()[:10]
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def file_of(file: dict[str, Any]) -> tuple[Any, ...] | None:
    device, inode = file.get("device_id"), file.get("inode")
    if file.get("fingerprint"):
        return ("fingerprint", file["fingerprint"], device, inode)
    if device and inode:
        return (device, inode)
    if not file.get("path"):
        return None
    return ("path", file["path"], None, device, inode) if device or inode else (file["path"],)


def container_of(event: dict[str, Any]) -> tuple[Any, ...] | None:
    container, around = event.get("container"), event.get("kubernetes")
    members = around if isinstance(around, dict) else {}
    pod, inner = members.get("pod"), members.get("container")
    if not isinstance(around, dict | None) or not (
        holds_text(container, "id") and holds_text(pod, "uid") and holds_text(inner, "name")
    ):
        return None  # the types differ from Filebeat's
    number, uid, name = (
        (value or {}).get(field)
        for value, field in ((container, "id"), (pod, "uid"), (inner, "name"))
    )
    found = number or (uid and name)
    return ("container", number, uid, name, None, None, None) if found else None


def holds_text(value: Any, field: str) -> bool:
    """Say whether a value is null, or an object whose member is text, null or missing."""
    return value is None or (isinstance(value, dict) and isinstance(value.get(field), str | None))


MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
DAY = r"(?P<d>0?[1-9]|[12]\d|3[01])"
NAME, YEAR = "(?P<n>[A-Z][a-z]{2})", r"(?P<y>\d{4})"
CLOCK = r"(?P<H>[01]?\d|2[0-3]):(?P<M>[0-5]\d)"
SECOND = r":(?P<S>[0-5]\d|60)(?:[.,](?P<f>\d{1,9}))?"
ZONE = r"(?: ?(?P<z>Z|(?:UTC|GMT)?[+-]\d\d(?::?\d\d)?|UTC|GMT))?"
OWN_TIMES = [
    re.compile(form, re.ASCII)
    for form in (
        rf"{YEAR}([-/])(?P<m>0?[1-9]|1[0-2])\2{DAY}[T ]{CLOCK}(?:{SECOND})?{ZONE}",
        rf"{DAY}[/ -]{NAME}[/ -]{YEAR}[: ]{CLOCK}{SECOND}{ZONE}",
        rf"{NAME}  ?{DAY} {CLOCK}{SECOND} (?:[A-Z]{{3,4}} )?{YEAR}",
        rf"{NAME}  ?{DAY} {YEAR} {CLOCK}{SECOND}{ZONE}",
    )
]
EPOCH = re.compile(
    r'"(@?timestamp|time|msec|ts)"[ \t]*:[ \t]*"?'
    r"((\d{10}(?:\d{3}|\d{6}|\d{9})?)(?:\.(\d{1,9}))?)(?!\d)",
    re.ASCII,
)


def own_time(message: str, captured: dict[str, str]) -> tuple[str, int] | None:
    """The line's own time: the one that grok captured, else the first in the line."""
    text = captured.get("log_timestamp")
    if text is not None:
        whole = [f"{text}.{captured['log_ms']}"] if captured.get("log_ms", "").isdigit() else []
        read = line_time(text) or first(line_time(full_form(one)) for one in [*whole, text])
        found = first_time(text)
        if read is not None:
            return text, millis_of(read)
        return text, 0 if found is None else found[1]
    return first_time(message)


def full_form(text: str) -> str:
    """A time with a space in the form with `T`, which may have any fraction or none."""
    return text.replace(" ", "T") if re.fullmatch(r"\d+-\d+-\d+ .*", text) else text


def first(values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def first_time(text: str) -> tuple[str, int] | None:
    for start in range(len(text)):
        for form in OWN_TIMES:
            found = form.match(text, start)
            if found and found.groupdict().get("n", "Jan") in MONTHS:
                return found[0], counted(found.groupdict())
    epoch = EPOCH.search(text) if text.startswith("{") else None
    if epoch is None:
        return None
    return epoch[2], int((epoch[3] + (epoch[4] or ""))[:13].ljust(13, "0"))


def counted(parts: dict[str, str | None]) -> int:
    """Milliseconds of a date that may not exist: days are counted on from the month's last."""
    name = parts.get("n")
    month = MONTHS.index(name) + 1 if name else int(parts["m"] or 0)
    year, day = int(parts["y"] or 0), int(parts["d"] or 0)
    # The Gregorian calendar repeats after 400 years, and datetime has no year 0.
    following = datetime(year % 400 + 400 + month // 12, month % 12 + 1, 1, tzinfo=UTC)
    last = (following - timedelta(days=1)).day
    moment = datetime(year % 400 + 400, month, min(day, last), tzinfo=UTC)
    moment += timedelta(hours=int(parts["H"] or 0), minutes=int(parts["M"] or 0))
    zone = re.fullmatch(r".*([+-])(\d\d):?(\d\d)?", parts.get("z") or "")
    if zone:
        offset = timedelta(hours=int(zone[2]), minutes=int(zone[3] or 0))
        moment -= -offset if zone[1] == "-" else offset
    days = (moment - datetime(1970, 1, 1, tzinfo=UTC)).days + (year // 400 - 1) * 146_097
    within = (moment.hour * 60 + moment.minute) * 60 + int(parts["S"] or 0)
    return (days * 86_400 + within) * 1000 + int((parts["f"] or "").ljust(3, "0")[:3])


def millis_of(printed: str | None) -> int:
    """Milliseconds of a time as Logstash prints it."""
    if printed is None:
        return 0
    found = re.fullmatch(r"([+-]?\d+)-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.(\d{3}).*Z", printed)
    assert found is not None
    year, month, day, hour, minute, second, millis = map(int, found.groups())
    moment = datetime(year % 400 + 400, month, day, hour, minute, second, tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    days = since.days + (year // 400 - 1) * 146_097
    return (days * 86_400 + since.seconds) * 1000 + millis
