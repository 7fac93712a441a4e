"""`ptingest why`: the trace of one event.

Asks the running server for its trace, and searches the dead letters and the documents of the
config itself. A line that is not found is shown as the pipeline would process it.
"""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ptingest.cli.exit_codes import ExitCode
from ptingest.cli.options import (
    address_option,
    api_of,
    config_option,
    copyable,
    load_settings,
    token_option,
)
from ptingest.cli.terminal import width_of, wrapped
from ptingest.cli.visible import visible, write_json_line

if TYPE_CHECKING:
    from ptingest.model.explore import DocumentReader, Hit
    from ptingest.settings.api import ApiSettings
    from ptingest.settings.server import ServerSettings

ANSWER_SECONDS = 15.0
MOST = 10
"""Matches shown of each source; a short line may match thousands of events."""
_ID = re.compile(r"[A-Za-z0-9_-]{22}|[0-9A-HJKMNP-TV-Z]{26}")

Row = dict[str, Any]


@click.command(epilog="Example: ptingest why AZQm3vJrQk0yZ1x7uQeXbw --config ptingest.yaml")
@click.argument("event", metavar="ID|LINE")
@click.option("--service", help="With a LINE: its service, to show how it would be processed.")
@click.option("--json", "as_json", is_flag=True, help="Print everything found as one JSON object.")
@address_option
@token_option
@config_option
def why(
    event: str,
    service: str | None,
    as_json: bool,
    address: str | None,
    token_file: Path | None,
    config: Path | None,
) -> ExitCode:
    """Show the trace of one event: its window, pattern, rule, data stream, writes and ack.

    An ID is a document's key (`_id`), or a dead letter's; anything else is a LINE, looked up
    by its text. Exit codes: 0 found, 1 not found, 4 not found and no answer from the server.
    """
    settings = load_settings(config)
    is_id = _ID.fullmatch(event) is not None
    api = api_of(settings, address, token_file)
    server = _ask(api, {"id" if is_id else "line": event})
    letters, more_letters = _letters(settings, event, is_id=is_id)
    stored, more_stored = asyncio.run(_stored(settings, event, is_id=is_id))
    found: Row = {
        "asked": {"id" if is_id else "line": event},
        "server": server,
        "dead_letters": letters,
        "store": stored,
        "more": {
            "server": server.get("matching", 0) - len(server.get("found", ())),
            "dead_letters": more_letters,
            "store": more_stored,
        },
        "would_be": None,
    }
    is_found = bool(found["server"].get("found") or found["dead_letters"] or found["store"])
    if not is_found and not is_id:
        found["would_be"] = _would_be(settings, event, service)
    _show(found, as_json=as_json)
    if is_found:
        return ExitCode.DONE
    return ExitCode.NOT_REACHABLE if "failure" in found["server"] else ExitCode.FAILED


# --- where it may be ----------------------------------------------------------------------


def _ask(api: ApiSettings, question: Row) -> Row:
    """What the server remembers, or why it did not answer."""
    from ptingest.api.client import EVENT_BYTES, ServerClient
    from ptingest.errors import ServerUnreachable

    client = ServerClient(api, seconds=ANSWER_SECONDS)
    try:
        with client:
            answer = client.open_ok("POST", "/why", question)
            found: Row = client.as_json(client.read(answer, most=EVENT_BYTES))
    except ServerUnreachable as error:
        return {"failure": str(error)}
    return found


def _letters(settings: ServerSettings, event: str, *, is_id: bool) -> tuple[list[Row], int]:
    """The newest dead letters that fit, newest first, and how many more do."""
    from collections import deque

    from ptingest.dead_letters.queue import read_letters
    from ptingest.observe.trace import spellings

    directory = Path(settings.data_dir) / "dead_letters"
    needles = spellings(event)
    newest: deque[Row] = deque(maxlen=MOST)
    count = 0
    try:
        for stored in read_letters(directory, with_done=True):
            letter = stored.letter
            if is_id:
                fits = event in (stored.id, letter.key)
            else:
                fits = any(needle in letter.payload for needle in needles)
            if fits:
                count += 1
                newest.append(
                    {
                        "letter": stored.id,
                        "written_at": stored.time,
                        "id": letter.key,
                        "reason": letter.reason,
                        "detail": letter.detail,
                        "data_stream": letter.data_stream,
                        "peer": letter.peer,
                    }
                )
    except OSError as error:
        click.echo(f"dead letters: {error}", err=True)
    return list(reversed(newest)), count - len(newest)


async def _stored(settings: ServerSettings, event: str, *, is_id: bool) -> tuple[list[Row], int]:
    """The newest stored documents that fit, newest first, and how many more hold the same
    words."""
    from ptingest.cli.reading import reader_of
    from ptingest.errors import SinkUnavailable
    from ptingest.model.explore import View

    reader, store = reader_of(settings), settings.sinks.store
    if reader is None or (store is not None and not _is_there(settings, store.path)):
        return [], 0
    view = View(f"_id:{_quoted(event)}" if is_id else _query_of(event))
    found: list[Row] = []
    count = 0
    try:
        hits = [hit async for hits in reader.search(view, limit=MOST) for hit in hits]
        count = await reader.count(view) if len(hits) == MOST else len(hits)
        for hit in reversed(hits):
            row = _row(reader, hit, event, is_id=is_id)
            if row is not None:
                found.append(row)
            else:
                count -= 1
    except SinkUnavailable as error:
        click.echo(str(error), err=True)
    finally:
        await reader.close()
    return found, max(0, count - len(found))


def _is_there(settings: ServerSettings, store: str) -> bool:
    return (Path(settings.data_dir) / store).exists()


def _row(reader: DocumentReader, hit: Hit, event: str, *, is_id: bool) -> Row | None:
    import orjson

    try:
        document = orjson.loads(hit.body)
    except orjson.JSONDecodeError as error:
        click.echo(str(error), err=True)
        return None
    # A phrase matches in any case and with any characters between its words.
    if not is_id and event not in str(document.get("message")):
        return None
    return {"data_stream": hit.data_stream, "in": reader.title, "document": document}


def _query_of(line: str) -> str:
    """Write the query for documents whose message holds the words of a line."""
    return f"message:{_quoted(line)}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')[:5000]
    return f'"{escaped}"'


def _would_be(settings: ServerSettings, line: str, service: str | None) -> Row:
    """What the pipeline makes of a line, or of an event that is JSON."""
    from ptingest.pipeline.compile import compile_profile
    from ptingest.pipeline.plain_lines import as_events
    from ptingest.server.assembly import read_profile
    from ptingest.settings.profiles import named_services

    profile = read_profile(settings, os.environ)
    payload = line.encode("utf-8", "surrogateescape")
    is_event = line.startswith("{")
    if not is_event:
        known = next(iter(named_services(profile)), "unknown")
        group = profile.group_of("")
        (payload,) = as_events([payload], service=service or known, group=group)
    explained = compile_profile(profile).explain(payload, now_ns=time.time_ns())
    return {
        "outcome": explained.outcome,
        "reason": explained.reason,
        "detail": explained.detail,
        "data_stream": explained.data_stream,
        "pattern": explained.pattern,
        "rule": explained.rule,
        "notes": list(explained.notes),
        "passages": [one._asdict() for one in explained.passages],
        "document": explained.document,
    }


# --- showing it ---------------------------------------------------------------------------


def _show(found: Row, *, as_json: bool) -> None:
    import msgspec

    if as_json:
        write_json_line(msgspec.json.encode(found))
        return
    for line in lines(found, width=width_of(sys.stdout)):
        click.echo(line)


def lines(found: Row, *, width: int | None = None) -> Iterator[str]:
    """Everything found, as lines of text; untrusted text is escaped.

    With ``width`` no line is longer, as far as its words allow.
    """
    server = found["server"]
    for trace in server.get("found", ()):
        yield click.style(visible(trace["summary"]), bold=True)
        yield from _rows(_story(trace), width)
    for letter in found["dead_letters"]:
        why_so = f"{letter['reason']}: {letter['detail']}"
        text = f"dead letter {letter['letter']} of {letter['written_at']}: {why_so}"
        yield from wrapped(visible(text), indent=2, width=width)
        yield copyable(f"  `ptingest dead-letters show {visible(letter['letter'])}`")
    for hit in found["store"]:
        document = hit["document"]
        text = f"{document.get('@timestamp')} {document.get('message')}"
        text = f"in {hit['in']}, {hit['data_stream']}: {text}"
        yield from wrapped(visible(text), indent=2, width=width)
    yield from _more_lines(found, width)
    if not (server.get("found") or found["dead_letters"] or found["store"]):
        yield "not found"
    yield from wrapped(visible(_memory_line(server)), indent=2, width=width)
    if found["would_be"] is not None:
        yield click.style("if it arrived now:", bold=True)
        yield from _rows(_would_be_rows(found["would_be"]), width)


def _more_lines(found: Row, width: int | None) -> Iterator[str]:
    """Say how many events fit beside those that are shown, and how to see them."""
    places = {
        "server": "fit in the memory of the server; more of the line, or an id, tells them apart",
        "dead_letters": "are dead letters; more of the line, or an id, tells them apart",
        "store": "stored documents have these words",
    }
    for source, words in places.items():
        count = found["more"][source]
        if not count:
            continue
        text = f"… and {count:,} more {words}"
        if source == "store":
            query = shlex.quote(_query_of(found["asked"].get("line", "")))
            text = copyable(f"{text}: `ptingest search {query}`")
        yield from wrapped(visible(text), indent=2, width=width)


def _rows(rows: list[tuple[str, Any]], width: int | None) -> Iterator[str]:
    for name, value in rows:
        if value:
            yield from wrapped(visible(str(value)), first=f"  {name:12}", indent=14, width=width)


def _story(trace: Row) -> list[tuple[str, Any]]:
    window = trace["window"]
    rows: list[tuple[str, Any]] = [
        ("id", trace["id"] or "none: a duplicate cannot be recognised"),
        ("came", f"{trace['arrived_at']} from {trace['peer']}{_worker(trace)}"),
        ("certificate", trace["tls_subject"]),
        ("window", _window_words(window)),
        ("message", trace.get("message")),
        *_way(trace),
        ("rule", trace.get("rule")),
        ("noted", ", ".join(trace.get("notes") or ())),
        ("data stream", trace.get("data_stream")),
    ]
    if trace.get("profile_changed_since"):
        rows.append(("profile", "reloaded since: pattern, rule and notes are today's"))
    if not trace.get("has_text"):
        rows.append(("text", "no longer in memory, only the id (why.max_bytes, why.sample)"))
    rows += [("write", _attempt_words(attempt)) for attempt in trace["attempts"]]
    for sink, row in trace["sinks"].items():
        if row["state"] == "waiting":
            rows.append(("waits", f"{sink}: for {row['for']}"))
    return rows


def _way(explained: Row) -> list[tuple[str, Any]]:
    """The pattern that fits; of a logstash.conf the conditions and filters on the way."""
    passages = explained.get("passages") or ()
    if passages:
        return [("way", f"{one['place']} {one['text']}: {one['outcome']}") for one in passages]
    return [
        (
            "pattern",
            explained.get("pattern") or ("none fits" if explained.get("has_text") else None),
        )
    ]


def _worker(trace: Row) -> str:
    return f", worker {trace['worker']}" if trace.get("worker") else ""


def _window_words(window: Row) -> str:
    number = "not complete yet" if window["number"] is None else f"number {window['number']}"
    seq = f", seq {window['seq']} of {window['last_seq']}" if window["seq"] is not None else ""
    state = window["state"]
    if state == "acked":
        state = f"acked {window['acked_at']}, {window['seconds_to_ack']:.3f} s after it arrived"
    elif state == "given back":
        state = f"not acked: {window['given_back_because']}"
    return f"{number}{seq}, {window['events']} events, {state}"


def _attempt_words(attempt: Row) -> str:
    took = "under way" if attempt["seconds"] is None else f"{attempt['seconds']:.3f} s"
    said = f", {attempt['said']}" if attempt["said"] else ""
    why_so = ": ".join(attempt[name] for name in ("reason", "detail") if attempt[name])
    outcome = attempt["outcome"].replace("_", " ")
    more = f" ({why_so})" if why_so else ""
    return (
        f"{attempt['sink']} batch {attempt['batch']} at {attempt['began_at']}, {took}{said}: "
        f"{outcome}{more}"
    )


def _memory_line(server: Row) -> str:
    if "failure" in server:
        return f"the server was not asked: {server['failure']}"
    memory = server["memory"]
    if not memory["limit_bytes"]:
        return "the server remembers nothing: why.max_bytes is 0"
    return (
        f"the server remembers {memory['whole_events']} whole events of the last "
        f"{memory['whole_seconds']:.0f} s and {memory['id_events']} more by their id, back to "
        f"{memory['seconds']:.0f} s ago ({memory['bytes']} of {memory['limit_bytes']} bytes, "
        f"why.max_bytes)"
    )


def _would_be_rows(would_be: Row) -> list[tuple[str, Any]]:
    return [
        ("outcome", would_be["outcome"]),
        ("because", ": ".join(p for p in (would_be["reason"], would_be["detail"]) if p)),
        *_way({**would_be, "has_text": True}),
        ("rule", would_be["rule"]),
        ("noted", ", ".join(would_be["notes"])),
        ("data stream", would_be["data_stream"]),
    ]
