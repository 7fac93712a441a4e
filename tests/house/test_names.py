"""What the documents name exists: options, settings, reasons, metrics, modules, files.

`test_documented` holds the other direction: what exists is named.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from copy import copy
from functools import cache
from importlib import import_module
from pathlib import Path

import click
import pytest
from pydantic import BaseModel

from ptingest.cli.main import COMMANDS
from ptingest.model.reasons import REASONS
from ptingest.settings import profile
from ptingest.settings.explain import all_places
from ptingest.settings.parse import dotted
from ptingest.settings.profile import ProfileSettings
from ptingest.settings.server import ServerSettings
from ptingest.telemetry.metrics import METRICS
from tests.support.modules import PACKAGE, ROOT, functions, modules, tree

PAGES = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))
DOCUMENTS = (
    *sorted(path.name for path in ROOT.glob("*.md") if path.name != "CHANGELOG.md"),
    *PAGES,
    *("config/ptingest.yaml", "config/pt.yaml", "deploy/filebeat/filebeat.yml"),
)
EXPLAINS_PROFILE = "docs/patterns-and-services.md"
EXPLAINS_REASONS = "docs/troubleshooting.md"
FIELDS = {
    "log.offset",
    "log.file",
    "log.file.path",
    "log.file.inode",
    "log.file.device_id",
    "log.file.fingerprint",
}
"""Fields of events that look like settings."""
MADE_LATER = {"tests/fuzz/crashes"}
"""Folders that a run makes."""
REASON_GIVERS = {
    "stream_trouble",
    "refusal_label",
    "failing_label",
    "_refused_by_input",
}
"""Functions that return a reason; all other reasons are arguments, see `given_reasons`."""
ROOMS = {path.parts[0] for path in modules() if len(path.parts) > 1}
PLACES = {*all_places(ServerSettings), *all_places(ProfileSettings)}


@cache
def commands() -> dict[str, click.Command]:
    """Every command by what is typed: ``dead-letters purge``."""
    found: dict[str, click.Command] = {}
    for name, row in COMMANDS.items():
        command = getattr(import_module(row.module), row.attribute)
        found[name] = command
        if isinstance(command, click.Group):
            found |= {f"{name} {inner}": one for inner, one in command.commands.items()}
    return found


def options_of(command: click.Command) -> set[str]:
    own = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
    return own | {"--help"}


def options_of_programs() -> set[str]:
    """The options of what stands beside the package and is run by ``python -m``."""
    return {
        option
        for folder in ("benchmarks", "tests/torture", "tests/fuzz")
        for path in (ROOT / folder).rglob("*.py")
        for option in re.findall(r'add_argument\(\s*"(--[a-z-]+)"', path.read_text())
    }


@cache
def texts() -> dict[str, str]:
    """The documents, and what each command says with ``--help``."""
    found = {name: (ROOT / name).read_text(encoding="utf-8") for name in DOCUMENTS}
    for name, command in commands().items():
        context = click.Context(command, info_name=f"ptingest {name}")
        found[f"{name} --help"] = command.get_help(context)
    return found


def spans(text: str) -> Iterator[str]:
    """What stands between backticks, line by line: no span crosses one."""
    for line in text.splitlines():
        yield from re.findall(r"`([^`]+)`", line)


def told_commands(text: str) -> Iterator[tuple[str, str]]:
    """Each command of ours that is written out, with its arguments."""
    for rest in re.findall(r"\bptingest ((?:[a-z][a-z-]+)\b[^`\n|;&#()]*)", text):
        words = rest.split()
        for length in (2, 1):
            name = " ".join(words[:length])
            if name in commands():
                yield name, " ".join(words[length:])
                break


@pytest.mark.parametrize("where", texts())
def test_every_option_of_a_command_exists(where: str) -> None:
    wrong = [
        f"ptingest {name} {option}"
        for name, rest in told_commands(texts()[where])
        for option in re.findall(r"(?<!\S)--[a-z][a-z-]*", rest)
        if option not in options_of(commands()[name])
    ]

    assert wrong == []


@pytest.mark.parametrize("where", texts())
def test_every_option_named_alone_is_one_of_a_command(where: str) -> None:
    known = options_of_programs().union(*map(options_of, commands().values()))

    wrong = [
        span
        for span in spans(texts()[where])
        if (found := re.match(r"--[a-z][a-z-]*", span)) and found[0] not in known
    ]

    assert wrong == []


@pytest.mark.parametrize("where", texts())
def test_every_setting_named_with_its_place_exists(where: str) -> None:
    sections = {place[0] for place in PLACES if len(place) > 1}
    known = {dotted(place) for place in PLACES}
    written = re.compile(rf"(?<![\w./*-])(?:{'|'.join(sections)})(?:\.[a-z_]+)+(?![\w/-]|\.[a-z*])")

    wrong = [
        name
        for name in written.findall(texts()[where])
        if name not in known | FIELDS
        and not name.endswith((".py", ".yaml", ".yml", ".json", ".log", ".md"))
    ]

    assert wrong == []


def test_every_option_that_departs_from_logstash_exists() -> None:
    models = [one for one in vars(profile).values() if isinstance(one, type)]
    fields = {
        name: str(field.annotation)
        for one in models
        if issubclass(one, BaseModel)
        for name, field in one.model_fields.items()
    }
    patterns = set(re.findall(r"- name: (\w+)", texts()["config/pt.yaml"]))
    section = texts()[EXPLAINS_PROFILE].partition("\n| option | default |")[2].partition("\n\n")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]

    told = {word for row in rows for word in re.findall(r"`([a-z_]+)(?::[^`]*)?`", row)}

    assert rows
    values = {word for word in told if any(f"'{word}'" in text for text in fields.values())}
    assert told - set(fields) - values - patterns == set()


# --- reasons of dead letters --------------------------------------------------------------


@pytest.mark.parametrize("where", texts())
def test_every_reason_asked_for_exists(where: str) -> None:
    asked = re.findall(r"--reason ([a-z_]+)", texts()[where])

    assert set(asked) - set(REASONS) == set()


def test_every_reason_has_its_cure() -> None:
    section = texts()[EXPLAINS_REASONS].partition("\n| reason | what it says | cure |\n")[2]
    rows = re.findall(
        r"^\| `([a-z_]+)` \| .+ \| .+ \|$", section.partition("\n\n")[0], re.MULTILINE
    )

    assert rows == list(REASONS)


def constants(module: Path) -> dict[str, str]:
    return {
        target.id: node.value.value
        for node in tree(module).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name) and isinstance(node.value.value, str)
    }


def reason_arguments(call: ast.Call) -> Iterator[ast.expr]:
    """The arguments of a call that are reasons."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    place = {
        "Refusal": 1,
        "dead": 0,
        "Unreadable": 0,
        "Illegal": 0,
        "DeadLetter": 0,
        "as_it_came": 1,
    }.get(name)
    if place is not None:
        yield from call.args[place : place + 1]
        yield from (word.value for word in call.keywords if word.arg == "reason")


def given_reasons() -> Iterator[str]:
    """Every reason the code gives to a letter, as far as it is written there."""
    for module in modules():
        named = constants(module)
        for _, function in functions(tree(module)):
            for node in ast.walk(function):
                if isinstance(node, ast.Return) and function.name in REASON_GIVERS:
                    value = node.value
                    yield from texts_of(value.elts[0] if isinstance(value, ast.Tuple) else value)
        for node in ast.walk(tree(module)):
            if isinstance(node, ast.Assign) and module.parts[0] == "delivery":
                yield from assigned_reasons(node)
            if isinstance(node, ast.Call):
                for argument in reason_arguments(node):
                    if isinstance(argument, ast.Name):
                        yield from filter(None, [named.get(argument.id)])
                    yield from texts_of(argument)


def assigned_reasons(node: ast.Assign) -> Iterator[str]:
    """What ``reason = ...`` and ``reason, detail = ...`` say."""
    (target, *_), value = node.targets, node.value
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        target, value = target.elts[0], value.elts[0]
    if isinstance(target, ast.Name) and target.id == "reason" and isinstance(value, ast.Constant):
        yield from texts_of(value)


def texts_of(node: ast.AST | None) -> Iterator[str]:
    for one in ast.walk(node) if node is not None else ():
        if isinstance(one, ast.Constant) and isinstance(one.value, str):
            yield one.value


def test_every_reason_the_code_gives_is_listed_and_no_other() -> None:
    assert set(given_reasons()) - {""} == set(REASONS)


def test_the_functions_that_return_reasons_are_there() -> None:
    names = {function.name for module in modules() for _, function in functions(tree(module))}

    assert REASON_GIVERS - names == set()


# --- metrics, modules, files --------------------------------------------------------------


@pytest.mark.parametrize("where", texts())
def test_every_metric_exists(where: str) -> None:
    known = {row.name for row in METRICS}
    rooms = {name.split("_")[1] for name in known}

    named = re.findall(r"\bptingest_[a-z_]+[a-z]\b(?!\*)", texts()[where])

    assert {name for name in named if name.split("_")[1] in rooms} - known == set()


def exists(name: str) -> bool:
    """Say whether a path, from the root or from the package, is there, a module without .py.

    A name of a module's may follow it, as in ``observe/trace_buffer.WatchedSink``.
    """
    module, _, inner = name.rpartition(".")
    if inner[:1].isupper():
        path = PACKAGE / f"{module}.py"
        return path.is_file() and re.search(rf"\b{inner}\b", path.read_text()) is not None
    return name in MADE_LATER or any(
        (folder / tail).exists() for folder in (ROOT, PACKAGE) for tail in (name, f"{name}.py")
    )


@pytest.mark.parametrize("where", texts())
def test_every_path_exists(where: str) -> None:
    tops = {"config", "deploy", "tests", "benchmarks", "ptingest"} | ROOMS
    named = [
        span.rstrip("/")
        for span in spans(texts()[where])
        if re.fullmatch(r"[\w./-]+/[\w./-]*", span) and span.split("/")[0] in tops
    ]

    assert [name for name in named if not exists(name)] == []


@pytest.mark.parametrize("where", texts())
def test_every_module_to_run_exists(where: str) -> None:
    named = re.findall(r"python -m ((?:tests|benchmarks|ptingest)[\w.]*)", texts()[where])

    assert [name for name in named if not exists(name.replace(".", "/"))] == []


def lines_to_type(text: str) -> Iterator[str]:
    """What stands in fenced blocks of shell commands, comments and joined lines taken out."""
    for block in re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            yield re.sub(r"(^|\s)#.*", "", line)


@pytest.mark.parametrize("where", texts())
def test_every_command_of_ours_exists(where: str) -> None:
    text = texts()[where]
    typed = [*spans(text), *lines_to_type(text)] if where.endswith(".md") else text.splitlines()

    verbs = [verb for line in typed for verb in re.findall(r"^ptingest ([a-z][a-z-]+)", line)]

    assert set(verbs) - set(COMMANDS) == set()


def complaint(name: str, arguments: list[str]) -> str | None:
    """What a command says of its arguments; files need not be there."""
    command = copy(commands()[name])
    command.params = [copy(parameter) for parameter in command.params]
    for parameter in command.params:
        if isinstance(parameter.type, click.Path | click.File):
            parameter.type = click.STRING
    try:
        command.make_context(name, arguments)
    except click.UsageError as error:
        return f"ptingest {name}: {error.format_message()}"
    return None


@pytest.mark.parametrize("where", [name for name in texts() if name.endswith(".md")])
def test_every_command_to_type_takes_its_arguments(where: str) -> None:
    wrong = [
        complaint(name, shlex.split(rest))
        for line in lines_to_type(texts()[where])
        for name, rest in told_commands(re.sub(r"[|&<>;].*", "", line))
    ]

    assert list(filter(None, wrong)) == []
