"""What codecs of an output make of an event where each is a record of its own.

json        the event as JSON                    plain   its format, or time, host and message
json_lines  the same and a newline               line    the same and a newline
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ptingest.pipeline.logstash.encode import encode_value
from ptingest.pipeline.logstash.event import Event
from ptingest.pipeline.logstash.options import Options
from ptingest.pipeline.logstash.sprintf import compile_lenient
from ptingest.pipeline.logstash.tree import Plugin, Text
from ptingest.pipeline.logstash.values import java_text

_TAKEN: Mapping[str, tuple[str, ...]] = {
    "json": ("charset",),
    "json_lines": ("charset", "delimiter"),
    "line": ("charset", "delimiter", "format"),
    "plain": ("charset", "format"),
}
"""Options that codecs take; ``ecs_compatibility`` changes nothing of what is written."""
Write = Callable[[Event], str]


def text_of_codec(options: Options) -> Write | None:
    """Return what writes an event as the codec does; None: as JSON, which is the document.

    Raises:
        RefusedConfig: there is no such codec here, or it has an option that cannot be followed.
    """
    codec: Plugin | None = options["codec"]
    name = "plain" if codec is None else codec.name
    if name not in _TAKEN:
        sentence = f"the codec {name} is not supported; {', '.join(sorted(_TAKEN))} are"
        raise options.refuse(sentence, "codec", is_unsupported=True)
    own = _own_options(options, codec, _TAKEN[name])
    end = own.get("delimiter", "\n") if name in ("line", "json_lines") else ""
    if name == "json":
        return None
    if name == "json_lines":
        return lambda event: encode_value(event.fields).decode() + end
    written = own.get("format")
    write = event_text if written is None else compile_lenient(written)
    return lambda event: write(event) + end


def _own_options(
    options: Options, codec: Plugin | None, known: tuple[str, ...]
) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for one in () if codec is None else codec.attributes:
        value = one.value.value if isinstance(one.value, Text) else None
        is_known = one.name in known and (one.name != "charset" or value == "UTF-8")
        if one.name == "ecs_compatibility":
            continue
        if value is None or not is_known:
            sentence = (
                f"{one.name} of the codec cannot be used; {' and '.join(known)} can, the charset "
                "being UTF-8"
            )
            raise options.refuse(sentence, "codec", is_unsupported=True)
        found[one.name] = value
    return found


def event_text(event: Event) -> str:
    """Return an event as Logstash prints one that nobody formats: time, host and message."""
    host, message = event.read("host"), event.read("message")
    shown = [
        "%{host}" if host is None else java_text(host),
        "%{message}" if message is None else java_text(message),
    ]
    moment = event.timestamp
    return " ".join(shown if moment is None else [str(moment), *shown])
