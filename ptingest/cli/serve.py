"""`ptingest serve`: run until a signal."""

from __future__ import annotations

import asyncio
import logging
import os
from functools import partial
from pathlib import Path

import click

from ptingest.cli.exit_codes import ExitCode
from ptingest.cli.options import config_option, config_to_name, load_settings
from ptingest.errors import PtingestError
from ptingest.model.advice import naming_config
from ptingest.server.process.lock import OWNER_ALONE

log = logging.getLogger(__name__)


@click.command(
    epilog="Example: ptingest serve --config ptingest.yaml   (SIGTERM drains, a second one exits)"
)
@config_option
def serve(config: Path | None) -> ExitCode:
    """Take events from Beats until a signal.

    SIGTERM drains, a second one leaves at once, SIGHUP reads config and profile again.
    Exit codes: 0 drained, 1 failed, 3 config invalid, 5 stopped with documents unsettled
    (their windows went unacked, so their Beats send them again), 130 left at once.
    """
    from ptingest.server.event_loop.factory import loop_factory
    from ptingest.server.process.clock import SystemClock
    from ptingest.telemetry.logs import setup_logs
    from ptingest.workers.serve import serve as serve_until_signal

    # Store, dead letters and lock are for their owner alone, in the workers, too.
    os.umask(OWNER_ALONE)
    settings = load_settings(config)
    named = config_to_name(config and config.absolute())
    setup = partial(setup_logs, reword=partial(naming_config, config=named))
    setup(settings.log)
    work = serve_until_signal(
        settings,
        config=None if config is None else config.absolute(),
        clock=SystemClock(),
        environ=os.environ,
        on_reload=lambda changed: setup(changed.log),
    )
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            left = runner.run(work)
    except BaseExceptionGroup as group:
        error = first(group)
        if isinstance(error, PtingestError):
            raise error from None
        if not isinstance(error, OSError):
            log.critical("a part of the server failed; exiting, so that it can be started again")
            raise
        log.error("cannot serve: %s", error)
        return ExitCode.FAILED
    return ExitCode.NOT_ALL_DELIVERED if left else ExitCode.DONE


def first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first exception that is not a group itself."""
    error = group.exceptions[0]
    return first(error) if isinstance(error, BaseExceptionGroup) else error
