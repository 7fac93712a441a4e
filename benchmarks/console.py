"""What looking costs: time and processor time of each page of the console, and of its samples.

    python -m benchmarks.console [--json] [--requests N]

A real server with the embedded store, six services, fifty open connections and two thousand
dead letters; pages are asked for one after the other on one connection.
"""

from __future__ import annotations

import argparse
import http.client
import json
import socket
import tempfile
import time
import timeit
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks import corpus, processes
from benchmarks.measure import machine
from ptingest.api.console.history import History
from ptingest.lumberjack.client import ClientConnection
from ptingest.telemetry.metrics import Metrics

CONNECTIONS = 50
LETTERS = 2_000
PAGES = ("/console/", "/console/failures", "/console/dead-letters", "/status")
MIB = 1 << 20


def event(service: str, message: str, number: int) -> bytes:
    """One event as Filebeat sends it."""
    return json.dumps(
        {
            "@timestamp": "2025-01-02T03:04:05.678Z", "message": message, "group": "pt",
            "service": service, "agent": {"id": "a", "type": "filebeat", "version": "8.19.0"},
            "log": {"offset": number, "file": {"path": f"/var/log/{service}.log"}},
        }
    ).encode()  # fmt: skip


def windows() -> Iterator[list[bytes]]:
    """One for each connection: lines of all services; in one of them the dead letters."""
    for number in range(CONNECTIONS):
        yield [
            event(service, line, number * 1000 + at)
            for service in corpus.MIX
            for at, line in enumerate(corpus.lines(service, 10, number))
        ]
    yield [event("Not A Name", "x", number) for number in range(LETTERS)]


@contextmanager
def connected(port: int) -> Iterator[None]:
    """Send every window on a connection of its own, wait for its ack, and stay connected."""
    with ExitStack() as stack:
        for window in windows():
            peer = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            wire = ClientConnection(compression_level=3)
            peer.sendall(wire.send_window(window))
            while not any(progress.is_complete for progress in wire.receive_data(peer.recv(4096))):
                pass
        yield


def ask(client: http.client.HTTPConnection, path: str) -> float:
    """Seconds for one whole answer."""
    begin = time.perf_counter()
    client.request("GET", path)
    answer = client.getresponse()
    body = answer.read()
    assert answer.status == 200, body
    return time.perf_counter() - begin


def sample_seconds() -> float:
    """Seconds for one sample of the charts' history, of six services and two sinks."""
    metrics = Metrics()
    for service in corpus.MIX:
        metrics.add("ptingest_flow_received_events_total", 1, service)
        for sink in ("store", "elasticsearch"):
            metrics.set("ptingest_lane_outstanding_events", 0, sink, service)
            metrics.add("ptingest_lane_settled_events_total", 1, sink, service, "stored")
            metrics.observe("ptingest_lane_write_seconds", 0.1, sink)
    metrics.observe("ptingest_beats_ack_seconds", 0.1)
    history = History(metrics)
    return min(timeit.repeat(lambda: history.sample(0.0), number=100, repeat=20)) / 100


def measure(requests: int) -> dict[str, float]:
    """Best and median milliseconds, and milliseconds of processor time, for each page."""
    figures = {"one sample, ms": sample_seconds() * 1e3}
    with tempfile.TemporaryDirectory(prefix="ptingest-bench-") as place:
        port = processes.free_port()
        config = processes.write_config(Path(place), port=port, sinks={"store": {}})
        api = int(json.loads(config.read_text())["api"]["listen"].rpartition(":")[2])
        with processes.server(port=port, config=config) as server, connected(port):
            processes.wait_listening(server, api)
            client = http.client.HTTPConnection("127.0.0.1", api, timeout=10)
            before = processes.memory(server.pid).now
            figures["first page, ms"] = ask(client, PAGES[0]) * 1e3
            figures["console, MiB"] = (processes.memory(server.pid).now - before) / MIB
            for path in PAGES:
                used = processes.cpu_seconds(server.pid)
                times = sorted(ask(client, path) for _ in range(requests))
                used = processes.cpu_seconds(server.pid) - used
                figures[f"{path} best, ms"] = times[0] * 1e3
                figures[f"{path} median, ms"] = times[len(times) // 2] * 1e3
                figures[f"{path} CPU, ms"] = used / requests * 1e3
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what looking costs.")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--requests", type=int, default=200)
    arguments = parser.parse_args()
    figures = measure(arguments.requests)
    if arguments.json:
        print(json.dumps({"machine": machine(), **figures}))
        return
    for name, value in figures.items():
        print(f"{name:36}{value:10.2f}")


if __name__ == "__main__":
    main()
