"""The filter ``python``: a function in a file changes events; it stands in for ``ruby``.

The file defines ``filter(event)``, which gets a ``ScriptEvent`` and returns it, None to drop it,
or several events. It runs in the server's process, once an event.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from ptingest.pipeline.logstash.event import Event
from ptingest.pipeline.logstash.options import FilterFunction, FilterSetup, Option
from ptingest.pipeline.logstash.script_event import ScriptEvent, event_of

OPTIONS = (Option("path", "path", is_required=True),)
Function = Callable[[ScriptEvent], Any]


def build(setup: FilterSetup) -> FilterFunction:
    """Return the filter; what the script raises tags the event, which goes on."""
    path = setup.folder / setup.options["path"]
    function = _function(setup, path)
    matched, report = setup.matched, setup.report

    def python(event: Event) -> list[Event] | None:
        try:
            kept = _events(function(ScriptEvent(event)))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - nothing of a script ends the line
            report(f"{path.name}{_line(error, path)}: {type(error).__name__}: {error}")
            event.tag("_pythonexception")
            return None
        if not any(one is event for one in kept):
            event.cancel()
        for one in kept:
            matched(one)
        return [one for one in kept if one is not event]

    return python


def _function(setup: FilterSetup, path: Path) -> Function:
    """Run the file and return its function.

    Raises:
        RefusedConfig: the file cannot be read or run, or has no such function.
    """
    module = ModuleType(f"ptingest_script_{path.stem}")
    module.__file__ = str(path)
    try:
        exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
    except OSError as error:
        raise setup.options.refuse(f"{path} cannot be read: {error}", "path") from error
    except (Exception, SystemExit) as error:
        raise setup.options.refuse(
            f"{path}{_line(error, path)}: {type(error).__name__}: {error}", "path"
        ) from error
    function: Function | None = module.__dict__.get("filter")
    if not callable(function):
        raise setup.options.refuse(f"{path} defines no function filter(event)", "path")
    return function


def _line(error: BaseException, path: Path) -> str:
    """Return ``:12``: the last line of the script that the error went through."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == str(path)
    ]
    if isinstance(error, SyntaxError) and error.filename == str(path):
        lines.append(error.lineno)
    return f":{lines[-1]}" if lines else ""


def _events(result: Any) -> list[Event]:
    """Return the events that a script returned.

    Raises:
        TypeError: it returned something else.
    """
    if result is None:
        return []
    if isinstance(result, ScriptEvent):
        return [event_of(result)]
    if not isinstance(result, Iterable) or isinstance(result, (str, bytes, dict)):
        kind = type(result).__name__
        raise TypeError(f"filter returned a {kind}, must be an event, None or several events")
    found: list[Event] = []
    for one in result:
        if not isinstance(one, ScriptEvent):
            raise TypeError(f"filter returned a {type(one).__name__} among its events")
        event = event_of(one)
        if any(event is other for other in found):
            raise ValueError("filter returned one event twice; return event.clone() beside it")
        found.append(event)
    return found
