"""One lane as others see it: its row of ``/status``, its gauges, and why it is in trouble."""

from __future__ import annotations

from ptingest.dead_letters.queue import DeadLetters
from ptingest.delivery.inventory import Inventory
from ptingest.delivery.rate.limiter import RateLimiter
from ptingest.delivery.retry_policy import RetryPolicy
from ptingest.delivery.settlement import Settlement
from ptingest.delivery.sink_health import SinkHealth
from ptingest.model.contracts import Clock
from ptingest.telemetry.metrics import Metrics


class LaneStatus:
    """Reads the parts of a lane and changes nothing."""

    def __init__(
        self,
        *,
        inventory: Inventory,
        limiter: RateLimiter,
        retries: RetryPolicy,
        settlement: Settlement,
        health: SinkHealth,
        dead_letters: DeadLetters,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._inventory, self._limiter, self._retries = inventory, limiter, retries
        self._settlement, self._health, self._dead_letters = settlement, health, dead_letters
        self._clock, self._metrics = clock, metrics
        metrics.before_scrape(self._refresh)

    @property
    def trouble(self) -> str | None:
        """Why the sink, or the dead letters, cannot take documents now; None when they can."""
        return self._health.trouble or self._dead_letters.trouble

    @property
    def stream_troubles(self) -> list[str]:
        """A sentence for each data stream whose documents wait now.

        None once others were stored since the first of them began: whoever sends to one data
        stream must not make the server look unready to all others.
        """
        waiting = [
            one
            for one in self._inventory.streams
            if not one.is_open and (one.held or one.is_probing)
        ]
        if any(one.since < self._health.stored_at for one in waiting):
            return []
        return [f"{one.target.name}: {one.reason}: {one.detail}" for one in waiting]

    def outstanding_by_service(self) -> dict[str, int]:
        """Count the documents in this lane, by service."""
        return self._inventory.by_service()

    def row(self) -> dict[str, object]:
        """Return the lane's row of ``/status``."""
        now, inventory, limiter = self._clock.monotonic(), self._inventory, self._limiter
        return {
            "in_flight": len(inventory.in_flight),
            "concurrency": limiter.concurrency,
            "waiting_documents": inventory.waiting,
            "outstanding_documents": inventory.documents,
            "retrying_documents": len(inventory.again) + len(inventory.suspects),
            "suspect_documents": len(inventory.suspects),
            "failing_documents": len(self._retries.failing),
            "doubtful_documents": self._settlement.doubtful,
            "backoff_seconds": round(max(0.0, limiter.backoff.until - now), 3),
            "failures": limiter.backoff.failures,
            "batch_max_documents": inventory.fresh.max_documents,
            "batch_max_bytes": inventory.fresh.max_bytes,
            "tuning": limiter.status(),
            "oldest_seconds": round(now - inventory.oldest(now), 3),
            "trouble": self.trouble,
            "troubled_streams": [stream.status(now) for stream in inventory.streams],
        }

    def _refresh(self) -> None:
        set_gauge, name, tuner = self._metrics.set, self._health.name, self._limiter.tuner
        inventory = self._inventory
        set_gauge("ptingest_lane_in_flight", len(inventory.in_flight), name)
        set_gauge("ptingest_lane_concurrency", self._limiter.concurrency, name)
        set_gauge("ptingest_lane_batch_limit_bytes", inventory.fresh.max_bytes, name)
        set_gauge("ptingest_lane_batch_limit_documents", inventory.fresh.max_documents, name)
        changes = "ptingest_lane_tuning_changes_total"
        self._metrics.add(changes, tuner.changes - self._metrics.value(changes, name), name)
        if (measured := tuner.measured) is not None:
            set_gauge("ptingest_lane_full_load_bytes_per_second", measured.bytes_per_second, name)
        if tuner.baseline_seconds is not None:
            set_gauge("ptingest_lane_baseline_write_seconds", tuner.baseline_seconds, name)
        set_gauge("ptingest_lane_waiting_documents", inventory.waiting, name)
        set_gauge("ptingest_lane_is_in_trouble", self.trouble is not None, name)
