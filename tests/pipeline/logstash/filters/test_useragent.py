"""The filter ``useragent``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from ptingest.pipeline.logstash.options import RefusedConfig
from tests.pipeline.logstash.running import run_filter

pytest.importorskip("ua_parser", reason="the extra useragent is not installed")

REGEXES = r"""
user_agent_parsers:
  - regex: '(Firefox)/(\d+)\.(\d+)'
  - regex: '(Chrome)/(\d+)\.(\d+)\.(\d+)\.(\d+)'
  - regex: '(Odd)/(\d+)\.(\d+)\.(\d+)'
os_parsers:
  - regex: '(Mac OS X) (\d+)[_.](\d+)(?:[_.](\d+)|)'
  - regex: '(Windows) (Vista) (\d+)'
device_parsers:
  - regex: 'Macintosh'
    device_replacement: 'Mac'
"""
FIREFOX = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.11; rv:45.0) Gecko/20100101 Firefox/45.0"


@pytest.fixture
def regexes(tmp_path: Path) -> Path:
    path = tmp_path / "regexes.yaml"
    path.write_text(REGEXES)
    return path


def run(path: Path, options: str, text: Any) -> dict[str, Any]:
    found = run_filter(f'useragent {{ source => "m" regexes => "{path}" {options} }}', m=text)
    return {key: value for key, value in found.items() if key != "m"}


def test_a_text_has_a_browser_a_system_and_a_device(regexes: Path) -> None:
    assert run(regexes, "", FIREFOX) == {
        "user_agent": {
            "name": "Firefox",
            "version": "45.0",
            "os": {"name": "Mac OS X", "full": "Mac OS X 10.11", "version": "10.11"},
            "device": {"name": "Mac"},
        },
        "@metadata": {
            "filter": {
                "user_agent": {
                    "version": {"major": "45", "minor": "0"},
                    "os": {"version": {"major": "10", "minor": "11"}},
                }
            }
        },
    }


def test_without_ecs_the_fields_are_flat(regexes: Path) -> None:
    found = run(regexes, 'ecs_compatibility => "disabled" prefix => "p_" target => "ua"', FIREFOX)

    assert found == {
        "ua": {
            "p_name": "Firefox", "p_version": "45.0", "p_major": "45", "p_minor": "0",
            "p_os": "Mac OS X", "p_os_name": "Mac OS X", "p_os_full": "Mac OS X 10.11",
            "p_os_version": "10.11", "p_os_major": "10", "p_os_minor": "11", "p_device": "Mac",
        }
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("Chrome/89.0.4389.90", "89.0.4389.90"),
        ("Odd/1.2.3", "1.2.3"),
        ("Odd/1.2.3.4 x", "1.2.3.4"),
        ("Odd/1.2.3.04 x", "1.2.3"),
        ("Odd/1.2.3.4", "1.2.3"),
        ("nothing", None),
    ],
)
def test_versions_have_as_many_numbers_as_are_known(
    regexes: Path, text: str, version: str | None
) -> None:
    assert run(regexes, "", text)["user_agent"].get("version") == version


def test_a_version_that_is_a_name_is_apart(regexes: Path) -> None:
    found = run(regexes, "", "Windows Vista 6")["user_agent"]["os"]

    assert found == {"name": "Windows", "full": "Windows Vista 6", "version": "Vista 6"}


def test_what_is_unknown_is_other(regexes: Path) -> None:
    assert run(regexes, "", ["x", "y"]) == {
        "user_agent": {
            "name": "Other", "os": {"name": "Other", "full": "Other"}, "device": {"name": "Other"},
        }
    }  # fmt: skip


@pytest.mark.parametrize("value", [None, "", []])
def test_without_a_text_nothing_happens(regexes: Path, value: Any) -> None:
    assert run(regexes, 'add_tag => "ok"', value) == {}


def test_the_text_may_make_place_for_its_parts(regexes: Path) -> None:
    found = run_filter(
        f'useragent {{ source => "m" target => "m" regexes => "{regexes}" }}', m=FIREFOX
    )

    assert found["m"]["name"] == "Firefox"


def test_what_is_no_text_is_an_error(regexes: Path) -> None:
    assert run(regexes, "", 5) == {"tags": ["_filter_error"]}


def test_the_package_brings_regexes() -> None:
    found = run_filter('useragent { source => "m" }', m=FIREFOX)

    assert found["user_agent"]["name"] == "Firefox"


@pytest.mark.parametrize("text", ["- a", "user_agent_parsers:\n  - regex: '('", "a: ["])
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "regexes.yaml"
    path.write_text(text)

    with pytest.raises(RefusedConfig, match="the regexes cannot be used"):
        run(path, "", "x")


def test_without_the_package_the_cure_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ua_parser", None)

    with pytest.raises(RefusedConfig, match=r'pip install "ptingest\[useragent\]"') as caught:
        run_filter('useragent { source => "m" }')
    assert caught.value.is_unsupported
