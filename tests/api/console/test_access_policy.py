"""Who may see the console, decided from single requests."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import make_mocked_request
from pydantic import SecretStr

from ptingest.api.console.access_policy import (
    OLD_FORM,
    READ_ONLY,
    STRANGE_PAGE,
    STRANGE_USE,
    AccessPolicy,
    ConsoleClient,
    address_of,
    no_change,
    strange_page,
    strange_use,
)
from ptingest.settings.api import ApiSettings

TOKEN = SecretStr("the-token")


def ask(**headers: str) -> object:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return make_mocked_request("GET", "/console/", headers={"Host": "127.0.0.1:9600", **named})


@pytest.mark.parametrize("host", ["127.0.0.1:9600", "localhost", "LOCALHOST:1", "[::1]:9600"])
def test_on_loopback_whoever_names_loopback_comes_in(host: str) -> None:
    policy = AccessPolicy(ApiSettings())

    assert policy.refusal(ask(Host=host)) is None
    assert policy.client(ask(Host=host), 0.0) == ConsoleClient()


@pytest.mark.parametrize("host", ["evil.example:9600", "127.0.0.1.evil.example", "10.0.0.1", ""])
def test_a_page_whose_name_points_here_does_not(host: str) -> None:
    refusal = AccessPolicy(ApiSettings()).refusal(ask(Host=host))

    assert refusal is not None
    assert "api.token" in refusal


@pytest.mark.parametrize("listen", ["0.0.0.0:9600", "10.0.0.1:9600", "[::]:9600", "ptingest:9600"])
def test_beyond_loopback_nobody_comes_in_without_a_token_in_force(listen: str) -> None:
    refusal = AccessPolicy(ApiSettings(listen=listen)).refusal(ask())

    assert refusal is not None
    assert listen in refusal
    assert "api.token" in refusal


def test_with_a_token_any_host_may_be_named_and_a_login_is_wanted() -> None:
    policy = AccessPolicy(ApiSettings(listen="0.0.0.0:9600", token=TOKEN))

    assert policy.refusal(ask(Host="logs.example")) is None
    assert policy.client(ask(Host="logs.example"), 0.0) is None


def test_the_token_itself_is_a_login() -> None:
    policy = AccessPolicy(ApiSettings(token=TOKEN))

    assert policy.client(ask(Authorization="Bearer the-token"), 0.0) == ConsoleClient(
        may_change=True
    )
    assert policy.client(ask(Authorization="Bearer wrong"), 0.0) is None
    assert policy.client(ask(Authorization="Basic the-token"), 0.0) is None


def test_the_cookie_of_a_session_is_a_login_as_long_as_the_session_is_open() -> None:
    policy = AccessPolicy(ApiSettings(token=TOKEN))
    assert policy.sessions is not None
    session = policy.sessions.log_in("the-token", address="-", now=0.0)
    assert session is not None
    request = ask(Cookie=f"{policy.cookie}={session.id}")

    assert policy.client(request, 1.0) == ConsoleClient(session, may_change=True)
    policy.sessions.log_out(session)
    assert policy.client(request, 1.0) is None


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://127.0.0.1:9600"},
        {"Sec_Fetch_Site": "same-origin", "Origin": "http://behind-a-proxy"},
    ],
)
def test_a_form_of_ours_may_post(headers: dict[str, str]) -> None:
    assert strange_page(ask(**headers)) is None


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:9601"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "none"},
        {"Sec_Fetch_Site": "cross-site", "Origin": "http://127.0.0.1:9600"},
    ],
)
def test_a_page_from_elsewhere_may_not(headers: dict[str, str]) -> None:
    assert strange_page(ask(**headers)) == STRANGE_PAGE


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec_Fetch_Site": "none", "Sec_Fetch_Dest": "document"},
        {"Sec_Fetch_Site": "same-origin", "Sec_Fetch_Dest": "empty"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Dest": "document"},
    ],
)
def test_a_page_may_be_read_by_its_address_and_by_a_link(headers: dict[str, str]) -> None:
    assert strange_use(ask(**headers)) is None


@pytest.mark.parametrize("use", ["image", "script", "iframe", "empty", "embed"])
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_no_page_of_another_site_has_ours_as_a_part_of_itself(site: str, use: str) -> None:
    headers = {"Sec_Fetch_Site": site, "Sec_Fetch_Dest": use}

    assert strange_use(ask(**headers)) == STRANGE_USE


def test_without_a_token_in_force_nothing_is_changed() -> None:
    assert no_change(ConsoleClient(), "") == READ_ONLY


def test_a_session_changes_something_with_its_own_form_key_only() -> None:
    policy = AccessPolicy(ApiSettings(token=TOKEN))
    assert policy.sessions is not None
    session = policy.sessions.log_in("the-token", address="-", now=0.0)
    assert session is not None
    client = ConsoleClient(session, may_change=True)

    assert no_change(client, session.form_key) is None
    assert no_change(client, "") == OLD_FORM
    assert no_change(client, session.id) == OLD_FORM


def test_bearer_needs_no_form_key_since_no_page_can_send_it_for_somebody() -> None:
    assert no_change(ConsoleClient(may_change=True), "") is None


@pytest.mark.parametrize(
    ("remote", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("unix", "unix"),
    ],
)
def test_guesses_are_counted_for_an_address_or_an_ipv6_network(remote: str, counted: str) -> None:
    assert address_of(ask().clone(remote=remote)) == counted
