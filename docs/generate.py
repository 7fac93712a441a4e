"""Writes what the code says of itself into the pages of settings, commands, metrics and filters.

    python docs/generate.py    or    make docs

Each of the four pages has two lines that are markers. What stands between them is made here,
from the settings' models and the docstrings of their fields, from click's commands, from the
table of metrics and from the filters of a logstash.conf; what stands outside is written by hand
and left alone.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import click
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from ptingest.cli.exit_codes import ExitCode
from ptingest.cli.main import COMMANDS
from ptingest.pipeline.logstash.options import Option
from ptingest.pipeline.logstash.plugins import filter_names
from ptingest.pipeline.logstash.refused_filters import REFUSED_FILTERS
from ptingest.settings.explain import Spot, allowed, show_default
from ptingest.settings.profile import ProfileSettings
from ptingest.settings.server import ServerSettings
from ptingest.telemetry.metrics import METRICS, Metric

DOCS = Path(__file__).parent
BEGIN = "<!-- begin of what docs/generate.py writes; change the code and run `make docs` -->"
END = "<!-- end of what docs/generate.py writes -->"


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Lines of a table in Markdown, and an empty one behind it."""
    yield f"| {' | '.join(head)} |"
    yield "|---" * len(head) + "|"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
    yield ""


def code(text: str) -> str:
    return f"`{text}`"


# --- settings -----------------------------------------------------------------------------


@cache
def attribute_docs(owner: type) -> dict[str, str]:
    """The string below each attribute in the source of a class and of those that it extends."""
    found: dict[str, str] = {}
    for one in reversed([one for one in owner.__mro__ if one.__module__.startswith("ptingest")]):
        body = ast.parse(inspect.getsource(one)).body[0]
        assert isinstance(body, ast.ClassDef)
        for before, after in zip(body.body, body.body[1:], strict=False):
            if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                found |= dict.fromkeys(names_of(before), plain(str(after.value.value)))
    return found


def names_of(statement: ast.stmt) -> list[str]:
    """The names that an assignment gives a value."""
    if isinstance(statement, ast.AnnAssign):
        return [ast.unparse(statement.target)]
    return [ast.unparse(one) for one in getattr(statement, "targets", [])]


def plain(text: str) -> str:
    """A docstring as one line of Markdown."""
    return " ".join(text.replace("``", "`").split())


def models_of(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models in a type, also inside of lists and mappings."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for member in get_args(annotation):
        yield from models_of(member)


def below(place: str, annotation: Any) -> str:
    """How the settings of a section are written: ``groups[]``, ``senders.NAME``."""
    shape = str(annotation)
    return f"{place}[]" if "tuple[" in shape else f"{place}.NAME" if "dict[" in shape else place


def default_of(field: FieldInfo) -> str:
    if field.is_required():
        return "(required)"
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined or value is None or value in ((), {}):
        return "none"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else show_default(value)


def section(model: type[BaseModel], place: str, note: str = "") -> Iterator[str]:
    """One section with its table, then the sections in it."""
    if place:
        yield f"### {code(place)}"
        yield ""
    yield f"{plain(model.__doc__ or '')}{note and ' ' + note}"
    yield ""
    rows, inner = [], []
    docs = attribute_docs(model)
    for name, field in model.model_fields.items():
        here = f"{place}.{name}" if place else name
        found = next(models_of(field.annotation), None)
        if found is not None:
            inner.append(section(found, below(here, field.annotation), docs.get(name, "")))
            continue
        may_be = allowed(Spot(model, field, field.annotation))
        rows.append((code(here), default_of(field), may_be, docs.get(name, "")))
    if rows:
        yield from table(("setting", "default", "may be", "what it does"), rows)
    for lines in inner:
        yield from lines


def settings() -> Iterator[str]:
    yield from ["## The config", ""]
    yield from section(ServerSettings, "")
    yield from ["## The profile", ""]
    yield from section(ProfileSettings, "")


# --- commands -----------------------------------------------------------------------------


def all_commands() -> Iterator[tuple[str, click.Command]]:
    for name, row in COMMANDS.items():
        command = getattr(import_module(row.module), row.attribute)
        yield name, command
        if isinstance(command, click.Group):
            for inner in command.commands.values():
                yield f"{name} {inner.name}", inner


def command_page(name: str, command: click.Command) -> Iterator[str]:
    context = click.Context(command, info_name=f"ptingest {name}")
    usage = " ".join(command.collect_usage_pieces(context))
    yield from [f"### ptingest {name}", "", code(f"ptingest {name} {usage}"), ""]
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        # click's sign for lines that stay as they are.
        if paragraph.startswith("\b\n"):
            yield from ["```sh", *paragraph.splitlines()[1:], "```", ""]
        else:
            yield from [plain(paragraph), ""]
    records = [one.get_help_record(context) for one in command.params]
    rows = [(code(record[0]), plain(record[1])) for record in records if record and record[1]]
    if rows:
        yield from table(("option", "what it does"), rows)
    if command.epilog:
        yield from ["```sh", command.epilog.removeprefix("Example: "), "```", ""]


def commands() -> Iterator[str]:
    rows = [(code(f"ptingest {name}"), row.summary) for name, row in COMMANDS.items()]
    yield from table(("command", "what it does"), rows)
    yield from ["### Exit codes", ""]
    docs = attribute_docs(ExitCode)
    codes = [(str(one.value), docs.get(one.name, "It is done.")) for one in ExitCode]
    yield from table(("code", "what it says"), codes)
    yield from [f"Every command also takes {code('-h')} and {code('--help')}.", ""]
    for name, command in all_commands():
        yield from command_page(name, command)


# --- metrics ------------------------------------------------------------------------------


def room(metric: Metric) -> str:
    words = metric.name.removeprefix("ptingest_").split("_")
    return "dead_letters" if words[0] == "dead" else words[0]


def kind(metric: Metric) -> str:
    is_picked = metric.kind == "gauge" and metric.merge != "sum"
    return f"{metric.kind}, {metric.merge}" if is_picked else metric.kind


def metrics() -> Iterator[str]:
    for one in dict.fromkeys(map(room, METRICS)):
        yield from [f"## {code(f'ptingest_{one}_*')}", ""]
        rows = [
            (code(row.name), kind(row), ", ".join(map(code, row.labels)), row.help)
            for row in METRICS
            if room(row) == one
        ]
        yield from table(("metric", "kind", "labels", "what it counts"), rows)


# --- filters of a logstash.conf -------------------------------------------------------------


def filters() -> Iterator[str]:
    for name in sorted(filter_names()):
        module = import_module(f"ptingest.pipeline.logstash.filters.{name}")
        yield from [f"### {code(name)}", ""]
        summary = plain(inspect.getdoc(module) or "").removeprefix(f"The filter {code(name)}: ")
        yield from [f"{summary[:1].upper()}{summary[1:]}", ""]
        rows = [
            (code(one.name), one.kind, filter_default(one), note(one)) for one in module.OPTIONS
        ]
        yield from table(("option", "type", "default", "note"), rows)
    yield from ["## Refused by name", ""]
    refused = [(code(name), sentence) for name, sentence in sorted(REFUSED_FILTERS.items())]
    yield from table(("filter", "what it would do, and what to do instead"), refused)


def filter_default(option: Option) -> str:
    if option.default in (None, [], ""):
        return ""
    default = option.default
    if isinstance(default, bool):
        return code(str(default).lower())
    if isinstance(default, list) and len(default) > 2:
        return f"{len(default)} names"
    return code(json.dumps(default))


def note(option: Option) -> str:
    said = ["required"] if option.is_required else []
    if option.choices:
        said.append(f"one of {', '.join(map(code, option.choices))}")
    if option.refused:
        said.append(f"refused: {option.refused}")
    if option.ignored:
        said.append(f"ignored: {option.ignored}")
    return "; ".join(said)


# --- pages --------------------------------------------------------------------------------

PAGES: dict[str, Callable[[], Iterator[str]]] = {
    "settings.md": settings,
    "commands.md": commands,
    "metrics.md": metrics,
    "logstash-filters.md": filters,
}


def current(page: str) -> str:
    """The page as it should be: its own text around what the code says today."""
    text = (DOCS / page).read_text(encoding="utf-8")
    made = "\n".join([BEGIN, "", *PAGES[page](), END])
    whole, count = re.subn(
        f"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: made, text, flags=re.DOTALL
    )
    if count != 1:
        raise ValueError(f"docs/{page} must have the two markers once, in order")
    return whole


def main() -> int:
    for page in PAGES:
        (DOCS / page).write_text(current(page), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
