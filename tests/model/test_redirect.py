from __future__ import annotations

import pytest

from ptingest.model.redirect import is_redirect, redirect_sentence

SETTING = "sinks.elasticsearch.hosts"
BULK = "/_bulk?require_data_stream=true"


def said(location: str | None, *, url: str = "http://es:9200", target: str = BULK) -> str:
    return redirect_sentence(301, location, url=url, target=target, setting=SETTING)


@pytest.mark.parametrize(
    ("location", "url", "target", "address"),
    [
        ("https://es:9200/_bulk?x=1", "http://es:9200", BULK, "https://es:9200"),
        # Without a port our own setting would mean 9200.
        ("https://es.example/_bulk", "http://es:80", BULK, "https://es.example:443"),
        ("https://es.example/", "http://es:80", "/", "https://es.example:443"),
        ("https://es.example", "http://es:80", "/", "https://es.example:443"),
        ("//other:1/_bulk", "http://es:9200", BULK, "http://other:1"),
        ("/elastic/_bulk", "http://es:9200", BULK, "http://es:9200/elastic"),
        ("https://[::1]:9/_bulk", "http://es:9200", BULK, "https://[::1]:9"),
        ("https://user:secret@es:9/_bulk", "http://es:9200", BULK, "https://es:9"),
        ("https://b:1/_bulk", "http://a:2/es", BULK, "https://b:1"),
    ],
)
def test_the_address_to_write_is_said_with_its_port_and_without_any_login(
    location: str, url: str, target: str, address: str
) -> None:
    text = said(location, url=url, target=target)

    assert f"{url} answers 301 to {address}: write that into {SETTING}" in text
    assert "not followed" in text
    assert "secret" not in text


def test_from_https_to_http_it_says_what_would_be_readable() -> None:
    text = said("http://es:9200/_bulk", url="https://es:9200")

    assert "301 to http://es:9200" in text
    assert "without TLS" in text
    assert "readable" in text
    assert "write that into" not in text


@pytest.mark.parametrize(
    ("location", "target"),
    [("/login?next=/_bulk", BULK), ("https://sso.example/auth?ticket=abc", BULK), ("/login/", "/")],
)
def test_another_page_is_no_address_to_write_and_its_query_stays_hidden(
    location: str, target: str
) -> None:
    text = said(location, target=target)

    assert "a redirect to another page; it is not followed" in text
    assert f"{SETTING} must name the server itself" in text
    assert "write that into" not in text
    assert "?" not in text


@pytest.mark.parametrize("target", ["/", BULK])
def test_a_redirect_to_itself_is_no_advice(target: str) -> None:
    text = said(f"http://es:9200{target}", target=target)

    assert "write that into" not in text


@pytest.mark.parametrize(
    "location",
    [
        None, "", "http://[", "http://es:99999/_bulk", "http:///_bulk", "ftp://es/_bulk",
        "javascript:alert(1)", "http://es/\x1b]0;pwned\x07_bulk", "http://\xe9s/_bulk",
    ],
)  # fmt: skip
def test_what_is_no_address_is_not_repeated(location: str | None) -> None:
    text = said(location)

    assert text.isprintable()
    assert text.isascii()
    assert "it is not followed" in text
    assert "write that into" not in text
    if location:
        assert location not in text


def test_an_endless_address_is_cut() -> None:
    assert len(said(f"https://es:9/{'x' * 10_000}/_bulk")) < 600


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308, 399])
def test_each_3xx_is_a_redirect(status: int) -> None:
    assert is_redirect(status)


@pytest.mark.parametrize("status", [None, 200, 299, 400])
def test_nothing_else_is(status: int | None) -> None:
    assert not is_redirect(status)
