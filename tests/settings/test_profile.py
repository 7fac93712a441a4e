from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from ptingest.settings.profile import ProfileSettings
from tests.support.profile import shipped_profile

SHIPPED = Path(__file__).parents[2] / "config" / "pt.yaml"


def raw_profile() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    return found


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown zone": ({"timezone": "Mars"}, "use an IANA name"),
    "an unknown key": ({"colour": 1}, "Extra inputs are not permitted"),
    "no group": ({"groups": []}, "at least 1 item"),
    "a precision that does not exist": ({"timestamp_precision": "ns"}, "'parity' or 'full'"),
}
GROUP_MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "no pattern": ({"patterns": []}, "at least 1 item"),
    "two shapes": ({"patterns": [{"name": "a", "line": "{rest:a}", "regex": "x"}]}, "exactly one"),
    "no shape": ({"patterns": [{"name": "a"}]}, "exactly one"),
    "an unknown piece": (
        {"patterns": [{"name": "a", "line": "{wrd:a}|{rest:b}"}]},
        "which is not a piece",
    ),
    "no rest": ({"patterns": [{"name": "a", "line": "{word:a}|"}]}, "end with {rest:x}"),
    "an early rest": ({"patterns": [{"name": "a", "line": "{rest:a}|{rest:b}"}]}, "before its end"),
    "pieces that touch": (
        {"patterns": [{"name": "a", "line": "{word:a}{rest:b}"}]},
        "nothing between",
    ),
    "a field twice": ({"patterns": [{"name": "a", "line": "{word:a}|{rest:a}"}]}, "a field twice"),
    "a broken regex": ({"patterns": [{"name": "a", "regex": "(?P<a>"}]}, "does not compile"),
    "a regex without groups": ({"patterns": [{"name": "a", "regex": "x"}]}, "names no group"),
    "a field that is not a pattern's": (
        {"patterns": [{"name": "a", "line": "{word:message}|{rest:b}"}]},
        "not a pattern's to set",
    ),
    "an unknown time format": ({"time": {"formats": ["yyyy-MM-dd"]}}, "use ISO8601, UNIX"),
    "a star in the middle": (
        {"categories": {"rules": [{"match": ["a*b"], "set": {"stream": "x"}}]}},
        "is not understood",
    ),
    "a label that sets the service": (
        {"categories": {"rules": [{"match": ["a"], "set": {"service": "x"}}]}},
        "makes itself",
    ),
    "a constant over the data stream": ({"fields": {"data_stream.type": "x"}}, "makes itself"),
    "a constant too deep": ({"fields": {"a.b.c": "x"}}, "write `a` or `a.b`"),
    "a constant over the original": ({"fields": {"event.original": "x"}}, "use event_original"),
    "a namespace with a dash": ({"data_stream": {"namespace": "a-b"}}, "is not allowed"),
    "a namespace in upper case": ({"data_stream": {"namespace": "PT"}}, "is not allowed"),
}


@pytest.mark.parametrize(("changes", "told"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_told_with_its_cure(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ProfileSettings.model_validate(raw_profile() | changes)

    assert told in str(caught.value)


@pytest.mark.parametrize(("changes", "told"), GROUP_MISTAKES.values(), ids=GROUP_MISTAKES.keys())
def test_a_mistake_in_a_group_is_told_with_its_cure(changes: dict[str, Any], told: str) -> None:
    raw = raw_profile()
    raw["groups"][0] |= changes

    with pytest.raises(ValidationError) as caught:
        ProfileSettings.model_validate(raw)

    assert told in str(caught.value)
    assert caught.value.errors()[0]["loc"][:2] == ("groups", 0)


def test_a_group_given_twice_is_told() -> None:
    raw = raw_profile()
    raw["groups"] *= 2

    with pytest.raises(ValidationError, match="given twice"):
        ProfileSettings.model_validate(raw)


def test_an_unquoted_off_is_off() -> None:
    assert (
        ProfileSettings.model_validate(raw_profile() | {"sanitise_names": False}).sanitise_names
        == "off"
    )


def test_improvements_are_off_as_shipped() -> None:
    profile = ProfileSettings.model_validate(raw_profile())

    assert (profile.parsing, profile.timestamp_precision) == ("parity", "parity")
    assert (profile.event_original, profile.sanitise_names) == ("keep", "off")
    assert not profile.groups[0].only_known_services
    assert profile.timezone == "UTC"


def test_lines_of_a_service_are_of_the_first_group_that_knows_it() -> None:
    (group,) = shipped_profile().groups
    shop = group.model_copy(update={"group": "shop", "known_services": ("till", "nginx")})
    profile = shipped_profile().model_copy(update={"groups": (group, shop)})

    assert [profile.group_of(name) for name in ("till", "nginx", "new")] == ["shop", "pt", "pt"]
