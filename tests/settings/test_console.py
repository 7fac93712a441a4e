"""Saved searches of the console, and where Kibana is."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from ptingest.errors import ConfigInvalid
from ptingest.settings.console import ConsoleSettings
from ptingest.settings.load import load_server


def load(folder: Path, searches: str) -> None:
    config = folder / "c.yaml"
    config.write_text(f"console: {{searches: {searches}}}", encoding="utf-8")
    settings = load_server(config, {})
    (search,) = settings.console.searches
    assert (search.name, search.view) == ("Errors", "q=log_level%3AERROR&since=24h&until=")


def test_a_saved_search_is_a_name_and_a_view(tmp_path: Path) -> None:
    load(tmp_path, '[{name: Errors, view: "q=log_level%3AERROR&since=24h&until="}]')


@pytest.mark.parametrize(
    ("searches", "why"),
    [
        ("[{name: Errors, view: log_level}]", "copy what stands behind the"),
        ('[{name: Errors, view: ""}]', "view"),
        ('[{name: "", view: q=a}]', "name"),
        ("[{name: Errors}]", "view"),
    ],
)
def test_what_is_no_view_is_refused_with_what_to_write(
    tmp_path: Path, searches: str, why: str
) -> None:
    with pytest.raises(ConfigInvalid, match=why):
        load(tmp_path, searches)


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("http://127.0.0.1:5601", "http://127.0.0.1:5601"),
        ("https://kibana.example.org/logs/", "https://kibana.example.org/logs"),
    ],
)
def test_kibana_has_an_address(written: str, url: str) -> None:
    assert ConsoleSettings(kibana_url=written).kibana_url == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "kibana:5601",
        "javascript:alert(1)",
        "https://",
        "https://elastic:secret@kibana",
        "http://kibana/?a=b",
        "http://kibana/#x",
    ],
)
def test_what_is_no_address_of_kibana_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match=r"it is no address|more than an address"):
        ConsoleSettings(kibana_url=url)
