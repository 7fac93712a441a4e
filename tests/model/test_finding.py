from __future__ import annotations

import pytest

from ptingest.model.finding import Finding, Mark


@pytest.mark.parametrize(
    ("mark", "is_ok"), [("ok", True), ("note", True), ("warning", True), ("problem", False)]
)
def test_only_a_problem_is_not_ok(mark: Mark, is_ok: bool) -> None:
    finding = Finding(mark, "login", "taken")

    assert finding.is_ok is is_ok
    assert finding.sentence == "login: taken"
    assert (finding.cure, finding.looked_at, finding.stops_all) == ("", "", False)
