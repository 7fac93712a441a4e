"""`ptingest send`: ships files over Lumberjack v2, as a Beat does, and waits for the acks."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ptingest.cli.exit_codes import ExitCode
from ptingest.cli.terminal import is_drawable, show_error
from ptingest.cli.visible import visible
from ptingest.doctor.units import plural

if TYPE_CHECKING:
    import ssl

    from ptingest.tools.shipper.shipper import Progress, ShipperSettings

REPORT_SECONDS = 5.0


def default_registry() -> Path:
    """Where positions are kept by default: the user's state directory."""
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "ptingest" / "send.json"


@click.command(
    epilog="Example: ptingest send /var/log/pt/django.log --service django --to 127.0.0.1:5044"
)
@click.argument(
    "files",
    metavar="FILE...",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
)
@click.option(
    "--to",
    default="127.0.0.1:5044",
    show_default=True,
    metavar="HOST:PORT",
    help="Where to ship to.",
)
@click.option(
    "--service", help="Value of `service`; default: each file's name up to the first dot."
)
@click.option("--group", default="pt", show_default=True, help="Value of `group`.")
@click.option("--follow", is_flag=True, help="Keep reading as the files grow, until Ctrl-C.")
@click.option(
    "--rate", type=click.FloatRange(min=0, min_open=True), help="Limit of events per second."
)
@click.option(
    "--registry",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File that keeps the positions, so that a second run ships only new lines.",
)
@click.option("--again", is_flag=True, help="Ship from the start, and ignore the registry.")
@click.option(
    "--window",
    type=click.IntRange(1, 65_536),
    default=2048,
    show_default=True,
    help="The most events in a window.",
)
@click.option(
    "--pipelining",
    type=click.IntRange(0, 32),
    default=2,
    show_default=True,
    help="Windows sent ahead of the oldest one without an ack.",
)
@click.option(
    "--compression",
    type=click.IntRange(0, 9),
    default=3,
    show_default=True,
    help="zlib level; 0 does not compress.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=30.0,
    show_default=True,
    help="Seconds without any ack before the connection is closed and opened again.",
)
@click.option(
    "--patience",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="Seconds of retries without progress before the command ends.",
)
@click.option(
    "--tls-ca",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Use TLS, and trust the certificate authority in this PEM file.",
)
@click.option(
    "--tls-cert",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Client certificate (PEM); needs --tls-ca.",
)
@click.option(
    "--tls-key",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Private key of --tls-cert (PEM), if it is in another file.",
)
def send(
    files: tuple[Path, ...],
    to: str,
    service: str | None,
    group: str,
    follow: bool,
    rate: float | None,
    registry: Path | None,
    again: bool,
    window: int,
    pipelining: int,
    compression: int,
    timeout: float,
    patience: float,
    tls_ca: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
) -> ExitCode:
    """Ship files over Lumberjack v2, as a Beat does, and wait for the acks.

    Each line is an event; after a line that begins like `LEVEL|`, lines that do not are
    part of it (tracebacks). Exit codes: 0 all acked, 4 no answer, 5 not all acked.
    """
    from ptingest.tools.shipper.shipper import ShipperSettings

    host, port = _host_and_port(to)
    settings = ShipperSettings(
        host=host,
        port=port,
        group=group,
        files=_named(files, service),
        registry=registry or default_registry(),
        again=again,
        follow=follow,
        rate=rate,
        window=window,
        pipelining=pipelining,
        compression=compression,
        timeout_seconds=timeout,
        patience_seconds=patience,
        tls=_tls(tls_ca, tls_cert, tls_key),
    )
    return _ship(settings)


def _host_and_port(text: str) -> tuple[str, int]:
    match = re.fullmatch(r"\[?(.+?)\]?:(\d{1,5})", text)
    if match is None or int(match[2]) > 65_535:
        raise click.BadParameter(f"{text!r} is not HOST:PORT", param_hint="--to")
    return match[1], int(match[2])


def _named(files: tuple[Path, ...], service: str | None) -> dict[Path, str]:
    """Absolute path -> service; every one of them must be a file."""
    for path in files:
        if not path.is_file():
            raise click.BadParameter(f"{path} does not exist or is not a file", param_hint="FILE")
    return {path.resolve(): service or service_of(path) for path in files}


def _objection(path: Path) -> str:
    from ptingest.tools.shipper.file_kind import BEGIN_BYTES, objection_to

    try:
        with path.open("rb") as file:
            return objection_to(file.read(BEGIN_BYTES), shlex.quote(str(path)))
    except OSError:
        return ""  # `_named` and the shipper say what is wrong with it


def _tls(ca: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if ca is None:
        if certificate is None and key is None:
            return None
        raise click.UsageError("--tls-cert and --tls-key need --tls-ca")
    if certificate is None and key is not None:
        raise click.UsageError("--tls-key needs --tls-cert")
    from ptingest.settings.pem import load_pair, trusting_context

    context = trusting_context(str(ca), "--tls-ca")
    if certificate is not None:
        load_pair(context, str(certificate), None if key is None else str(key), None, "--tls")
    return context


def service_of(path: Path) -> str:
    """Guess a service from a file name: ``django.log.1`` is ``django``."""
    return path.name.partition(".")[0].lower()


def _ship(settings: ShipperSettings) -> ExitCode:
    from ptingest.tools.shipper.shipper import Shipper

    for path in settings.files:
        if said := _objection(path):
            show_error(f"warning: {said}")
    report = _Bar() if is_drawable(sys.stderr) else _Lines()
    shipper = Shipper(settings, report=report.show)
    try:
        asyncio.run(shipper.run())
    except KeyboardInterrupt:
        report.close()
        click.echo(f"stopped: {_sentence(shipper.progress, is_again=settings.again)}", err=True)
        return ExitCode.DONE if shipper.progress.is_all_acked else ExitCode.NOT_ALL_DELIVERED
    report.close()
    progress = shipper.progress
    if progress.failure:
        show_error(f"ptingest send: {progress.failure}")
        if not progress.connections:
            return ExitCode.NOT_REACHABLE
    click.echo(_sentence(progress, is_again=settings.again))
    if progress.is_all_acked and not progress.failure:
        return ExitCode.DONE
    return ExitCode.NOT_ALL_DELIVERED


def _sentence(progress: Progress, *, is_again: bool = False) -> str:
    seconds = max(progress.seconds, 1e-9)
    text = (
        f"{plural(progress.acked, 'event')} acked in {plural(progress.windows, 'window')}, "
        f"{seconds:.1f} s, "
        f"{progress.acked / seconds:.0f} events/s"
    )
    if progress.resent:
        text += f", {progress.resent} sent again"
    if not progress.is_all_acked:
        text += f"; {progress.read - progress.acked} not acked; run the same command again"
    if not progress.read:
        found = "nothing new in these files; --again ships them from the start"
        text += f" ({'no line in these files' if is_again else found})"
    return text


class _Lines:
    """Progress for a log file: a line every few seconds, and one as soon as it has to wait."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._is_waiting = False

    def show(self, progress: Progress) -> None:
        now = time.monotonic()
        has_begun_to_wait = bool(progress.doing) and not self._is_waiting
        self._is_waiting = bool(progress.doing)
        if has_begun_to_wait or now - self._last >= REPORT_SECONDS:
            self._last = now
            rate = progress.acked / max(progress.seconds, 1e-9)
            said = progress.doing or f"{rate:.0f} events/s"
            click.echo(f"{progress.acked} acked so far; {said}", err=True)

    def close(self) -> None:
        """Nothing to clean up."""


class _Bar:
    """Progress for a person: bytes done, events per second, acks, and what keeps it waiting."""

    def __init__(self) -> None:
        from rich.console import Console, Group
        from rich.live import Live
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress
        from rich.text import Text

        self._bar = RichProgress(
            BarColumn(20),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[detail]}"),
        )
        self._task = self._bar.add_task("", total=None, detail="")
        self._waiting = Text()
        console = Console(stderr=True)
        self._live = Live(Group(self._bar, self._waiting), console=console, transient=True)
        self._live.start()

    def show(self, progress: Progress) -> None:
        rate = progress.acked / max(progress.seconds, 1e-9)
        self._bar.update(
            self._task,
            total=progress.bytes_total or None,
            completed=progress.bytes_acked,
            detail=f"{progress.acked} acked  {rate:.0f} events/s  {progress.in_flight} in flight",
        )
        self._waiting.plain = visible(progress.doing)

    def close(self) -> None:
        self._live.stop()
