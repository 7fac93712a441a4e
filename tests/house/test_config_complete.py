"""config/ptingest.yaml shows every setting there is, with its real default."""

from __future__ import annotations

import re

import pytest
from pydantic import BaseModel, TypeAdapter

from ptingest.settings.explain import all_places, find_spot
from ptingest.settings.parse import ParsedYaml, Place, dotted, parse
from ptingest.settings.profile import ProfileSettings
from ptingest.settings.server import ServerSettings
from tests.support.modules import ROOT

OFF = re.compile(r"^(\s*)#(?=\S)", re.MULTILINE)
"""A `#` without a space after it is a setting that is off."""

EXAMPLES = {
    "profile", "username", "password", "api_key", "ca_file", "fingerprint", "certificate", "key",
    "key_password", "client_ca", "token", "kibana_url", "brokers", "topics",
}  # fmt: skip
"""Settings that are off unless given: what the file shows is an example, not a default."""


@pytest.fixture(scope="module")
def shown() -> ParsedYaml:
    """The config file with everything switched on."""
    text = (ROOT / "config" / "ptingest.yaml").read_text(encoding="utf-8")
    return parse(OFF.sub(r"\1", text), file="config/ptingest.yaml")


def leaves(model: type[BaseModel]) -> list[Place]:
    places = set(all_places(model))
    return sorted(place for place in places if not any(p[:-1] == place for p in places))


def value_at(parsed: ParsedYaml, place: Place) -> object:
    value = parsed.root
    for part in place:
        value = value[part]
    return value


def test_every_setting_is_shown(shown: ParsedYaml) -> None:
    missing = [dotted(place) for place in all_places(ServerSettings) if place not in shown.lines]

    assert missing == [], "config/ptingest.yaml does not show these settings"


def test_nothing_else_is_shown(shown: ParsedYaml) -> None:
    known = {*all_places(ServerSettings), ()}

    unknown = [dotted(p) for p in shown.lines if p not in known and not isinstance(p[-1], int)]

    assert unknown == [], "config/ptingest.yaml shows settings that do not exist"
    assert shown.problems == []


@pytest.mark.parametrize("place", leaves(ServerSettings), ids=dotted)
def test_what_is_shown_is_the_default(shown: ParsedYaml, place: Place) -> None:
    spot = find_spot(ServerSettings, place)
    field = spot.field
    assert field is not None

    value = TypeAdapter(spot.annotation).validate_python(value_at(shown, place))

    if field.is_required() or place[-1] in EXAMPLES:
        assert value is not None
    else:
        assert value == field.default, f"{dotted(place)} has another default"


def test_the_profile_names_every_setting_of_a_profile() -> None:
    text = (ROOT / "config" / "pt.yaml").read_text(encoding="utf-8")

    missing = [
        dotted(place)
        for place in all_places(ProfileSettings)
        if not re.search(rf"\b{place[-1]}\b", text)
    ]

    assert missing == [], "config/pt.yaml does not mention these settings"
