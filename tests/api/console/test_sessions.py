"""Logging in: bounded in number, age and tries."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from ptingest.api.console.sessions import (
    ADDRESSES,
    AGE_SECONDS,
    SESSIONS,
    TRIES,
    TRY_SECONDS,
    ConsoleSession,
    Sessions,
)


@pytest.fixture
def sessions() -> Sessions:
    return Sessions(SecretStr("the-token"))


def log_in(sessions: Sessions, now: float = 0.0) -> ConsoleSession:
    session = sessions.log_in("the-token", address="192.0.2.1", now=now)
    assert session is not None
    return session


def test_the_token_opens_a_session_that_is_found_again(sessions: Sessions) -> None:
    session = log_in(sessions)

    assert sessions.find(session.id, 1.0) == session


@pytest.mark.parametrize("shown", ["", "the-toke", "the-token ", "\ud800", "ä"])
def test_nothing_else_does(sessions: Sessions, shown: str) -> None:
    assert sessions.log_in(shown, address="192.0.2.1", now=0.0) is None


def test_a_session_is_over_when_it_is_old(sessions: Sessions) -> None:
    session = log_in(sessions)

    assert sessions.find(session.id, AGE_SECONDS - 1) is not None
    assert sessions.find(session.id, AGE_SECONDS) is None


def test_who_logged_out_is_out(sessions: Sessions) -> None:
    session = log_in(sessions)

    sessions.log_out(session)

    assert sessions.find(session.id, 1.0) is None


def test_one_session_too_many_ends_the_oldest(sessions: Sessions) -> None:
    first, *others = [log_in(sessions) for _ in range(SESSIONS + 1)]

    assert sessions.find(first.id, 1.0) is None
    assert all(sessions.find(other.id, 1.0) for other in others)


def test_who_guesses_has_to_wait_and_may_then_try_again(sessions: Sessions) -> None:
    for at in range(TRIES):
        assert sessions.wait_seconds("192.0.2.1", float(at)) == 0.0
        sessions.log_in("guess", address="192.0.2.1", now=float(at))

    assert sessions.wait_seconds("192.0.2.1", float(TRIES)) == TRY_SECONDS - TRIES
    assert sessions.wait_seconds("192.0.2.1", TRY_SECONDS) == 0.0


def test_one_who_guesses_keeps_nobody_else_out(sessions: Sessions) -> None:
    for _ in range(TRIES):
        sessions.log_in("guess", address="192.0.2.1", now=0.0)

    assert sessions.wait_seconds("192.0.2.2", 0.0) == 0.0


def test_however_many_guess_only_so_many_are_remembered(sessions: Sessions) -> None:
    for number in range(ADDRESSES + 50):
        sessions.log_in("guess", address=f"address {number}", now=0.0)

    assert len(sessions._wrong) == ADDRESSES


def test_secrets_are_in_no_repr(sessions: Sessions) -> None:
    session = log_in(sessions)

    assert session.id not in repr(session)
    assert session.form_key not in repr(session)
