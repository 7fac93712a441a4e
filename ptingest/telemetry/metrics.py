"""The table of metrics, and the counters of one process.

The table is the only place where a metric is named; docs/metrics.md is made from
it. Counting is a method call with the full metric name, cheap enough for once a chunk or
batch and never done for a single event. `ptingest.telemetry.exposition` writes the counters
as Prometheus text.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from typing import Literal, NamedTuple

Kind = Literal["counter", "gauge", "histogram"]
Merge = Literal["sum", "max", "min"]

LATENCY_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
SIZES = (1.0, 10.0, 100.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0, 16000.0, 65536.0)


class Metric(NamedTuple):
    """One row: labels come from config or from a bounded set, never from event text."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = LATENCY_SECONDS
    merge: Merge = "sum"
    """How the gauge's values from several processes are combined; counters and histograms are
    added up."""

    def zeros(self) -> list[float]:
        """Return the values of a child in which nothing was counted."""
        return [0.0] * (2 + len(self.buckets) if self.kind == "histogram" else 1)


class MetricSample(NamedTuple):
    """One child of a metric at one moment."""

    name: str
    labels: tuple[str, ...]
    values: list[float]
    """One value; for a histogram its sum, then the count of each bucket, not cumulative."""


# The books (promise 6), per sink and service:
#   flow_received + flow_added = sum over fates of lane_settled + flow_admitting + lane_outstanding
METRICS: tuple[Metric, ...] = (
    Metric("ptingest_flow_received_events_total", "counter", "Events decoded", ("service",)),
    Metric(
        "ptingest_pipeline_plugin_events_total",
        "counter",
        "Events of each filter of a logstash.conf: in, out, and failures",
        ("plugin", "name", "what"),
    ),
    Metric(
        "ptingest_flow_added_events_total",
        "counter",
        "Documents beyond one of an event, which filters and outputs of a logstash.conf made",
        ("sink", "service"),
    ),
    Metric(
        "ptingest_lane_settled_events_total",
        "counter",
        "Events whose fate is decided, for each sink and fate",
        ("sink", "service", "fate"),
    ),
    Metric(
        "ptingest_lane_outstanding_events",
        "gauge",
        "Events received and not settled, counted where they wait",
        ("sink", "service"),
    ),
    Metric(
        "ptingest_flow_residue_events",
        "gauge",
        "Books out of balance by this many events; anything but 0 is a bug",
        ("sink", "service"),
    ),
    Metric(
        "ptingest_flow_dropped_events_total",
        "counter",
        "Events dropped by a rule on purpose",
        ("service", "reason"),
    ),
    Metric(
        "ptingest_flow_dead_lettered_events_total",
        "counter",
        "Events written to the dead letters",
        ("service", "reason"),
    ),
    Metric(
        "ptingest_pipeline_noted_events_total",
        "counter",
        "Events that the pipeline tagged or mended (grok_failure, date_failure, ...)",
        ("service", "what"),
    ),
    Metric("ptingest_pipeline_seconds_total", "counter", "Seconds spent in the pipeline"),
    Metric("ptingest_budget_outstanding_bytes", "gauge", "Bytes of documents outstanding"),
    Metric("ptingest_budget_limit_bytes", "gauge", "Limit of the bytes of documents outstanding"),
    Metric("ptingest_beats_open_connections", "gauge", "Open connections of Beats"),
    Metric("ptingest_beats_accepted_connections_total", "counter", "Connections accepted"),
    Metric(
        "ptingest_beats_rejected_connections_total",
        "counter",
        "Connections closed before their first frame: a limit, an address, a PROXY header",
        ("reason",),
    ),
    Metric(
        "ptingest_beats_tls_failures_total",
        "counter",
        "Connections closed before, during or right after their TLS handshake",
        ("reason",),
    ),
    Metric(
        "ptingest_beats_closed_connections_total",
        "counter",
        "Connections that ended, by the reason",
        ("reason",),
    ),
    Metric(
        "ptingest_beats_protocol_errors_total",
        "counter",
        "Connections closed because the peer broke the wire format",
        ("reason",),
    ),
    Metric("ptingest_beats_windows_total", "counter", "Windows received completely"),
    Metric("ptingest_beats_acks_total", "counter", "Final acks sent, one for each window"),
    Metric("ptingest_beats_keepalives_total", "counter", "Acks of 0 sent while a window waits"),
    Metric(
        "ptingest_beats_failed_windows_total", "counter", "Windows that were not acked", ("reason",)
    ),
    Metric(
        "ptingest_beats_odd_windows_total",
        "counter",
        "Windows that are unusual and were accepted",
        ("what",),
    ),
    Metric("ptingest_beats_received_bytes_total", "counter", "Bytes read from Beats"),
    Metric("ptingest_beats_waiting_bytes", "gauge", "Bytes received and not yet framed"),
    Metric("ptingest_beats_open_windows", "gauge", "Windows that have begun and are not acked yet"),
    Metric(
        "ptingest_beats_oldest_window_seconds",
        "gauge",
        "Age of the oldest unacked window",
        merge="max",
    ),
    Metric(
        "ptingest_beats_ack_seconds", "histogram", "Time from the end of a window to its final ack"
    ),
    Metric("ptingest_beats_window_events", "histogram", "Events in a window", (), SIZES),
    Metric("ptingest_kafka_read_records_total", "counter", "Records read from Kafka", ("topic",)),
    Metric(
        "ptingest_kafka_read_events_total",
        "counter",
        "Events admitted from Kafka; those that are read again are counted again",
        ("topic",),
    ),
    Metric("ptingest_kafka_settled_events_total", "counter", "Safe events of Kafka", ("topic",)),
    Metric(
        "ptingest_kafka_given_back_events_total",
        "counter",
        "Events from Kafka that are read again, by this process or another member of the group",
        ("topic",),
    ),
    Metric(
        "ptingest_kafka_outstanding_events",
        "gauge",
        "Events from Kafka that are admitted and neither safe nor given back",
        ("topic",),
    ),
    Metric(
        "ptingest_kafka_lost_records_total",
        "counter",
        "Records that Kafka deleted before they were read",
        ("topic",),
    ),
    Metric(
        "ptingest_kafka_lag_records",
        "gauge",
        "Records of the partitions read here that are not safe yet, those not read included",
        ("topic", "partition"),
    ),
    Metric(
        "ptingest_kafka_oldest_unsettled_seconds",
        "gauge",
        "How long ago the oldest record was read that is not safe yet",
        ("topic",),
        merge="max",
    ),
    Metric(
        "ptingest_kafka_commits_total",
        "counter",
        "Commits of offsets: done, or refused and tried again",
        ("result",),
    ),
    Metric("ptingest_kafka_rebalances_total", "counter", "Times that partitions came or went"),
    Metric("ptingest_lane_batches_total", "counter", "Attempts to write a batch", ("sink",)),
    Metric("ptingest_lane_batch_documents", "histogram", "Documents in a batch", ("sink",), SIZES),
    Metric(
        "ptingest_lane_write_seconds",
        "histogram",
        "Time of one attempt to write a batch",
        ("sink",),
    ),
    Metric(
        "ptingest_lane_busy_documents_total",
        "counter",
        "Documents that the sink asked to send again later",
        ("sink",),
    ),
    Metric(
        "ptingest_lane_doubtful_documents_total",
        "counter",
        "Documents whose outcome is unknown",
        ("sink",),
    ),
    Metric("ptingest_lane_in_flight", "gauge", "Batches in flight", ("sink",)),
    Metric("ptingest_lane_concurrency", "gauge", "Batches allowed in flight now", ("sink",)),
    Metric(
        "ptingest_lane_batch_limit_bytes",
        "gauge",
        "Bytes at which a batch is full now",
        ("sink",),
        merge="max",
    ),
    Metric(
        "ptingest_lane_batch_limit_documents",
        "gauge",
        "Documents at which a batch is full now",
        ("sink",),
        merge="max",
    ),
    Metric(
        "ptingest_lane_full_load_bytes_per_second",
        "gauge",
        "Bytes a second that the sink took under full load, when last measured",
        ("sink",),
    ),
    Metric(
        "ptingest_lane_baseline_write_seconds",
        "gauge",
        "Shortest write time of a full batch under full load",
        ("sink",),
        merge="max",
    ),
    Metric(
        "ptingest_lane_tuning_changes_total",
        "counter",
        "Times that other limits of a batch or of the number in flight were found better",
        ("sink",),
    ),
    Metric(
        "ptingest_lane_waiting_documents", "gauge", "Documents that wait for a batch", ("sink",)
    ),
    Metric(
        "ptingest_lane_is_in_trouble",
        "gauge",
        "1 while the sink is in trouble",
        ("sink",),
        merge="max",
    ),
    Metric(
        "ptingest_elasticsearch_answers_total",
        "counter",
        "Bulk requests by HTTP status",
        ("status",),
    ),
    Metric(
        "ptingest_elasticsearch_sent_bytes_total",
        "counter",
        "Bytes of bulk bodies as they were sent",
    ),
    Metric(
        "ptingest_elasticsearch_asked_documents_total",
        "counter",
        "Documents looked up by id after an answer was lost (found or missing)",
        ("outcome",),
    ),
    Metric(
        "ptingest_elasticsearch_possible_double_documents_total",
        "counter",
        "Documents sent again that a lost attempt may have stored in an earlier write index",
    ),
    Metric(
        "ptingest_buffer_received_events_total",
        "counter",
        "Events taken on their way to the buffer",
    ),
    Metric(
        "ptingest_buffer_appended_events_total",
        "counter",
        "Events that all in-sync replicas of the buffer's topic have",
    ),
    Metric(
        "ptingest_buffer_dead_lettered_events_total",
        "counter",
        "Events larger than a record of the buffer's topic may be",
    ),
    Metric(
        "ptingest_buffer_given_back_events_total",
        "counter",
        "Events whose windows were not acked, so that Beats send them again",
    ),
    Metric("ptingest_buffer_appended_records_total", "counter", "Records appended to the buffer"),
    Metric("ptingest_buffer_appended_bytes_total", "counter", "Bytes of these records, compressed"),
    Metric(
        "ptingest_buffer_append_seconds",
        "histogram",
        "Time until all in-sync replicas have a record",
    ),
    Metric(
        "ptingest_buffer_outstanding_events",
        "gauge",
        "Events taken that are not yet safe in the buffer",
    ),
    Metric(
        "ptingest_buffer_outstanding_bytes", "gauge", "Bytes of records that are not yet confirmed"
    ),
    Metric(
        "ptingest_buffer_oldest_seconds",
        "gauge",
        "Age of the oldest record that is not confirmed",
        merge="max",
    ),
    Metric(
        "ptingest_buffer_is_in_trouble",
        "gauge",
        "1 while the buffer's topic does not take all records",
        merge="max",
    ),
    Metric("ptingest_dead_letters_bytes", "gauge", "Size of the dead letters on disk", merge="max"),
    Metric(
        "ptingest_dead_letters_waiting_events",
        "gauge",
        "Letters that are neither requeued nor purged",
        merge="max",
    ),
    Metric(
        "ptingest_dead_letters_dropped_events_total",
        "counter",
        "Letters that expired, were pushed out by newer ones or were purged",
        ("reason",),
    ),
    Metric(
        "ptingest_dead_letters_requeued_events_total",
        "counter",
        "Letters requeued, by their fate (left: they stay dead letters)",
        ("fate",),
    ),
    Metric(
        "ptingest_elasticsearch_requeued_failures_total",
        "counter",
        "Failure documents requeued, by their fate (left: not settled in time)",
        ("fate",),
    ),
    Metric(
        "ptingest_supervisor_running_workers",
        "gauge",
        "Workers that take connections (0 with one worker, which has no supervisor)",
    ),
    Metric(
        "ptingest_supervisor_restarts_total",
        "counter",
        "Workers started again (died, silent or refused)",
        ("reason",),
    ),
    Metric(
        "ptingest_supervisor_handed_connections_total",
        "counter",
        "Connections passed to a worker, by its number",
        ("worker",),
    ),
    Metric("ptingest_worker_reloads_total", "counter", "Reloads of the config", ("outcome",)),
    Metric(
        "ptingest_worker_config_is_current",
        "gauge",
        "0 after a reload was refused, or while a change waits for a restart",
        merge="min",
    ),
    Metric(
        "ptingest_worker_loop_lag_seconds",
        "gauge",
        "Longest recent pause of the event loop",
        merge="max",
    ),
    Metric(
        "ptingest_worker_start_time_seconds",
        "gauge",
        "When this worker started, since the epoch",
        merge="min",
    ),
    Metric(
        "ptingest_worker_certificate_expiry_seconds",
        "gauge",
        "When a certificate in use expires, since the epoch",
        ("setting",),
        merge="min",
    ),
    Metric(
        "ptingest_worker_certificate_reloads_total",
        "counter",
        "Certificates read again (done) or kept as they were (refused)",
        ("outcome",),
    ),
    Metric("ptingest_worker_is_ready", "gauge", "1 when /readyz says so", merge="min"),
    Metric(
        "ptingest_worker_info",
        "gauge",
        "Always 1; the version is the label",
        ("version",),
        merge="max",
    ),
)


class Metrics:
    """The counters of one process; built once in assembly and passed down.

    Not thread-safe: it is written and read in the thread of the event loop.
    """

    def __init__(self, table: tuple[Metric, ...] = METRICS) -> None:
        self.table = table
        self._rows = {row.name: row for row in table}
        self._children: dict[tuple[str, tuple[str, ...]], list[float]] = {}
        """Name and labels -> values in the order of `MetricSample.values`."""
        self._before_scrape: list[Callable[[], None]] = []

    def _new(self, name: str, labels: tuple[str, ...]) -> list[float]:
        row = self._rows[name]
        if len(labels) != len(row.labels):
            raise ValueError(f"{name} has the labels {row.labels}, not {labels}")
        child = self._children[name, labels] = row.zeros()
        return child

    def add(self, name: str, amount: float = 1, *labels: str) -> None:
        """Count ``amount`` more; ``labels`` in the order of the table."""
        child = self._children.get((name, labels)) or self._new(name, labels)
        child[0] += amount

    def set(self, name: str, value: float, *labels: str) -> None:
        """Set a gauge."""
        child = self._children.get((name, labels)) or self._new(name, labels)
        child[0] = float(value)  # a bool would not pass between processes

    def observe(self, name: str, value: float, *labels: str) -> None:
        """Put one observation into a histogram."""
        values = self._children.get((name, labels)) or self._new(name, labels)
        values[0] += value
        values[1 + bisect_left(self._rows[name].buckets, value)] += 1

    def value(self, name: str, *labels: str) -> float:
        """Return the present value of a counter or gauge, 0.0 if never touched."""
        child = self._children.get((name, labels))
        return 0.0 if child is None else float(child[0])

    def labelled(self, name: str) -> Iterator[tuple[tuple[str, ...], float]]:
        """Yield (labels, value) for each child of a counter or gauge."""
        for (family, labels), values in list(self._children.items()):
            if family == name:
                yield labels, float(values[0])

    def buckets(self, name: str, *labels: str) -> list[tuple[float, int]]:
        """Return (upper bound, observations up to it) of a histogram; empty if never touched."""
        child = self._children.get((name, labels))
        if child is None:
            return []
        bounds = (*self._rows[name].buckets, float("inf"))
        return list(zip(bounds, accumulate(map(int, child[1:])), strict=True))

    def samples(self) -> list[MetricSample]:
        """Return every value that was ever counted or set here, as it is now."""
        return [
            MetricSample(name, labels, list(values))
            for (name, labels), values in self._children.items()
        ]

    def show(self, samples: Iterable[MetricSample]) -> None:
        """Take the values of ``samples``; a child that they do not have is 0 from now on."""
        left = set(self._children)
        for name, labels, values in samples:
            left.discard((name, labels))
            child = self._children.get((name, labels)) or self._new(name, labels)
            child[:] = values
        for name, labels in left:
            self._children[name, labels] = self._rows[name].zeros()

    def before_scrape(self, refresh: Callable[[], None]) -> None:
        """Call ``refresh`` before every scrape, to set gauges that are cheap to compute."""
        self._before_scrape.append(refresh)

    def refresh(self) -> None:
        """Bring gauges up to date."""
        for refresh in self._before_scrape:
            refresh()
