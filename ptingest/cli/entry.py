"""Entry point: sets up what must be in place before slow imports."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from typing import NoReturn


def main() -> NoReturn:
    """The `ptingest` command."""
    keep_hangup(sys.argv[1:])
    from ptingest.cli.main import main as run

    run()


def keep_hangup(arguments: Sequence[str]) -> None:
    """Have the kernel keep a SIGHUP that comes before the server listens for it.

    It would end the process; `StopSignals.install` takes it when it is there. Other commands
    end with their terminal, as usual.
    """
    words = [one for one in arguments if not one.startswith("-")]
    is_configured = any(one.partition("=")[0] == "--config" for one in arguments)
    # `ptingest --config FILE` serves as `serve` does; `ptingest --config FILE check` does not.
    file_and_no_command = len(words) == sum(one == "--config" for one in arguments)
    if "serve" in words[:2] or (is_configured and file_and_no_command):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
