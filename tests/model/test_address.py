from __future__ import annotations

import pytest

from ptingest.model.address import is_loopback_host, split_listen, without_port


@pytest.mark.parametrize(
    ("listen", "parts"),
    [
        pytest.param("127.0.0.1:9600", ("127.0.0.1", 9600), id="IPv4"),
        pytest.param("[::1]:5044", ("::1", 5044), id="IPv6 in brackets"),
        pytest.param("localhost:0", ("localhost", 0), id="a name, any port"),
        pytest.param(":9600", ("", 9600), id="no host"),
    ],
)
def test_an_address_is_split_into_host_and_port(listen: str, parts: tuple[str, int]) -> None:
    assert split_listen(listen) == parts


@pytest.mark.parametrize("listen", ["", "host", "host:", "host:x"])
def test_without_a_port_it_is_no_address(listen: str) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        split_listen(listen)


@pytest.mark.parametrize(
    ("host", "name"),
    [("a:1", "a"), ("a", "a"), ("[::1]:9", "::1"), ("[::1]", "::1"), ("", ""), (":9", "")],
)
def test_the_name_in_a_host_header(host: str, name: str) -> None:
    assert without_port(host) == name


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [
        ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("LocalHost", True),
        ("0.0.0.0", False), ("::", False), ("192.0.2.1", False), ("example.org", False),
    ],
)  # fmt: skip
def test_loopback_is_this_host_alone(host: str, is_loopback: bool) -> None:
    assert is_loopback_host(host) is is_loopback
