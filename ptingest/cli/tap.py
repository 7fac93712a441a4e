"""`ptingest tap`: events as they pass through a running server.

The server matches and samples; here lines are read and shown until enough came, the time is
over or the reader leaves. Counts go to standard error, events to standard output.
"""

from __future__ import annotations

import base64
import json
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import click

from ptingest.cli.exit_codes import ExitCode
from ptingest.cli.options import (
    address_option,
    api_of,
    config_option,
    load_settings,
    token_option,
)
from ptingest.cli.visible import document_text, one_line, visible, visible_json
from ptingest.doctor.units import plural
from ptingest.errors import ServerUnreachable
from ptingest.model.watching import FATES

if TYPE_CHECKING:
    from ptingest.api.client import ServerClient

SILENCE_SECONDS = 20.0
"""The server sends a line at least every five."""
REPORT_SECONDS = 5.0
"""How often the number of skipped events is printed."""
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
_MARKS = {"dropped": "DROPPED", "dead_lettered": "DEAD LETTER"}

Line = dict[str, Any]


def _seconds(_: click.Context, option: click.Parameter, text: str | None) -> float | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if found is None or not float(found[1]):
        raise click.BadParameter(f"{text!r} is not a duration; write 30s, 5m or 1h", param=option)
    return float(found[1]) * _UNITS[found[2]]


@click.command(epilog="Example: ptingest tap 'service:django and log_level:ERROR' --for 1m")
@click.argument("query", default="*")
@click.option("--json", "as_json", is_flag=True, help="Print whole documents, one per line.")
@click.option("--raw", is_flag=True, help="Events as received, before the pipeline.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="End after N events.")
@click.option("--for", "span", callback=_seconds, metavar="30s", help="End after this time.")
@click.option(
    "--sample",
    type=click.FloatRange(min=0, min_open=True, max=1),
    default=1.0,
    metavar="SHARE",
    help="Share of events to look at; 0.01 is one in a hundred.",
)
@click.option(
    "--fate",
    "fates",
    multiple=True,
    type=click.Choice([*FATES, "all"]),
    help="Which events; repeatable.  [default: passed]",
)
@address_option
@token_option
@config_option
def tap(
    query: str,
    as_json: bool,
    raw: bool,
    limit: int | None,
    span: float | None,
    sample: float,
    fates: tuple[str, ...],
    address: str | None,
    token_file: Path | None,
    config: Path | None,
) -> ExitCode:
    """Show events as they pass, after the pipeline, in the query language of `search`.

    A tap never slows the server down: under load it shows only some events, and prints how
    many it skipped. Exit codes: 0, or 4 if the server does not answer or ends the tap.
    """
    from ptingest.api.client import ServerClient

    if as_json and raw:
        raise click.UsageError("--json and --raw exclude each other")
    api = api_of(load_settings(config), address, token_file)
    wanted = list(FATES) if "all" in fates else list(fates) or ["passed"]
    asked: list[tuple[str, str]] = [("query", query), *(("fate", fate) for fate in wanted)]
    if raw:
        asked.append(("raw", "1"))
    if sample < 1:
        asked.append(("share", repr(sample)))
    with ServerClient(api, seconds=SILENCE_SECONDS) as client:
        view = _View(as_json=as_json, raw=raw, limit=limit)
        return view.show(_lines(client, f"/tap?{urlencode(asked)}", span))


def _lines(client: ServerClient, path: str, span: float | None) -> Iterator[Line | None]:
    """Yield the server's lines, and None when the time is over.

    Raises:
        ServerUnreachable: it does not answer, or says nothing any more.
    """
    import http.client

    from ptingest.api.client import EVENT_BYTES

    end = None if span is None else time.monotonic() + span
    answer = client.open_ok("GET", path)
    while True:
        left = SILENCE_SECONDS if end is None else min(SILENCE_SECONDS, end - time.monotonic())
        if left <= 0:
            yield None
            return
        client.wait_at_most(left)
        try:
            line = answer.readline(EVENT_BYTES)
        except TimeoutError:
            if end is not None and time.monotonic() >= end:
                yield None
                return
            cause = f"{client.where} has sent nothing for {SILENCE_SECONDS:g} s"
            raise ServerUnreachable(cause=cause) from None
        except (OSError, http.client.HTTPException) as error:
            raise ServerUnreachable(
                cause=f"{client.where} closed the connection: {error}"
            ) from error
        if not line.endswith(b"\n"):
            raise ServerUnreachable(cause=f"{client.where} closed the connection")
        yield _read(line)


def _read(text: bytes) -> Line:
    """Read one line; the document stays as it came, number texts and all."""
    import msgspec

    fields = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    document = fields.pop("document", None)
    line: Line = {name: msgspec.json.decode(value) for name, value in fields.items()}
    if document is not None:
        line["document"] = bytes(document)
    return line


class _View:
    """Shows lines and keeps the counts."""

    def __init__(self, *, as_json: bool, raw: bool, limit: int | None) -> None:
        self._as_json, self._raw, self._limit = as_json, raw, limit
        self._shown = 0
        self._reported: Line = {}
        self._missed, self._missed_at = 0, 0.0

    def show(self, lines: Iterator[Line | None]) -> ExitCode:
        """Show lines until the server or a limit ends the tap."""
        try:
            for line in lines:
                if line is None:
                    break
                if "ended" in line:
                    raise ServerUnreachable(cause=f"the server ended the tap: {line['ended']}")
                if "told" in line:
                    self._tell(line["told"])
                    continue
                self._show(line)
                if self._shown == self._limit:
                    break
        except KeyboardInterrupt:
            pass
        finally:
            self._sum_up()
        return ExitCode.DONE

    def _show(self, line: Line) -> None:
        self._shown += 1
        if self._as_json and "document" in line:
            _write(one_line(line["document"]))
        elif self._raw or self._as_json:
            _write(_payload(line))
        else:
            click.echo(_readable(line))

    def _tell(self, reported: Line) -> None:
        self._reported = reported
        missed, now = reported["skipped"] + reported["lost"], time.monotonic()
        if missed > self._missed and now - self._missed_at >= REPORT_SECONDS:
            self._missed, self._missed_at = missed, now
            click.echo(click.style(f"({_missed_words(reported)})", dim=True), err=True)

    def _sum_up(self) -> None:
        reported = self._reported
        # The last counts may be older than the last event.
        is_known = bool(reported) and reported["passed"] >= self._shown
        passed = f" of {reported['passed']} that passed" if is_known else ""
        has_missed = bool(reported) and reported["skipped"] + reported["lost"] > 0
        missed = f"; {_missed_words(reported)}" if has_missed else ""
        click.echo(f"{plural(self._shown, 'event')}{passed}{missed}", err=True)


def _missed_words(reported: Line) -> str:
    parts = []
    if reported["skipped"]:
        parts.append(f"{reported['skipped']} skipped, so that events are not slowed down")
    if reported["lost"]:
        parts.append(f"{reported['lost']} lost, because this command read too slowly")
    return "; ".join(parts)


def _write(line: bytes) -> None:
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


def _payload(line: Line) -> bytes:
    """The event as received, byte for byte; escaped on a terminal."""
    if "payload_base64" in line:
        payload = base64.b64decode(line["payload_base64"])
    else:
        payload = str(line.get("payload", "")).encode()
    if sys.stdout.isatty():
        return visible_json(payload.decode("utf-8", "backslashreplace")).encode() + b"\n"
    return payload + b"\n"


def _readable(line: Line) -> str:
    mark = _MARKS.get(line["fate"])
    if "document" in line:
        document = json.loads(line["document"])
        text = document_text(document, line.get("data_stream") or line["service"])
    else:
        text = f"{visible(line['service'])} {_payload_text(line)}"
    if mark is None:
        return text
    why = visible(": ".join(str(line[name]) for name in ("reason", "detail") if line.get(name)))
    return f"{click.style(mark, fg='red', bold=True)} {why}  {text}"


def _payload_text(line: Line) -> str:
    if "payload_base64" in line:
        return visible(base64.b64decode(line["payload_base64"]).decode("utf-8", "backslashreplace"))
    return visible(str(line.get("payload", "")))
