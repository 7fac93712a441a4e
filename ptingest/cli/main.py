"""The command line: a table of commands, each imported only when it is called.

    ptingest --config FILE   is   ptingest serve --config FILE

Commands are plain click commands in `ptingest/cli/<name>.py` and return an `ExitCode`.
They let our own errors pass: each becomes one message on standard error and an exit code
here. A traceback is shown for bugs only.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import click
from click.core import ParameterSource

from ptingest.cli.entry import keep_hangup
from ptingest.cli.exit_codes import ExitCode, exit_code_of
from ptingest.cli.options import config_option, copyable
from ptingest.cli.terminal import show_error, wants_no_colour
from ptingest.errors import PtingestError

COMPLETION_VARIABLE = "_PTINGEST_COMPLETE"
"""`eval "$(_PTINGEST_COMPLETE=bash_source ptingest)"` teaches a shell our commands."""


class CommandRow(NamedTuple):
    """One command; `summary` is here so that `--help` need not import it."""

    module: str
    attribute: str
    summary: str


COMMANDS: dict[str, CommandRow] = {
    "serve": CommandRow("ptingest.cli.serve", "serve", "Run the server until a signal."),
    "check": CommandRow("ptingest.cli.check", "check", "Find out whether a config would work."),
    "try": CommandRow(
        "ptingest.cli.try_", "try_", "Show the documents that events become; sends nothing."
    ),
    "send": CommandRow(
        "ptingest.cli.send", "send", "Ship files as a Beat does, and wait for the acks."
    ),
    "setup": CommandRow("ptingest.cli.setup", "setup", "Prepare Elasticsearch and Kibana."),
    "plan": CommandRow(
        "ptingest.cli.plan", "plan", "Say which events Elasticsearch would refuse, and their cost."
    ),
    "doctor": CommandRow("ptingest.cli.doctor", "doctor", "Find out what is wrong, and the cure."),
    "top": CommandRow(
        "ptingest.cli.top.command", "top", "Show the state of a running server, live."
    ),
    "tap": CommandRow(
        "ptingest.cli.tap", "tap", "Show events as they pass through a running server."
    ),
    "why": CommandRow("ptingest.cli.why", "why", "Show what became of one event, and where it is."),
    "search": CommandRow("ptingest.cli.search", "search", "Search stored documents."),
    "bench": CommandRow(
        "ptingest.cli.bench", "bench", "Measure what your own lines cost on this machine."
    ),
    "probe": CommandRow("ptingest.cli.probe", "probe", "Ask a running server whether it is ready."),
    "config": CommandRow("ptingest.cli.files", "config", "Print the config, every setting."),
    "profile": CommandRow("ptingest.cli.files", "profile", "Print the packaged profile."),
    "files": CommandRow(
        "ptingest.cli.files", "files", "Print or write unit, Filebeat, Prometheus, Grafana files."
    ),
    "compare": CommandRow(
        "ptingest.cli.compare", "compare", "Compare documents with those that Logstash made."
    ),
    "migrate": CommandRow(
        "ptingest.cli.migrate",
        "migrate",
        "Write a ptingest.yaml for a logstash.conf, and a report.",
    ),
    "prove": CommandRow(
        "ptingest.cli.prove", "prove", "Run captured events, compare with Logstash's documents."
    ),
    "replay": CommandRow(
        "ptingest.cli.replay", "replay", "Read a stretch of Kafka again through rules."
    ),
    "dead-letters": CommandRow(
        "ptingest.cli.dead_letters",
        "dead_letters",
        "Events that no sink takes: list, requeue, purge.",
    ),
    "failures": CommandRow(
        "ptingest.cli.failures",
        "failures",
        "What Elasticsearch put into failure stores: list, requeue.",
    ),
}


class LazyGroup(click.Group):
    """A group whose commands are found in `COMMANDS` and imported late."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002
        cmd_name: str,
    ) -> click.Command | None:
        row = COMMANDS.get(cmd_name)
        if row is None:
            return None
        command: click.Command = getattr(import_module(row.module), row.attribute)
        return command

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002
        formatter: click.HelpFormatter,
    ) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, row.summary) for name, row in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS:
            raise click.UsageError(_unknown_command(args[0]), ctx)
        return super().resolve_command(ctx, args)


def _unknown_command(name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, COMMANDS, n=1)
    guess = f" Did you mean {near[0]!r}?" if near else ""
    return f"no command {name!r}.{guess} Commands: {', '.join(COMMANDS)}."


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: ptingest --config ptingest.yaml",
)
@click.version_option(package_name="ptingest", prog_name="ptingest", message="%(prog)s %(version)s")
@config_option
@click.pass_context
def group(ctx: click.Context, config: Path | None) -> Any:
    """Take Filebeat's logs at Logstash's port and store Logstash's documents.

    With --config and no command it serves.
    """
    if ctx.invoked_subcommand is not None:
        # `ptingest --config FILE check`, which people type, is `check --config FILE`.
        return None
    if ctx.get_parameter_source("config") is not ParameterSource.COMMANDLINE:
        click.echo(ctx.get_help())
        return ExitCode.DONE
    serve = group.get_command(ctx, "serve")
    assert serve is not None
    return ctx.invoke(serve, config=config)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit with its code."""
    sys.exit(int(_run(arguments)))


def _run(arguments: Sequence[str] | None) -> int:
    wanted = os.environ.get(COMPLETION_VARIABLE)
    if wanted:
        from click.shell_completion import shell_complete

        return shell_complete(group, {}, "ptingest", COMPLETION_VARIABLE, wanted)
    given = list(sys.argv[1:] if arguments is None else arguments)
    keep_hangup(given)
    ctx: click.Context | None = None
    try:
        # Not `group.main`: it would turn a closed pipe into exit code 1, "failed".
        # None leaves it to click: colours on a terminal only.
        colour = False if wants_no_colour(os.environ) else None
        with group.make_context("ptingest", given, color=colour) as ctx:
            result = group.invoke(ctx)
        sys.stdout.flush()
    except click.exceptions.Exit as left:
        return left.exit_code
    except click.ClickException as error:
        written = io.StringIO()
        error.show(written)
        show_error(written.getvalue().rstrip("\n"))
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 128 + 2  # what a shell reports for SIGINT
    except BrokenPipeError:
        return _leave_quietly()
    except PtingestError as error:
        code = exit_code_of(error)
        # Config problems begin with file and line, so that editors can jump there.
        opening = "" if code is ExitCode.CONFIG_INVALID else "Error: "
        show_error(copyable(f"{opening}{error}", ctx))
        return code
    return int(result) if isinstance(result, int) else ExitCode.DONE


def _leave_quietly() -> int:
    """End like any filter whose reader (`head`, a closed pager) went away."""
    # The interpreter flushes standard output once more at exit; give it a place to write.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 128 + 13  # what a shell reports for SIGPIPE


if __name__ == "__main__":
    main()
