"""The one observer that a server gives to its flow: traffic samples, taps and traces.

flow --once a chunk--> Observer --> TrafficWatch      what /status says of each service
                                --> MisplacedGroups   a log line where `group` is under `fields`
                                --> Taps              while a tap is open
                                --> TraceBuffer       while why.max_bytes is above 0
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ptingest.model.origin import Origin
from ptingest.model.outcome import Processed
from ptingest.model.receipt import Receipt
from ptingest.observe.misplaced import MisplacedGroups
from ptingest.observe.taps import Taps
from ptingest.observe.trace_buffer import TraceBuffer
from ptingest.observe.traffic import TrafficWatch
from ptingest.pipeline.pipeline import Pipeline


class Observer:
    """Implements ``ChunkObserver`` for traffic samples, taps and traces."""

    def __init__(
        self, pipeline: Callable[[], Pipeline], *, taps: Taps, trace_buffer: TraceBuffer
    ) -> None:
        """``pipeline`` returns the one in force."""
        self._pipeline = pipeline
        self.taps, self.trace_buffer = taps, trace_buffer
        self.traffic = TrafficWatch(pipeline().profile)
        self._misplaced = MisplacedGroups()

    def saw(
        self,
        payloads: Sequence[bytes],
        processed: Processed,
        cost: int,
        receipt: Receipt,
        origin: Origin,
        now_ns: int,
    ) -> None:
        """A chunk was processed; ``cost`` is what its documents cost the budget."""
        pipeline = self._pipeline()
        self.traffic.look(processed, pipeline.profile, now_ns)
        self._misplaced.look(processed, origin.peer, now_ns)
        if self.taps.open:
            self.taps.see(pipeline, payloads, processed, origin.peer, now_ns)
        self.trace_buffer.saw(payloads, processed, cost, receipt, origin)
