"""What the shell is told."""

from __future__ import annotations

import pytest

from ptingest.cli.exit_codes import ExitCode, exit_code_of
from ptingest.errors import (
    ConfigInvalid,
    DataDirLocked,
    DeadLettersFull,
    PeerClosed,
    ProtocolError,
    PtingestError,
    QueryInvalid,
    SinkUnavailable,
    TlsUnusable,
    WorkersDidNotStart,
    WorkersRefusedConfig,
)


def test_the_numbers_never_change() -> None:
    assert {code.name: code.value for code in ExitCode} == {
        "DONE": 0,
        "FAILED": 1,
        "USAGE": 2,
        "CONFIG_INVALID": 3,
        "NOT_REACHABLE": 4,
        "NOT_ALL_DELIVERED": 5,
    }


@pytest.mark.parametrize(
    ("error", "code"),
    [
        pytest.param(ConfigInvalid(()), ExitCode.CONFIG_INVALID, id="a broken config"),
        pytest.param(
            TlsUnusable(setting="beats.tls.key", file="k", seen="is gone", cure="find it"),
            ExitCode.CONFIG_INVALID,
            id="a key that does not fit",
        ),
        pytest.param(
            QueryInvalid(query="(", column=1, seen="nothing", expected="a value"),
            ExitCode.USAGE,
            id="a query that cannot be read",
        ),
        pytest.param(
            SinkUnavailable(sink="store", cause="x"), ExitCode.NOT_REACHABLE, id="no sink"
        ),
        pytest.param(
            WorkersRefusedConfig(cause="no key"), ExitCode.CONFIG_INVALID, id="workers refuse it"
        ),
        pytest.param(WorkersDidNotStart(cause="x"), ExitCode.FAILED, id="no worker came up"),
        pytest.param(PeerClosed(), ExitCode.NOT_REACHABLE, id="a server that hung up"),
        pytest.param(DataDirLocked(path="x"), ExitCode.FAILED, id="another server"),
        pytest.param(
            DeadLettersFull(wanted=2, limit=1, setting="x"), ExitCode.FAILED, id="no room"
        ),
        pytest.param(ProtocolError(reason="x", detail="y"), ExitCode.FAILED, id="a broken wire"),
        pytest.param(PtingestError(), ExitCode.FAILED, id="anything else of ours"),
    ],
)
def test_every_error_of_ours_has_a_code(error: PtingestError, code: ExitCode) -> None:
    assert exit_code_of(error) is code
