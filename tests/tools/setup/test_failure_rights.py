from __future__ import annotations

import pytest

from ptingest.sinks.elasticsearch.names import ROLE
from ptingest.tools.setup.elasticsearch import fitted
from ptingest.tools.setup.plan import Part, Wanted, elasticsearch_steps, keeping_patterns, role_body

LEAN = role_body(Wanted())["indices"][0]


def test_reading_is_one_privilege_more_on_the_same_streams() -> None:
    (row,) = role_body(Wanted(failures="read"))["indices"]

    assert row["names"] == ["logs-*-pt"]
    assert row["privileges"] == [*LEAN["privileges"], "read_failure_store"]


def test_purging_is_deleting_in_the_failure_stores_indices_and_nowhere_else() -> None:
    first, second = role_body(Wanted(failures="purge"))["indices"]

    assert "delete" not in first["privileges"]
    assert second == {"names": [".fs-logs-*-pt-*"], "privileges": ["delete"]}


@pytest.mark.parametrize("part", ["role", "api-key"])
def test_a_server_without_failure_stores_gets_the_role_without_these(part: Part) -> None:
    wanted = Wanted(failures="purge", parts=frozenset({part}))

    (older,) = fitted(elasticsearch_steps(wanted), "8.13.4")
    (newer,) = fitted(elasticsearch_steps(wanted), "8.19.0")

    def role(body: dict[str, object]) -> object:
        found = body["role_descriptors"][ROLE] if part == "api-key" else body  # type: ignore[index]
        return found["indices"]

    assert role(older.body) == [LEAN]
    assert "no failure store: 8.13.4 has none" in older.subject
    assert len(role(newer.body)) == 2  # type: ignore[arg-type]


def test_the_patterns_of_another_profile_are_kept_in_both_rows() -> None:
    found = role_body(Wanted(failures="purge"))
    found["indices"][0]["names"].append("logs-*-other")
    found["indices"][1]["names"].append(".fs-logs-*-other-*")

    kept = keeping_patterns(role_body(Wanted(failures="purge")), found)

    assert kept["indices"][1]["names"] == [".fs-logs-*-pt-*", ".fs-logs-*-other-*"]
    assert kept == found | {"indices": [
        {**found["indices"][0], "names": ["logs-*-pt", "logs-*-other"]}, kept["indices"][1]
    ]}  # fmt: skip


def test_a_row_of_other_privileges_gives_no_names_to_the_right_to_delete() -> None:
    found = {"indices": [LEAN, {"names": ["secret-*"], "privileges": ["read"]}]}

    kept = keeping_patterns(role_body(Wanted(failures="purge")), found)

    assert kept["indices"][1]["names"] == [".fs-logs-*-pt-*"]
