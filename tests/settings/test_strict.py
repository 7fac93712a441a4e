"""The base of all settings models."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from ptingest.settings.strict import ListenAddress, PositiveSeconds, StrictSettings


class Example(StrictSettings):
    listen: ListenAddress = "127.0.0.1:0"
    seconds: PositiveSeconds = 1.0


@pytest.mark.parametrize("listen", ["9600", ":9600", "host:", "host:x", "host:65536", "h h:1"])
def test_what_is_no_address_is_refused(listen: str) -> None:
    with pytest.raises(ValidationError):
        Example(listen=listen)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Example().seconds = 2.0


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
def test_times_are_positive_and_finite(seconds: float) -> None:
    with pytest.raises(ValidationError):
        Example(seconds=seconds)
