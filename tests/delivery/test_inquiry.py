from __future__ import annotations

import pytest

from ptingest.delivery.inquiry import TROUBLED_SECONDS, WELL_SECONDS, is_due, trouble_after
from ptingest.model.contracts import Finding

FINE = Finding("reachable", ok=True, detail="Elasticsearch 8.19.0")
DOWN = Finding("reachable", ok=False, detail="no answer", cure="start it", stops_all=True)
LACKS = Finding("rights", ok=False, detail="lacks create_doc on logs-*-pt")


@pytest.mark.parametrize(
    ("heard_at", "is_idle", "is_troubled", "due"),
    [
        pytest.param(None, True, False, True, id="nothing is known yet"),
        pytest.param(None, False, False, False, id="a write is on its way and will tell"),
        pytest.param(100 - WELL_SECONDS + 1, True, False, False, id="it was well lately"),
        pytest.param(100 - WELL_SECONDS, True, False, True, id="it was well a while ago"),
        pytest.param(100 - TROUBLED_SECONDS + 1, True, True, False, id="it was down just now"),
        pytest.param(100 - TROUBLED_SECONDS, True, True, True, id="it may be back"),
        pytest.param(0, False, True, False, id="a busy lane is left alone"),
    ],
)
def test_an_idle_sink_is_asked_now_and_then(
    heard_at: float | None, is_idle: bool, is_troubled: bool, due: bool
) -> None:
    assert is_due(100, heard_at=heard_at, is_idle=is_idle, is_troubled=is_troubled) is due


@pytest.mark.parametrize(
    ("findings", "before", "after"),
    [
        pytest.param([FINE], None, None, id="well"),
        pytest.param([FINE], "down", None, id="well again"),
        pytest.param([], "down", None, id="nothing to complain of"),
        pytest.param([DOWN], None, "no answer; start it", id="down"),
        pytest.param([FINE, LACKS], None, None, id="a complaint that a write may never meet"),
        pytest.param([FINE, LACKS], "403", "403", id="a complaint that a write did meet"),
        pytest.param([LACKS, DOWN], "403", "no answer; start it", id="the worst counts"),
    ],
)
def test_readiness_follows_what_stops_everything(
    findings: list[Finding], before: str | None, after: str | None
) -> None:
    assert trouble_after(findings, before) == after
