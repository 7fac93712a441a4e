"""Exit codes, and which of our errors leads to which.

Scripts and orchestrators depend on these numbers, so none ever changes its meaning.
"""

from __future__ import annotations

from enum import IntEnum

from ptingest.errors import (
    ConfigInvalid,
    ConfigProblem,
    PeerClosed,
    PtingestError,
    QueryInvalid,
    RequestInvalid,
    ServerUnreachable,
    SinkUnavailable,
    TlsUnusable,
    WorkersRefusedConfig,
)


class ExitCode(IntEnum):
    """0 is the only success."""

    DONE = 0
    FAILED = 1
    """It was tried and did not work; the message says why."""
    USAGE = 2
    """The command line (or the query in it) makes no sense; nothing was done."""
    CONFIG_INVALID = 3
    """The config or profile cannot be used; nothing was started."""
    NOT_REACHABLE = 4
    """The other side (Elasticsearch, the server) did not answer or refused us."""
    NOT_ALL_DELIVERED = 5
    """Some of it arrived and was confirmed, some was not."""


_BY_ERROR: tuple[tuple[type[PtingestError], ExitCode], ...] = (
    (ConfigInvalid, ExitCode.CONFIG_INVALID),
    (ConfigProblem, ExitCode.CONFIG_INVALID),
    (TlsUnusable, ExitCode.CONFIG_INVALID),
    (WorkersRefusedConfig, ExitCode.CONFIG_INVALID),
    (QueryInvalid, ExitCode.USAGE),
    (RequestInvalid, ExitCode.USAGE),
    (ServerUnreachable, ExitCode.NOT_REACHABLE),
    (SinkUnavailable, ExitCode.NOT_REACHABLE),
    (PeerClosed, ExitCode.NOT_REACHABLE),
)


def exit_code_of(error: PtingestError) -> ExitCode:
    """Return the exit code for an error that ended a command."""
    for kind, code in _BY_ERROR:
        if isinstance(error, kind):
            return code
    return ExitCode.FAILED
