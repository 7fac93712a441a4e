"""Events are shown to this host, under a name of this host, or to who has the token."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import make_mocked_request

from ptingest.api.access import objection_to_look


class Transport:
    """A connection from somewhere."""

    def __init__(self, address: str) -> None:
        self._address = address

    def get_extra_info(self, name: str, default: object = None) -> object:
        return (self._address, 50_000) if name == "peername" else default


def objection(address: str, host: str, *, is_guarded: bool = False) -> str | None:
    request = make_mocked_request(
        "GET", "/tap", headers={"Host": host}, transport=Transport(address)
    )
    return objection_to_look(request, is_guarded=is_guarded)


@pytest.mark.parametrize("host", ["127.0.0.1:9600", "localhost:9600", "[::1]:9600", "LOCALHOST"])
@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_this_host_may_look(address: str, host: str) -> None:
    assert objection(address, host) is None


def test_from_elsewhere_the_cure_is_named() -> None:
    text = objection("192.0.2.9", "127.0.0.1:9600")

    assert text is not None
    assert "api.token" in text


def test_a_strange_name_of_this_host_is_refused() -> None:
    text = objection("127.0.0.1", "evil.example:9600")

    assert text is not None
    assert "evil.example" in text


def test_who_has_shown_the_token_may_come_from_anywhere() -> None:
    assert objection("192.0.2.9", "logs.example", is_guarded=True) is None
