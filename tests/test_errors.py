"""Errors carry facts and say them in a sentence, late."""

from __future__ import annotations

import inspect

import pytest

from ptingest import errors
from ptingest.errors import (
    ConfigInvalid,
    ConfigProblem,
    ConnectionRejected,
    DataDirLocked,
    DeadLettersFull,
    DeadLettersUnwritable,
    FrameTooLarge,
    ProtocolError,
    PtingestError,
    QueryInvalid,
    ReloadRefused,
    RpcClosed,
    RpcRefused,
    SinkUnavailable,
    TlsUnusable,
    WorkersDidNotStart,
)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        pytest.param(
            ProtocolError(reason="unknown_frame", detail="frame type 0x58 is unknown"),
            "frame type 0x58 is unknown; closing without ack, the Beat will resend",
            id="a broken wire",
        ),
        pytest.param(
            FrameTooLarge(
                reason="frame_too_large",
                what="compressed frame",
                declared=9,
                limit=5,
                setting="beats.limits.frame_bytes",
            ),
            "compressed frame is 9, limit is 5 (beats.limits.frame_bytes); "
            "closing without ack, the Beat will resend",
            id="too large",
        ),
        pytest.param(
            ConfigProblem(file="c.yaml", line=3, path="a.b", seen="is 0", cure="write 1"),
            "c.yaml:3: a.b is 0; write 1",
            id="a setting",
        ),
        pytest.param(
            ConfigProblem(file="c.yaml", path="", seen="is not YAML", cure="mend it"),
            "c.yaml: is not YAML; mend it",
            id="a whole file",
        ),
        pytest.param(
            DeadLettersFull(wanted=9, limit=5, setting="dead_letters.max_bytes"),
            "dead letters would hold 9 bytes, limit is 5 bytes (dead_letters.max_bytes); "
            "not acked, the Beat will resend: requeue or purge some, raise the limit, or set "
            "dead_letters.when_full to drop_oldest",
            id="no room",
        ),
        pytest.param(
            DeadLettersUnwritable(path="/d", cause="No space left on device"),
            "cannot write dead letters to /d: No space left on device; not acked, will be resent",
            id="a full disk",
        ),
        pytest.param(
            DataDirLocked(path="/d"),
            "/d is in use by another ptingest; stop it, or give this one its own data_dir",
            id="a second server",
        ),
        pytest.param(
            TlsUnusable(
                setting="beats.tls.key", file="/k", seen="is encrypted", cure="give key_password"
            ),
            "beats.tls.key: /k is encrypted; give key_password",
            id="a key",
        ),
        pytest.param(
            ConnectionRejected(reason="plaintext", detail="plaintext Lumberjack on a TLS port"),
            "plaintext Lumberjack on a TLS port",
            id="a stranger",
        ),
        pytest.param(RpcClosed(name="worker 2"), "worker 2 is gone", id="a dead process"),
        pytest.param(
            RpcRefused(kind="ConfigInvalid", text="c.yaml: no"),
            "c.yaml: no",
            id="its own words",
        ),
        pytest.param(
            WorkersDidNotStart(cause="no room"), "no worker started: no room", id="no worker"
        ),
        pytest.param(
            ReloadRefused(worker="worker 2", cause="no key"),
            "worker 2 does not take it: no key",
            id="one that does not follow",
        ),
        pytest.param(
            SinkUnavailable(sink="store", cause="database is locked"),
            "store: database is locked",
            id="a sink",
        ),
    ],
)
def test_an_error_says_what_was_seen_and_what_happens_now(
    error: PtingestError, sentence: str
) -> None:
    assert str(error) == sentence


def test_a_query_error_points_at_the_column() -> None:
    error = QueryInvalid(query="a:(b", column=5, seen="the end", expected="a closing )")

    assert str(error) == ("query column 5: the end, expected a closing )\n  a:(b\n      ^")


def test_an_invalid_config_tells_every_problem_on_its_own_line() -> None:
    first = ConfigProblem(file="c", line=1, path="a", seen="x", cure="y")
    second = ConfigProblem(file="c", line=2, path="b", seen="x", cure="y")

    assert str(ConfigInvalid((first, second))) == "c:1: a x; y\nc:2: b x; y"


def test_every_error_descends_from_the_one_root() -> None:
    strays = [
        name
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, Exception) and not issubclass(kind, PtingestError)
    ]

    assert strays == []


def test_policy_can_ask_an_error_whether_to_try_again() -> None:
    assert SinkUnavailable(sink="s", cause="c").retryable
    assert not ProtocolError(reason="r", detail="d").retryable


def test_the_facts_can_be_read_without_the_sentence() -> None:
    error = FrameTooLarge(reason="r", what="w", declared=9, limit=5, setting="s")

    assert (error.reason, error.declared, error.limit, error.setting) == ("r", 9, 5, "s")
