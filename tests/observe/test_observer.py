"""Each chunk is passed once to traffic samples, to open taps, and to the trace buffer."""

from __future__ import annotations

from pydantic import ByteSize

from ptingest.delivery.batch import cost_of
from ptingest.model.origin import Origin
from ptingest.model.receipt import Receipt
from ptingest.model.watching import TapRequest
from ptingest.observe.observer import Observer
from ptingest.observe.taps import Taps
from ptingest.observe.trace_buffer import TraceBuffer
from ptingest.pipeline.compile import compile_profile, packaged_profile_path
from ptingest.settings.load import load_profile
from ptingest.settings.why import WhySettings
from tests.fakes.clock import ManualClock
from tests.support.raw_peer import event

PIPELINE = compile_profile(load_profile(packaged_profile_path(), {}))
ORIGIN = Origin(peer="192.0.2.7:1")


def observer(*, max_bytes: int) -> Observer:
    clock = ManualClock()
    trace_buffer = TraceBuffer(WhySettings(max_bytes=ByteSize(max_bytes)), clock=clock)
    return Observer(lambda: PIPELINE, taps=Taps(clock), trace_buffer=trace_buffer)


def show(to: Observer) -> Receipt:
    receipt, payloads = Receipt(lambda _: None), [event(), event(service="celery")]
    processed = PIPELINE.process(payloads, receipt=receipt, peer="p", now_ns=0)
    to.saw(payloads, processed, cost_of(processed.documents), receipt, ORIGIN, 0)
    return receipt


async def test_all_three_see_a_chunk() -> None:
    to = observer(max_bytes=1 << 20)
    tap = await to.taps.begin(TapRequest())

    receipt = show(to)

    assert to.traffic.status(0).keys() == {"django", "celery"}
    assert tap.seen == 2
    assert [chunk.receipt for chunk in to.trace_buffer.whole] == [receipt]
    assert receipt.trace is not None
    assert receipt.trace.events == 2


async def test_a_receipt_carries_no_trace_while_nothing_is_remembered() -> None:
    receipt = show(observer(max_bytes=0))

    assert receipt.trace is None
