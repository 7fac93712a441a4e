"""What a buffer in Kafka costs an event, and what more indexers bring.

Two measurements with a real broker of one node and the null Elasticsearch:

    cost    the same windows directly (one server) and through the buffer (a receiver and an
            indexer), in turns: processor time an event of our processes, and the ratio
    scale   one, two and four indexers read a topic of eight partitions that is filled at once,
            each with the same part of a core (`benchmarks.core_share`): events a second

    python -m benchmarks.kafka cost [--events 60000] [--pairs 3]
    python -m benchmarks.kafka scale [--events 60000] [--share 25]

The broker's own time is told apart. Where the kernel gives no quotas, `scale` says so and leaves.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.request import urlopen

from benchmarks import processes
from benchmarks.core_share import NoShares, core_share
from benchmarks.measure import append_history
from benchmarks.replay import Window, prepare, replay

if TYPE_CHECKING:
    from tests.peers.kafka_peer import Kafka

PARTITIONS = 8
WAIT_SECONDS = 600.0
INDEXERS = (1, 2, 4)


class Cost(NamedTuple):
    """Microseconds of processor time an event."""

    servers: float
    broker: float
    seconds: float


class Started(NamedTuple):
    port: int
    api: int
    pid: int


@contextmanager
def started(
    folder: Path,
    sink: int | None,
    *,
    role: str = "both",
    kafka: Kafka | None = None,
    topic: str = "",
) -> Iterator[Started]:
    """Run a server until it answers; ``sink`` is the port of the null Elasticsearch."""
    folder.mkdir()
    port = processes.free_port()
    sinks = {"elasticsearch": {"hosts": [f"http://127.0.0.1:{sink}"]}} if sink else {"store": {}}
    path = processes.write_config(folder, port=port, sinks=sinks)
    config = json.loads(path.read_text(encoding="utf-8"))
    config["role"] = role
    if kafka is not None:
        config["buffer"] = {"kafka": {"brokers": [kafka.bootstrap], "topic": topic}}
    path.write_text(json.dumps(config), encoding="utf-8")
    answers = int(config["api"]["listen"].rpartition(":")[2])
    with processes.server(port=answers, config=path) as server:
        yield Started(port, answers, server.pid)


def measure_cost(
    windows: Sequence[Window], warm_up: Sequence[Window], kafka: Kafka | None, topic: str
) -> Cost:
    """Send ``windows`` through one server, or through a receiver and an indexer."""
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ptingest-bench-")))
        sink = stack.enter_context(processes.null_elasticsearch())
        if kafka is None:
            servers = [stack.enter_context(started(root / "direct", sink.port))]
        else:
            roles = (("receive", None), ("index", sink.port))
            servers = [
                stack.enter_context(started(root / role, to, role=role, kafka=kafka, topic=topic))
                for role, to in roles
            ]

        def send(these: Sequence[Window], before: int) -> int:
            done = replay([servers[0].port], these, look=lambda: None, warm_up=1, connections=2)
            _until_stored(sink.port, before + done.events)
            return before + done.events

        so_far = send(warm_up, 0)
        began, own, broker = time.monotonic(), _cpu(servers), _broker_cpu(kafka)
        events = send(windows, so_far) - so_far
        spent = _cpu(servers) - own, _broker_cpu(kafka) - broker
        servers_us, broker_us = (one * 1e6 / events for one in spent)
        return Cost(servers_us, broker_us, time.monotonic() - began)


def _cpu(servers: Sequence[Started]) -> float:
    return sum(processes.exact_cpu_seconds_of(one.pid) for one in servers)


def _broker_cpu(kafka: Kafka | None) -> float:
    pids = [] if kafka is None else kafka.pids
    return sum(map(processes.exact_cpu_seconds_of, pids))


def _until_stored(sink: int, documents: int) -> None:
    until = time.monotonic() + WAIT_SECONDS
    while (seen := processes.null_counts(sink)["documents"]) < documents:
        if time.monotonic() > until:
            raise ValueError(f"{seen} of {documents} documents arrived in {WAIT_SECONDS:g} s")
        time.sleep(0.02)
    if seen > documents:
        raise ValueError(f"{seen} documents arrived, {documents} events were sent")


def measure_scale(kafka: Kafka, windows: Sequence[Window], indexers: int, share: float) -> float:
    """Fill a topic that so many indexers read; return events a second of what was left then."""
    topic, events = f"scale-{indexers}", sum(one.events for one in windows)
    kafka.create_topic(topic, partitions=PARTITIONS)
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ptingest-bench-")))
        sink = stack.enter_context(processes.null_elasticsearch())
        groups = [stack.enter_context(core_share(str(n), share)) for n in range(indexers)]
        readers = []
        for number, group in enumerate(groups):
            folder = root / f"index-{number}"
            reader = started(folder, sink.port, role="index", kafka=kafka, topic=topic)
            readers.append(stack.enter_context(reader))
            group.add(readers[-1].pid)
        _until_shared(readers)
        with started(root / "receive", None, role="receive", kafka=kafka, topic=topic) as receiver:
            replay([receiver.port], windows, look=lambda: None, warm_up=1)
            began, first = time.monotonic(), processes.null_counts(sink.port)["documents"]
        _until_stored(sink.port, events)
        return (events - first) / (time.monotonic() - began)


def _until_shared(readers: Sequence[Started]) -> None:
    """Wait until all partitions are read, by all: no rebalance is measured."""
    until = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < until:
        held = [_partitions(one) for one in readers]
        if sum(held) == PARTITIONS and all(held):
            return
        time.sleep(0.1)
    raise processes.DidNotStart(f"the indexers do not share the topic: {held}")


def _partitions(reader: Started) -> int:
    with urlopen(f"http://127.0.0.1:{reader.api}/status", timeout=10) as answer:
        return int(json.load(answer)["kafka"]["buffer"]["partitions"])


def cost(kafka: Kafka, events: int, pairs: int) -> Mapping[str, object]:
    windows, warm_up = prepare(events, 1), prepare(24_576, 2)
    found: dict[str, list[Cost]] = {"direct": [], "buffered": []}
    for number in range(pairs):
        kafka.create_topic(f"cost-{number}", partitions=PARTITIONS)
        found["direct"].append(measure_cost(windows, warm_up, None, ""))
        found["buffered"].append(measure_cost(windows, warm_up, kafka, f"cost-{number}"))
    pairwise = zip(found["direct"], found["buffered"], strict=True)
    ratios = [through.servers / direct.servers for direct, through in pairwise]
    for name, costs in found.items():
        own, broker, seconds = (statistics.median(column) for column in zip(*costs, strict=True))
        print(f"{name:9} {own:6.2f} us an event, broker {broker:.2f}, {seconds:.1f} s")
    print(f"buffered is {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
    return {"events": events, "ratios": ratios, **found}


def scale(kafka: Kafka, events: int, share: float) -> Mapping[str, object]:
    windows = prepare(events, 3)
    rates = {}
    for indexers in INDEXERS:
        rates[indexers] = measure_scale(kafka, windows, indexers, share)
        times = rates[indexers] / rates[1]
        print(f"{indexers} indexers: {rates[indexers]:9,.0f} events/s, {times:.2f} times one")
    return {"events": events, "share": share, "events_per_second": rates}


def main() -> None:
    from tests.peers.kafka_peer import start_kafka

    parser = argparse.ArgumentParser(description="What a buffer in Kafka costs and brings.")
    parser.add_argument("what", choices=("cost", "scale"))
    parser.add_argument("--events", type=int, default=60_000)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--share", type=float, default=25, help="percent of a core an indexer")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ptingest-bench-") as folder:
        kafka = start_kafka(Path(folder))
        try:
            if given.what == "cost":
                result = cost(kafka, given.events, given.pairs)
            else:
                result = scale(kafka, given.events, given.share / 100)
        except NoShares as error:
            raise SystemExit(f"the kernel gives no quotas here: {error}") from None
        finally:
            kafka.close()
    append_history(f"kafka {given.what}", dict(result))


if __name__ == "__main__":
    main()
