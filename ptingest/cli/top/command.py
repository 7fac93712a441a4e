"""`ptingest top`: the state of a running server, live.

    a thread asks /status and /metrics --> overview --> lines --> the screen
    keys and Ctrl-C are handled meanwhile, however long the server takes to answer

Without a terminal, and with ``--once``, one plain snapshot. A server that does not answer is
shown as such, and asked again.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
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
from ptingest.cli.terminal import is_drawable, width_of
from ptingest.cli.visible import write_json_line

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from ptingest.doctor.server_facts import ServerFacts
    from ptingest.settings.api import ApiSettings

    _Look = tuple[ServerFacts, dict[str, Any]]

Row = dict[str, Any]
LEAVE = frozenset("qQ\x03\x04")
LOOK_SECONDS = 0.1
"""Longest time until a key is handled."""
HINT = "q to quit"
PLAIN_WIDTH, PLAIN_HEIGHT = 132, 200
"""Size of a snapshot that goes to a file or a pipe."""


@click.command(epilog="Example: ptingest top --config ptingest.yaml --every 2")
@config_option
@address_option
@token_option
@click.option(
    "--every",
    type=click.FloatRange(min=0.1, max=3600),
    default=1.0,
    show_default=True,
    help="Seconds between two snapshots.",
)
@click.option("--once", is_flag=True, help="Print one snapshot, then exit.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each snapshot.")
def top(
    config: Path | None,
    address: str | None,
    token_file: Path | None,
    every: float,
    once: bool,
    as_json: bool,
) -> ExitCode:
    """Show a running server live: health, rates, books, connections, sinks.

    q or Ctrl-C quits. Without a terminal, and with --once, prints one plain snapshot. Exit codes:
    0, or 4 if a snapshot was wanted and the server did not answer.
    """
    api = api_of(load_settings(config), address, token_file)
    if as_json:
        return _print_json(api, every, once=once)
    if once or not is_drawable(sys.stdout):
        return _print_once(api, every)
    with _signals() as is_asked_to_leave:
        _live(api, every, is_asked_to_leave)
    return ExitCode.DONE


def _look(api: ApiSettings, before: ServerFacts | None) -> _Look:
    from ptingest.api.client import ServerClient
    from ptingest.cli.top.facts import overview
    from ptingest.doctor.server_facts import ASK_SECONDS, read_facts

    with ServerClient(api, seconds=ASK_SECONDS) as client:
        facts = read_facts(client.url, client.get)
    return facts, overview(before, facts)


def _copyable(shown: Row) -> Row:
    """Name the config in the advice; not in the thread that asks, which knows no context."""
    well = shown["well"]
    return {**shown, "well": well | {name: copyable(well[name]) for name in ("sentence", "cure")}}


def _print_json(api: ApiSettings, every: float, *, once: bool) -> ExitCode:
    import orjson

    facts: ServerFacts | None = None
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            facts, shown = _look(api, facts)
            if not once or shown.get("rates") or not shown["reachable"]:
                write_json_line(orjson.dumps({"time": time.time(), **_copyable(shown)}))
                if once:
                    return ExitCode.DONE if shown["reachable"] else ExitCode.NOT_REACHABLE
            time.sleep(every)
    return ExitCode.DONE


def _print_once(api: ApiSettings, every: float) -> ExitCode:
    """Ask twice, since rates are the growth between two answers."""
    from rich.console import Console

    from ptingest.cli.top.screen import lines

    before, shown = _look(api, None)
    if shown["reachable"]:
        time.sleep(every)
        _, shown = _look(api, before)
    console = Console(highlight=False, markup=False, emoji=False)
    is_drawn = console.is_terminal and not console.is_dumb_terminal
    width = width_of(sys.stdout) or (console.width if "COLUMNS" in os.environ else PLAIN_WIDTH)
    for line in lines(_copyable(shown), width=width, height=PLAIN_HEIGHT):
        if not is_drawn:
            click.echo(line.plain.rstrip())
        else:
            console.print(line, soft_wrap=True)
    return ExitCode.DONE if shown["reachable"] else ExitCode.NOT_REACHABLE


# --- live ---------------------------------------------------------------------------------


def _live(api: ApiSettings, every: float, is_asked_to_leave: Callable[[], bool]) -> None:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.text import Text

    console = Console(highlight=False, markup=False, emoji=False)
    facts: ServerFacts | None = None
    shown: Row | None = None
    drawn, size = shown, console.size
    answers: SimpleQueue[_Look | Exception] | None = None
    due = time.monotonic()
    with (
        _keys() as next_key,
        Live(console=console, screen=True, auto_refresh=False, transient=True) as live,
    ):
        live.update(Text(f"asking {api.listen} ..."), refresh=True)
        while next_key(LOOK_SECONDS) not in LEAVE and not is_asked_to_leave():
            if answers is None and time.monotonic() >= due:
                due = time.monotonic() + every
                answers = _begin_look(api, facts)
            if answers is not None and not answers.empty():
                facts, shown = _taken(answers.get())
                answers = None
            if shown is not None and (shown is not drawn or console.size != size):
                drawn, size = shown, console.size
                live.update(Group(*_screen(console, shown)), refresh=True)


def _begin_look(api: ApiSettings, before: ServerFacts | None) -> SimpleQueue[_Look | Exception]:
    """Ask in a thread that does not delay the exit."""
    answers: SimpleQueue[_Look | Exception] = SimpleQueue()

    def look() -> None:
        try:
            answers.put(_look(api, before))
        except Exception as error:  # noqa: BLE001 - raised again in the thread that draws
            answers.put(error)

    threading.Thread(target=look, name="asking", daemon=True).start()
    return answers


def _taken(answer: _Look | Exception) -> _Look:
    if isinstance(answer, Exception):
        raise answer
    return answer


def _screen(console: Console, shown: Row) -> list[Text]:
    from ptingest.cli.top.screen import lines

    return lines(_copyable(shown), width=console.width, height=console.height, hint=HINT)


def _no_key(seconds: float) -> str:
    time.sleep(seconds)
    return ""


@contextlib.contextmanager
def _keys() -> Iterator[Callable[[float], str]]:
    """Yield a function that returns pressed keys; restores the terminal at the end."""
    if not sys.stdin.isatty():
        yield _no_key
        return
    import termios
    import tty

    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)

    def next_key(seconds: float) -> str:
        if not select.select([terminal], [], [], seconds)[0]:
            return ""
        return os.read(terminal, 1).decode("latin-1") or "q"

    try:
        tty.setcbreak(terminal)
        yield next_key
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


@contextlib.contextmanager
def _signals() -> Iterator[Callable[[], bool]]:
    """Note SIGINT and SIGTERM, so that the screen ends and the terminal is restored.

    An exception raised by a signal could be lost: Python drops one that comes while a
    destructor or a callback of the garbage collector runs.
    """
    seen: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda number, _: seen.append(number)) for number in numbers]
    try:
        yield lambda: bool(seen)
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
