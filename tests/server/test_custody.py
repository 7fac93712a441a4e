"""What the flow holds is counted for each sink until it leaves, once."""

from __future__ import annotations

from msgspec.structs import replace

from ptingest.model.outcome import DeadLetter, DropReason, Fate, Processed
from ptingest.server.custody import ADDED, SETTLED, Custody
from ptingest.telemetry.metrics import Metrics
from tests.support.documents import document


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


def test_further_documents_of_an_event_are_more_and_those_for_others_leave_at_once() -> None:
    metrics = Metrics()
    custody = Custody(["a", "b"], metrics)
    one, two = replace(document(), payload=b"1" * 9), replace(document(), payload=b"2" * 9)
    copy = replace(one)
    letter = DeadLetter(reason="r", detail="d", payload=b"x", service="django", peer="p")
    processed = Processed(
        documents=[one, copy, two],
        dead_letters=[letter],
        received={"django": 4},
        dropped={("django", DropReason.FILTER): 1},
        is_spread=True,
    )

    custody.open(processed)
    custody.spread(processed, {"a": [one, copy, two], "b": [one]})
    custody.hand_over("a", {"django": 3})
    custody.hand_over("b", {"django": 1})
    custody.close("django", Fate.DEAD_LETTERED, 1)

    assert (custody.of("a"), custody.of("b")) == ({"django": 0}, {"django": 0})
    assert [metrics.value(ADDED, sink, "django") for sink in "ab"] == [1, 0]
    assert metrics.value(SETTLED, "b", "django", Fate.ELSEWHERE) == 1
