"""Numbers, sizes and secrets, from what YAML or a variable gives."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from ptingest.errors import Misfit
from ptingest.settings.values import (
    SecretStr,
    read_boolean,
    read_number,
    read_secret,
    read_size,
    read_text,
    read_whole_number,
)

NO_TEXT = [5, 1.5, True, None, [], {}, b"a"]
NO_WHOLE_NUMBER = ["", "x", "1.5", "1e3", "0x10", "1__0", "_1", "1 2", "１２", "9" * 5000,
                   1.5, math.inf, math.nan, 1e308, True, None, [], [1], {}]  # fmt: skip
NO_NUMBER = ["", "x", "0x10", "1__0", "１２", 10**400, True, False, None, [], [1.0], {}]
NO_BOOLEAN = ["", "maybe", " true", 2, -1, 0.5, math.nan, None, [], {}]
NO_SIZE = ["", "x", "64 parsecs", "-5", "-5MB", "5 MB MB", "1.5.5MB", "10.0.0.0/8", "MB", ".", "5.",
           "_1", "1e3", "1__0", "１２", -1, -0.5, 1.5, math.inf, math.nan, 1e308, True, None, [1],
           {}]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "number"),
    [
        (0, 0),
        (-7, -7),
        (10**30, 10**30),
        (3.0, 3),
        ("3", 3),
        (" -3\n", -3),
        ("+3", 3),
        ("010", 10),
        ("1_000", 1000),
        ("3.0", 3),
        ("3.", 3),
        ("-3.00", -3),
    ],
)
def test_whole_numbers_are_read(given: Any, number: int) -> None:
    read = read_whole_number(given)

    assert read == number
    assert type(read) is int


@pytest.mark.parametrize(
    ("given", "number"),
    [
        (0, 0.0),
        (1.5, 1.5),
        ("1.5", 1.5),
        (" 2 ", 2.0),
        ("1e3", 1000.0),
        ("1_000.5", 1000.5),
        ("inf", math.inf),
        ("-Infinity", -math.inf),
        (math.inf, math.inf),
    ],
)
def test_numbers_are_read(given: Any, number: float) -> None:
    read = read_number(given)

    assert read == number
    assert type(read) is float


@pytest.mark.parametrize(
    ("given", "is_true"),
    [(True, True), (False, False), (1, True), (0, False), (1.0, True), (0.0, False)]
    + [(word, True) for word in ("true", "True", "on", "YES", "y", "t", "1")]
    + [(word, False) for word in ("false", "False", "off", "NO", "n", "f", "0")],
)
def test_booleans_are_read(given: Any, is_true: bool) -> None:
    assert read_boolean(given) is is_true


@pytest.mark.parametrize(
    ("given", "count"),
    [
        (0, 0),
        (64, 64),
        (2.0, 2),
        ("64", 64),
        ("1_000", 1000),
        (" 64MiB ", 64 << 20),
        ("64 mib", 64 << 20),
        ("1.5GiB", 3 << 29),
        (".5 k", 500),
        ("5m", 5_000_000),
        ("7KB", 7000),
        ("3TB", 3 * 10**12),
        ("1PiB", 1 << 50),
        ("2 EiB", 2 << 60),
        ("9b", 9),
    ],
)
def test_sizes_are_read(given: Any, count: int) -> None:
    read = read_size(given)

    assert read == count
    assert type(read) is int


def test_text_is_read_as_it_is() -> None:
    assert read_text(" 1 ") == " 1 "


@pytest.mark.parametrize(
    ("read", "given"),
    [(read_text, given) for given in NO_TEXT]
    + [(read_secret, given) for given in NO_TEXT]
    + [(read_whole_number, given) for given in NO_WHOLE_NUMBER]
    + [(read_number, given) for given in NO_NUMBER]
    + [(read_boolean, given) for given in NO_BOOLEAN]
    + [(read_size, given) for given in NO_SIZE],
)
def test_what_does_not_fit_is_refused(read: Callable[[Any], Any], given: Any) -> None:
    with pytest.raises(Misfit):
        read(given)


def test_a_secret_shows_itself_only_when_asked() -> None:
    secret = read_secret("geheim")

    assert "geheim" not in f"{secret} {secret!r} {[secret]}"
    assert secret.get_secret_value() == "geheim"
    assert read_secret(secret) is secret


def test_secrets_are_equal_by_their_text() -> None:
    assert SecretStr("a") == SecretStr("a")
    assert len({SecretStr("a"), SecretStr("a"), SecretStr("b")}) == 2
    assert SecretStr("a") != "a"
