from __future__ import annotations

from typing import Any

import pytest

from ptingest.doctor.filebeat import findings_of_filebeat
from ptingest.doctor.server_facts import ServerFacts
from ptingest.model.finding import Finding


def findings_from(*rows: dict[str, Any]) -> list[Finding]:
    facts = ServerFacts("http://here", status={"beats": {"listed": list(rows)}})
    return list(findings_of_filebeat(facts))


def habits(**row: Any) -> Finding:
    usual = {
        "peer": "10.0.0.9:1",
        "windows": 100,
        "events": 200_000,
        "largest_window": 2048,
        "compresses": True,
        "pipelines": True,
    }
    (found,) = findings_from(usual | row)
    assert found.subject == "Beat's settings"
    return found


def test_a_well_tuned_beat_gets_no_advice() -> None:
    assert habits().mark == "ok"


@pytest.mark.parametrize(
    ("row", "advice"),
    [
        ({"compresses": False}, "compression_level"),
        ({"largest_window": 50, "events": 5000}, "bulk_max_size"),
        ({"pipelines": False}, "pipelining"),
    ],
)
def test_a_setting_seen_on_the_wire_gets_its_advice(row: dict[str, Any], advice: str) -> None:
    found = habits(**row)

    assert found.mark == "note"
    assert advice in found.cure
    assert "10.0.0.9:1" in found.looked_at


def test_compression_on_loopback_is_nobodys_concern() -> None:
    assert habits(peer="127.0.0.1:1", compresses=False).mark == "ok"


def test_a_beat_that_has_hardly_begun_is_not_judged() -> None:
    assert findings_from({"peer": "p", "windows": 1, "events": 1}) == []


def identities(*kinds: str | None) -> list[Finding]:
    rows = [
        {"peer": f"10.0.0.9:{number}", "agent": "filebeat 7.17.0", "files_known_by": kind}
        for number, kind in enumerate(kinds)
    ]
    return findings_from(*rows)


@pytest.mark.parametrize(
    ("kind", "found", "cure"),
    [
        ("path", "neither inode nor fingerprint", "Filebeat 8.10 or newer"),
        ("nothing", "no key", "drop_fields"),
    ],
)
def test_files_that_a_rename_or_a_resend_doubles_get_advice(
    kind: str, found: str, cure: str
) -> None:
    (finding,) = identities("inode", kind)

    assert finding.mark == "note"
    assert "1 of 2 connections (filebeat 7.17.0)" in finding.found
    assert found in finding.found
    assert cure in finding.cure
    assert "10.0.0.9:1" in finding.looked_at


def test_files_known_by_what_a_rename_leaves_alone_are_well() -> None:
    (finding,) = identities("inode", "fingerprint", None)

    assert (finding.mark, finding.cure) == ("ok", "")


def test_senders_that_read_no_files_get_no_word_on_them() -> None:
    assert identities(None) == []
