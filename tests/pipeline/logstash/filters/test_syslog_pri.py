"""The filter ``syslog_pri``."""

from __future__ import annotations

from typing import Any

import pytest

from tests.pipeline.logstash.running import run_filter


def ecs(code: int, name: str | None, severity: int, severity_name: str | None) -> dict[str, Any]:
    """Return the fields of a facility and a severity."""
    facility = {"code": code} if name is None else {"code": code, "name": name}
    level = {"code": severity}
    return {
        "facility": facility,
        "severity": level if severity_name is None else {**level, "name": severity_name},
    }


@pytest.mark.parametrize(
    ("priority", "found", "tags"),
    [
        ("34", ecs(4, "security/authorization", 2, "critical"), None),
        (191, ecs(23, "local7", 7, "debug"), None),
        ("34 and more", ecs(4, "security/authorization", 2, "critical"), None),
        ("abc", ecs(0, "kernel", 0, "emergency"), None),
        (["13", "x"], ecs(1, "user-level", 5, "notice"), None),
        ("-1", ecs(-1, "local7", 7, "debug"), None),
        ("192", ecs(24, None, 0, None), ["_syslogpriparsefailure"]),
        ("-200", ecs(-25, None, 0, "emergency"), None),
        (None, ecs(1, "user-level", 5, "notice"), None),
    ],
)
def test_a_priority_is_a_facility_and_a_severity(
    priority: Any, found: dict[str, Any], tags: list[str] | None
) -> None:
    result = run_filter('syslog_pri { syslog_pri_field_name => "p" }', p=priority)

    assert result["log"]["syslog"] == found
    assert result.get("tags") == tags


def test_without_ecs_the_fields_are_flat() -> None:
    found = run_filter('syslog_pri { ecs_compatibility => "disabled" }', syslog_pri="34")

    assert found == {
        "syslog_pri": "34",
        "syslog_facility_code": 4,
        "syslog_severity_code": 2,
        "syslog_facility": "security/authorization",
        "syslog_severity": "critical",
    }


def test_labels_can_be_others_or_none() -> None:
    none = run_filter("syslog_pri { use_labels => false }")
    own = run_filter('syslog_pri { facility_labels => ["a", "b"] severity_labels => ["0"] }')

    assert none == {"log": {"syslog": ecs(1, None, 5, None)}}
    assert own == {"log": {"syslog": ecs(1, "b", 5, None)}}


@pytest.mark.parametrize("priority", [True, {"a": 1}, [["x"]]])
def test_what_has_no_number_is_an_error(priority: Any) -> None:
    found = run_filter('syslog_pri { syslog_pri_field_name => "p" }', p=priority)

    assert found == {"p": priority, "tags": ["_filter_error"]}
