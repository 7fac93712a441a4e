from __future__ import annotations

import logging

import pytest
from pydantic import SecretStr

from ptingest.api.bearer import BearerTokens
from ptingest.api.console.sessions import ADDRESSES, TRIES, TRY_SECONDS

RIGHT, HERE, THERE = "Bearer s3cret", "192.0.2.7", "192.0.2.8"


def tokens() -> BearerTokens:
    return BearerTokens(SecretStr("s3cret"))


def try_wrong(bearer: BearerTokens, count: int, now: float = 0.0) -> None:
    for _ in range(count):
        assert not bearer.is_right("Bearer guess", address=HERE, now=now)


def test_after_some_wrong_tokens_an_address_waits_and_is_not_compared() -> None:
    bearer = tokens()
    try_wrong(bearer, TRIES - 1)
    before = bearer.wait_seconds(HERE, 0.0)
    try_wrong(bearer, 1)

    assert before == 0.0
    assert bearer.wait_seconds(HERE, 1.0) == TRY_SECONDS - 1.0
    assert not bearer.is_right(RIGHT, address=HERE, now=1.0)
    assert bearer.is_right(RIGHT, address=THERE, now=1.0)
    assert bearer.is_right(RIGHT, address=HERE, now=TRY_SECONDS + 1.0)


def test_tries_while_it_waits_make_the_wait_no_longer() -> None:
    bearer = tokens()
    try_wrong(bearer, TRIES)
    try_wrong(bearer, 100, now=TRY_SECONDS - 1.0)

    assert bearer.is_right(RIGHT, address=HERE, now=TRY_SECONDS + 0.1)


def test_who_has_shown_the_right_one_is_not_locked_out_by_a_neighbour() -> None:
    bearer = tokens()
    bearer.is_right(RIGHT, address=HERE, now=0.0)
    try_wrong(bearer, 50)

    assert bearer.is_right(RIGHT, address=HERE, now=1.0)


@pytest.mark.parametrize(
    "shown", ["", "Bearer ", "Bearer s3cret2", "Basic s3cret", "Bearer s3cre", "\udcff"]
)
def test_nothing_else_is_the_token(shown: str) -> None:
    assert not tokens().is_right(shown, address=HERE, now=0.0)


def test_a_request_without_a_header_is_no_try(caplog: pytest.LogCaptureFixture) -> None:
    bearer = tokens()
    for _ in range(20):
        bearer.is_right("", address=HERE, now=0.0)

    assert bearer.wait_seconds(HERE, 0.0) == 0.0
    assert not caplog.records


def test_wrong_ones_are_told_until_the_address_waits(caplog: pytest.LogCaptureFixture) -> None:
    try_wrong(tokens(), 50)

    said = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
    assert said == [f"api: a wrong token from {HERE}"] * TRIES


def test_remembered_addresses_are_bounded() -> None:
    bearer = tokens()
    for number in range(ADDRESSES + 50):
        bearer.is_right("Bearer guess", address=str(number), now=0.0)
        bearer.is_right(RIGHT, address=str(number), now=0.0)

    assert len(bearer._wrong) == len(bearer._right) == ADDRESSES
