"""What the flow holds is counted for each sink until it leaves, once."""

from __future__ import annotations

from ptingest.model.outcome import DropReason, Fate, Processed
from ptingest.server.custody import SETTLED, Custody
from ptingest.telemetry.metrics import Metrics


def test_a_chunk_is_in_custody_until_its_events_leave_for_each_sink() -> None:
    metrics = Metrics()
    custody = Custody(["store", "elasticsearch"], metrics)

    custody.open(Processed(received={"django": 5}, dropped={("django", DropReason.OTHER_GROUP): 1}))
    custody.hand_over("store", {"django": 3})
    custody.close("django", Fate.DEAD_LETTERED, 1)

    assert custody.of("store") == {"django": 0}
    assert custody.of("elasticsearch") == {"django": 3}
    assert dict(metrics.labelled("ptingest_flow_received_events_total")) == {("django",): 5}


def test_what_never_reaches_a_lane_is_counted_as_given_back_for_its_sink_alone() -> None:
    metrics = Metrics()
    custody = Custody(["store", "elasticsearch"], metrics)
    custody.open(Processed(received={"django": 2}))

    custody.hand_over("store", {"django": 2})
    custody.give_back("elasticsearch", {"django": 2})

    assert custody.of("elasticsearch") == {"django": 0}
    assert dict(metrics.labelled(SETTLED)) == {("elasticsearch", "django", Fate.GIVEN_BACK): 2}
