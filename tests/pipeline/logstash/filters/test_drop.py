"""The filter ``drop``."""

import pytest

from ptingest.pipeline.logstash.event import new_event
from ptingest.pipeline.logstash.filters import drop
from ptingest.pipeline.logstash.options import FilterSetup, Options
from ptingest.pipeline.logstash.tree import Place


@pytest.mark.parametrize(("percentage", "dropped"), [(100, 100), (0, 0)])
def test_a_share_of_the_events_is_dropped(percentage: int, dropped: int) -> None:
    options = Options("drop", Place("a.conf", 1, 1), {"percentage": percentage}, {})
    run = drop.build(FilterSetup(options, matched=lambda event: None))
    events = [new_event({}, now_ns=0) for _ in range(100)]
    for event in events:
        assert run(event) is None
    assert sum(event.is_cancelled for event in events) == dropped
