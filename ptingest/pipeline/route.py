"""Names of data streams, and which of them Elasticsearch accepts.

    service "django"  ->  logs-django-pt

Logstash sends any name and drops the event when a 400 is returned. Here an illegal name is
found before sending, and its event is dead-lettered with the reason. Names are mended only when
the profile says so.
"""

from __future__ import annotations

import re
from typing import Literal

from ptingest.model.document import DataStream
from ptingest.model.streams import KnownStream, StreamNames
from ptingest.settings.profile import ProfileSettings
from ptingest.settings.profiles import Profile

MAX_NAME_BYTES = 255
MAX_DATASET_BYTES = 100

# Logstash's output uses these for parts that an event does not name.
FALLBACK = DataStream("logs", "generic", "default")

_FORBIDDEN = re.compile(r'[\\/*?"<>|,#: \x00-\x1f\x7f-\x9f]')
_NOT_ECS = re.compile(r'[\\/*?"<>|,#: \-\x00-\x1f]')


def illegal_name(name: str) -> str | None:
    """Say what is wrong with a data stream's name, or return None when Elasticsearch accepts
    it."""
    found = _FORBIDDEN.search(name)
    if found is not None:
        return f"{found.group()!r} is not allowed in a data stream's name"
    if name != name.lower():
        return "a data stream's name must be lower case"
    if name.startswith(("-", "_", "+", ".ds-")) or name in (".", ".."):
        return "a data stream's name must not begin with -, _, + or .ds-"
    if len(name.encode("utf-8")) > MAX_NAME_BYTES:
        return f"a data stream's name must not be longer than {MAX_NAME_BYTES} bytes"
    return None


def is_unresolved(name: str) -> bool:
    """Whether a placeholder is left in the name, which Logstash's output refuses to send.

    That is ``%{`` and a later ``}`` in the same line. The search goes from one ``}`` to the
    next, since a search from each ``%{`` would take time quadratic in the name's length.
    """
    start = name.find("%{")
    while start >= 0:
        end = name.find("}", start + 2)
        if end < 0:
            return False
        line = name.rfind("\n", start, end) + 1
        if name.find("%{", max(line, start), end) >= 0:
            return True
        start = name.find("%{", end)
    return False


def shown(text: str) -> str:
    """Quote a name for people; cut it when it is longer than any legal one."""
    return repr(text if len(text) <= MAX_NAME_BYTES else text[: MAX_NAME_BYTES - 3] + "...")


def mended_dataset(dataset: str, how: Literal["off", "lower", "ecs"]) -> str:
    """Make a dataset legal in a name, when the profile says so."""
    if how == "off":
        return dataset
    dataset = dataset.lower()
    if how == "lower":
        return dataset
    dataset = _NOT_ECS.sub("_", dataset) or "_"
    return dataset.encode("utf-8")[:MAX_DATASET_BYTES].decode("utf-8", "ignore")


def stream_names(profile: Profile) -> StreamNames:
    """Return the names that the events of a profile's groups are stored under.

    A ``logstash.conf`` has none: its events may go anywhere.
    """
    if not isinstance(profile, ProfileSettings):
        return StreamNames(())
    patterns: list[str] = []
    known: list[KnownStream] = []
    for group in profile.groups:
        type_, namespace = group.data_stream.type, group.data_stream.namespace
        pattern = f"{type_}-*-{namespace}"
        patterns.append(pattern)
        for service in group.known_services:
            dataset = mended_dataset(service, profile.sanitise_names)
            known.append(KnownStream(service, f"{type_}-{dataset}-{namespace}", pattern))
    return StreamNames(tuple(dict.fromkeys(patterns)), tuple(dict.fromkeys(known)))
