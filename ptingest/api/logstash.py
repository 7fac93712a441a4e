"""Logstash's monitoring paths in Logstash's shapes, filled with our numbers.

    /                  /_node[/TYPES]           /_node/pipelines[/main]
    /_health_report    /_node/stats[/TYPES]     /_node/stats/pipelines[/main]

TYPES is a list with commas of the parts wanted, such as ``jvm,process``. As in Logstash
a type that does not exist is left out, and where none of them does the answer is 404.

For Metricbeat's module and other clients of Logstash on port 9600. The one pipeline is called
``main``; its plugins are our stages: beats, plain, grok, date, mutate, and one output for each
sink; where a logstash.conf is at work, its filters by their ids. A number that is not counted here
is left out; docs/console.md lists them.

Shapes: Logstash's docs/static/monitoring/monitoring-apis.asciidoc, and what Metricbeat's
logstash module decodes (counts and milliseconds must be whole numbers there).
"""

from __future__ import annotations

import os
import platform
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ptingest.api.rates import Rates
from ptingest.api.usage import Usage, own_usage
from ptingest.telemetry.metrics import Metrics

SHAPES_OF = "8.19.0"
"""The Logstash whose shapes these are: what ``version`` says, since clients decide by it."""
PIPELINE = "main"
NEARLY_FULL = 0.95
"""Share of the memory for documents from which on the health report is yellow."""

Json = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """What does not change while the process runs."""

    name: str
    id: str
    """The same after a restart."""
    ephemeral_id: str
    version: str
    """Ours."""
    workers: int
    batch_size: int
    batch_delay_ms: int
    hash: str
    """Of the config and profile in force at the start."""
    sinks: tuple[str, ...]
    dead_letters_max_bytes: int
    dead_letters_when_full: str


class LogstashView:
    """Answers each path from the metrics, on the spot."""

    def __init__(
        self,
        facts: NodeFacts,
        metrics: Metrics,
        readiness: Callable[[], list[str]],
        *,
        http_address: str,
        usage: Callable[[], Usage] = own_usage,
    ) -> None:
        """``usage`` returns what all processes of this server use."""
        self._facts, self._metrics, self._readiness = facts, metrics, readiness
        self._usage = usage
        self.http_address = http_address
        self._started = time.monotonic()
        self._rates = Rates(self._started, self._counts())

    def sample(self) -> None:
        """Keep one sample for ``flow``; call it every `rates.SAMPLE_SECONDS`."""
        self._rates.record(time.monotonic(), self._counts())

    # -- the paths -------------------------------------------------------------------------

    def paths(self) -> dict[str, Callable[[], Json]]:
        """Every path but ``/`` and those below ``/_node/``, with what answers it."""
        return {"/_node": self.node, "/_health_report": self.health}

    def below_node(self, rest: str) -> Json | None:
        """``GET /_node/<rest>``; None where Logstash has nothing."""
        match [part for part in rest.split("/") if part]:
            case []:
                return self.node()
            case ["stats"]:
                return self.node_stats()
            case ["stats", "pipelines"] | ["stats", "pipelines", "main"]:
                return self.pipeline_stats()
            case ["pipelines", "main"]:
                return self.pipelines()
            case ["stats", types]:
                return self._only(types, self._stats_parts())
            case [types]:
                return self._only(types, self._node_parts())
        return None

    def _only(self, types: str, parts: Mapping[str, Callable[[], object]]) -> Json | None:
        wanted = {name for part in types.split(",") if (name := part.strip())}
        chosen = {name: part() for name, part in parts.items() if not wanted or name in wanted}
        return {**self._node(), **chosen} if chosen else None

    def root(self, paths: Mapping[str, str]) -> Json:
        """``GET /``; ``paths`` lists our own paths, which Logstash does not have."""
        return {**self._node(), "ptingest": {"version": self._facts.version, "paths": paths}}

    def node(self) -> Json:
        """``GET /_node``."""
        return {**self._node(), **{name: part() for name, part in self._node_parts().items()}}

    def node_stats(self) -> Json:
        """``GET /_node/stats``."""
        return {**self._node(), **{name: part() for name, part in self._stats_parts().items()}}

    def pipeline_stats(self) -> Json:
        """``GET /_node/stats/pipelines`` and ``.../main``."""
        return {**self._node(), "pipelines": {PIPELINE: self._pipeline()}}

    def pipelines(self) -> Json:
        """``GET /_node/pipelines`` and ``.../main``."""
        return {**self._node(), "pipelines": {PIPELINE: self._settings()}}

    def health(self) -> Json:
        """``GET /_health_report``: green when ready, red with a diagnosis for each reason."""
        reasons = self._readiness()
        status = self._status()
        word = {"green": "healthy", "yellow": "concerning", "red": "unhealthy"}[status]
        why = {
            "green": "",
            "yellow": ": memory for documents is nearly full, Beats wait",
            "red": f": {'; '.join(reasons)}",
        }[status]
        main = {
            "status": status,
            "symptom": f"The pipeline is {word}{why}.",
            "diagnosis": [_diagnosis(number, reason) for number, reason in enumerate(reasons)],
            "impacts": _impacts(status),
            "details": {
                "status": {"state": "RUNNING"},
                "flow": {"worker_utilization": self._flow()["worker_utilization"]},
            },
        }
        pipelines = {
            "status": status,
            "symptom": f"1 indicator is {word} (`{PIPELINE}`)",
            "indicators": {PIPELINE: main},
        }
        return {
            **self._node(),
            "symptom": f"1 indicator is {word} (`pipelines`)",
            "indicators": {"pipelines": pipelines},
        }

    # -- the parts -------------------------------------------------------------------------

    def _node_parts(self) -> dict[str, Callable[[], object]]:
        return {
            "pipelines": lambda: {PIPELINE: self._settings()},
            "os": _machine,
            "jvm": lambda: {
                "pid": os.getpid(),
                "version": platform.python_version(),
                "vm_name": sys.implementation.name,
                "start_time_in_millis": self._start_ms(),
            },
        }

    def _stats_parts(self) -> dict[str, Callable[[], object]]:
        return {
            "jvm": self._jvm,
            "process": self._process,
            "events": self._events,
            "flow": self._flow,
            "pipelines": lambda: {PIPELINE: self._pipeline()},
            "reloads": self._reloads,
            "os": dict,
            "queue": lambda: {"events_count": self._waiting()},
        }

    def _node(self) -> Json:
        facts = self._facts
        return {
            "host": facts.name,
            "version": SHAPES_OF,
            "http_address": self.http_address,
            "id": facts.id,
            "name": facts.name,
            "ephemeral_id": facts.ephemeral_id,
            "snapshot": False,
            "status": self._status(),
            "pipeline": {
                "workers": facts.workers,
                "batch_size": facts.batch_size,
                "batch_delay": facts.batch_delay_ms,
            },
        }

    def _settings(self) -> Json:
        facts = self._facts
        return {
            "ephemeral_id": facts.ephemeral_id,
            "hash": facts.hash,
            "workers": facts.workers,
            "batch_size": facts.batch_size,
            "batch_delay": facts.batch_delay_ms,
            "config_reload_automatic": False,
            "config_reload_interval": 0,
            "dead_letter_queue_enabled": True,
        }

    def _jvm(self) -> Json:
        usage, limit = self._usage(), _memory_bytes()
        return {
            "threads": {"count": usage.threads},
            "mem": {
                "heap_used_in_bytes": usage.memory_bytes,
                "heap_max_in_bytes": limit,
                "heap_used_percent": 100 * usage.memory_bytes // limit,
            },
            "gc": {"collectors": {}},
            "uptime_in_millis": int((time.monotonic() - self._started) * 1000),
        }

    def _process(self) -> Json:
        now, usage = time.monotonic(), self._usage()
        spent = usage.cpu_seconds
        rates = self._rates.of(_CPU, now, spent)
        loads = os.getloadavg()
        return {
            "open_file_descriptors": usage.open_files,
            "max_file_descriptors": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
            "mem": {"total_virtual_in_bytes": usage.virtual_bytes},
            "cpu": {
                "total_in_millis": int(spent * 1000),
                "percent": round(100 * rates.get("current", rates["lifetime"])),
                "load_average": dict(zip(("1m", "5m", "15m"), loads, strict=True)),
            },
        }

    def _events(self) -> Json:
        counts = self._counts()
        return {
            "in": int(counts[_IN]),
            "filtered": int(counts[_IN]),
            "out": int(counts[_OUT]),
            "duration_in_millis": int(counts[_SECONDS] * 1000),
        }

    def _flow(self) -> dict[str, dict[str, float]]:
        now, counts = time.monotonic(), self._counts()
        busy = self._rates.of(_SECONDS, now, counts[_SECONDS])
        workers = self._facts.workers
        return {
            "input_throughput": self._rates.of(_IN, now, counts[_IN]),
            "filter_throughput": self._rates.of(_IN, now, counts[_IN]),
            "output_throughput": self._rates.of(_OUT, now, counts[_OUT]),
            "worker_concurrency": busy,
            "worker_utilization": {k: round(100 * v / workers, 3) for k, v in busy.items()},
        }

    def _pipeline(self) -> Json:
        metrics, facts = self._metrics, self._facts
        return {
            "events": self._events(),
            "flow": self._flow(),
            "plugins": {
                "inputs": [self._beats()],
                "codecs": [{"id": "plain", "name": "plain"}],
                "filters": self._filters(),
                "outputs": [self._output(sink) for sink in facts.sinks],
            },
            "reloads": self._reloads(),
            "queue": {
                "type": "memory",
                "events": self._waiting(),
                "events_count": self._waiting(),
                "queue_size_in_bytes": int(metrics.value("ptingest_budget_outstanding_bytes")),
                "max_queue_size_in_bytes": int(metrics.value("ptingest_budget_limit_bytes")),
            },
            "dead_letter_queue": {
                "queue_size_in_bytes": int(metrics.value("ptingest_dead_letters_bytes")),
                "max_queue_size_in_bytes": facts.dead_letters_max_bytes,
                "dropped_events": self._sum("ptingest_dead_letters_dropped_events_total"),
                "storage_policy": facts.dead_letters_when_full,
            },
            "pipeline": {
                "workers": facts.workers,
                "batch_size": facts.batch_size,
                "batch_delay": facts.batch_delay_ms,
            },
            "hash": facts.hash,
            "ephemeral_id": facts.ephemeral_id,
            "vertices": [],
        }

    def _beats(self) -> Json:
        open_ones = int(self._metrics.value("ptingest_beats_open_connections"))
        return {
            "id": "beats",
            "name": "beats",
            "events": {"out": int(self._counts()[_IN])},
            "current_connections": open_ones,
        }

    def _filters(self) -> list[Json]:
        return self._plugins() or self._stages()

    def _plugins(self) -> list[Json]:
        """The filters of a logstash.conf, by id, in the order written."""
        found: dict[tuple[str, str], dict[str, int]] = {}
        for (plugin, name, what), count in self._metrics.labelled(_PLUGINS):
            found.setdefault((plugin, name), {})[what] = int(count)
        rows: list[Json] = []
        for (plugin, name), counts in found.items():
            events_in, failures = counts.get("in", 0), counts.get("failures", 0)
            row: Json = {
                "id": plugin,
                "name": name,
                "events": {"in": events_in, "out": counts.get("out", 0)},
            }
            if name in ("grok", "date"):
                row |= {"matches": events_in - failures, "failures": failures}
            rows.append(row)
        return rows

    def _stages(self) -> list[Json]:
        tried = self._sum("ptingest_flow_received_events_total") - self._sum(
            "ptingest_flow_dropped_events_total", {1: "other_group"}
        )
        unmatched = self._noted("grok_failure")
        undated = self._noted("date_failure")
        matched = tried - unmatched
        events = {"in": tried, "out": tried}
        return [
            {"id": "grok", "name": "grok", "events": events, "matches": matched,
             "failures": unmatched, "patterns_per_field": {"message": 2}},
            {"id": "mutate", "name": "mutate", "events": events},
            {"id": "date", "name": "date", "events": {"in": matched, "out": matched},
             "matches": matched - undated, "failures": undated},
        ]  # fmt: skip

    def _output(self, sink: str) -> Json:
        of_sink = {0: sink}
        stored = sum(
            self._sum(_SETTLED, {**of_sink, 2: fate})
            for fate in ("stored", "already_stored", "failure_stored")
        )
        letters = self._sum(_SETTLED, {**of_sink, 2: "dead_lettered"})
        waiting = self._sum("ptingest_lane_outstanding_events", of_sink)
        output: Json = {
            "id": sink,
            "name": sink,
            "events": {"in": stored + letters + waiting, "out": stored},
            "documents": {
                "successes": stored,
                "retryable_failures": self._sum("ptingest_lane_busy_documents_total", of_sink),
                "non_retryable_failures": letters,
                "dlq_routed": letters,
            },
        }
        if sink == "elasticsearch":
            answers = dict(self._metrics.labelled("ptingest_elasticsearch_answers_total"))
            output["bulk_requests"] = {
                "successes": int(answers.get(("200",), 0)),
                "responses": {labels[0]: int(count) for labels, count in answers.items()},
            }
        return output

    def _reloads(self) -> Json:
        name = "ptingest_worker_reloads_total"
        return {
            "successes": self._sum(name, {0: "done"}),
            "failures": self._sum(name, {0: "refused"}),
        }

    # -- numbers ---------------------------------------------------------------------------

    def _counts(self) -> tuple[float, float, float, float]:
        """Events in, events out, seconds in the pipeline, CPU seconds; see ``_IN`` and on."""
        received = self._sum("ptingest_flow_received_events_total")
        # Out is what every sink is done with; the slowest of several decides.
        out = min((self._settled(sink) for sink in self._facts.sinks), default=0)
        busy = self._metrics.value("ptingest_pipeline_seconds_total")
        return received, out, busy, self._usage().cpu_seconds

    def _settled(self, sink: str) -> int:
        everything = self._sum(_SETTLED, {0: sink})
        return everything - self._sum(_SETTLED, {0: sink, 2: "given_back"})

    def _waiting(self) -> int:
        name = "ptingest_lane_outstanding_events"
        return max((self._sum(name, {0: sink}) for sink in self._facts.sinks), default=0)

    def _noted(self, what: str) -> int:
        return self._sum("ptingest_pipeline_noted_events_total", {1: what})

    def _status(self) -> str:
        if self._readiness():
            return "red"
        return "yellow" if self._is_nearly_full() else "green"

    def _is_nearly_full(self) -> bool:
        limit = self._metrics.value("ptingest_budget_limit_bytes")
        used = self._metrics.value("ptingest_budget_outstanding_bytes")
        return limit > 0 and used >= NEARLY_FULL * limit

    def _sum(self, name: str, wanted: Mapping[int, str] | None = None) -> int:
        """Add the children of a metric whose labels at these places are these."""
        rows = self._metrics.labelled(name)
        places = (wanted or {}).items()
        return int(sum(n for labels, n in rows if all(labels[at] == text for at, text in places)))

    def _start_ms(self) -> int:
        return int(self._metrics.value("ptingest_worker_start_time_seconds") * 1000)


_IN, _OUT, _SECONDS, _CPU = range(4)
_PLUGINS = "ptingest_pipeline_plugin_events_total"
_SETTLED = "ptingest_lane_settled_events_total"


def not_found(path: str) -> Json:
    """Return Logstash's answer, with 404, where a path or none of the types exists."""
    return {"path": path, "status": 404, "error": {"message": "Not Found"}}


def _machine() -> Json:
    return {
        "name": platform.system(),
        "arch": platform.machine(),
        "version": platform.release(),
        "available_processors": os.cpu_count() or 1,
    }


def _diagnosis(number: int, reason: str) -> Json:
    return {
        "id": f"ptingest:health:pipeline:{PIPELINE}:{number}",
        "cause": reason,
        "action": "run `ptingest check --connect`, read /status and the log",
    }


def _impacts(status: str) -> Sequence[Json]:
    if status == "green":
        return []
    return [
        {
            "id": f"ptingest:health:pipeline:{PIPELINE}:held_back",
            "severity": 1 if status == "red" else 2,
            "description": "Beats wait for acks: a window is acked when its events are safe",
            "impact_areas": ["pipeline_execution"],
        }
    ]


def _memory_bytes() -> int:
    """What this process may use: its cgroup's limit, else the machine's memory."""
    machine = os.sysconf("SC_PHYS_PAGES") * resource.getpagesize()
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
    except OSError:  # no cgroup v2 here
        return machine
    return min(machine, int(limit)) if limit.isdigit() else machine
