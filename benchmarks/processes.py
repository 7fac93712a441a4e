"""The processes of a benchmark: start them, wait for them, weigh them, end them."""

from __future__ import annotations

import json
import os
import random
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

ROOT = Path(__file__).parent.parent
SERVER = (sys.executable, "-m", "ptingest.cli.main")
_TICKS = os.sysconf("SC_CLK_TCK")


class DidNotStart(Exception):
    """A process ended, or stayed silent, before it was of use."""


class Memory(NamedTuple):
    """Resident memory of a process and all its children, in bytes."""

    now: int
    peak: int


class Listening(NamedTuple):
    """What a helper process says when it listens."""

    port: int
    pid: int


PORT_RANGES, PORTS_A_RANGE = 12, 1000
_given: deque[int] = deque(maxlen=PORTS_A_RANGE // 2)


def free_port() -> int:
    """A port that nobody listens on now, and that no outgoing connection will be given.

    Below the kernel's own range: a client that calls a port of that range while its server
    restarts may be given the very same port, connect to itself, and keep the server out.
    Processes that share the tests have ports of their own, since a port is taken only when the
    server that it is for listens.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = 20_000 + worker % PORT_RANGES * PORTS_A_RANGE
    while True:
        port = random.randrange(first, first + PORTS_A_RANGE)
        if port in _given:
            continue
        _given.append(port)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def proc_file(pid: int, name: str) -> str:
    """What the kernel says in this file of the process; nothing when the process is gone, which
    can happen between any two reads."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/{name}").read_text(encoding="utf-8", errors="replace")
    return ""


def _of_each_thread(pid: int, name: str) -> Iterator[str]:
    """The same file of each of its threads that is there."""
    with suppress(FileNotFoundError, ProcessLookupError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            if text := proc_file(pid, f"task/{thread.name}/{name}"):
                yield text


def family(pid: int) -> list[int]:
    """The process and all its living descendants."""
    found = [pid]
    for parent in found:
        for children in _of_each_thread(parent, "children"):
            found += map(int, children.split())
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of the whole family, children that ended included."""
    total = 0
    for member in family(pid):
        fields = proc_file(member, "stat").rpartition(")")[2].split()
        total += sum(int(field) for field in fields[11:15])
    return total / _TICKS


def exact_cpu_seconds(pid: int) -> float:
    """The same of the threads that live now, where the kernel counts nanoseconds; for
    servers that have so little to do that a hundredth of a second is much."""
    total = sum(exact_cpu_seconds_of(member) for member in family(pid))
    return total or cpu_seconds(pid)


def exact_cpu_seconds_of(pid: int) -> float:
    """Of this one process, without its children; 0 where the kernel does not count."""
    return sum(int(thread.split()[0]) for thread in _of_each_thread(pid, "schedstat")) / 1e9


def memory(pid: int) -> Memory:
    """Resident now and at its highest; pages that a family shares count for each member."""
    sums = {"VmRSS": 0, "VmHWM": 0}
    for member in family(pid):
        for line in proc_file(member, "status").splitlines():
            name, _, value = line.partition(":")
            if name in sums:
                sums[name] += int(value.split()[0]) * 1024
    return Memory(sums["VmRSS"], sums["VmHWM"])


def wait_listening(process: subprocess.Popen[bytes], port: int, seconds: float = 30.0) -> None:
    """Return when a connection to the port succeeds.

    Raises:
        DidNotStart: the process ended, or the time was over.
    """
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            raise DidNotStart(f"{process.args!r} ended with {process.returncode}")
        time.sleep(0.002)
    raise DidNotStart(f"{process.args!r} did not listen on {port} within {seconds} s")


def stop(process: subprocess.Popen[bytes], seconds: float = 30.0) -> int:
    """Ask the process to leave, wait, and return its exit code."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


@contextmanager
def null_elasticsearch(*, remember: bool = False) -> Iterator[Listening]:
    """Run `benchmarks.null_elasticsearch`; gives its port and its process."""
    words = [sys.executable, "-m", "benchmarks.null_elasticsearch"]
    process = subprocess.Popen(words + ["--remember"] * remember, cwd=ROOT, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise DidNotStart("the null Elasticsearch ended before it listened")
        yield Listening(**json.loads(line))
    finally:
        stop(process)
        if process.stdout is not None:
            process.stdout.close()


def null_counts(port: int) -> dict[str, int]:
    """What the null Elasticsearch has counted so far."""
    with urlopen(f"http://127.0.0.1:{port}/_null/counts", timeout=10) as answer:
        counts: dict[str, int] = json.load(answer)
    return counts


def write_config(
    folder: Path,
    *,
    port: int,
    sinks: object,
    workers: int = 1,
    tls: object = None,
    limits: Mapping[str, object] | None = None,
    profile: Path | None = None,
) -> Path:
    """A config for one run; JSON, which is YAML."""
    path = folder / "ptingest.yaml"
    config = {
        "data_dir": "data",
        "profile": profile and str(profile),
        "workers": workers,
        "beats": {"listen": f"127.0.0.1:{port}", "tls": tls, "limits": dict(limits or {})},
        "api": {"listen": f"127.0.0.1:{free_port()}"},
        "sinks": sinks,
        "log": {"level": "warning"},
    }
    path.write_text(json.dumps(config, indent=1), encoding="utf-8")
    return path


@contextmanager
def server(
    *,
    port: int,
    config: Path,
    command: str | None = None,
    elasticsearch: str = "",
    seconds: float = 30.0,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run ptingest, or any other server, until it listens; ask it to leave at the end.

    Either may take so many ``seconds``.

    In ``command`` {port}, {config}, {elasticsearch} and {python} are filled in.
    """
    words = [*SERVER, "--config", str(config)]
    if command is not None:
        places = {"config": config, "elasticsearch": elasticsearch, "python": sys.executable}
        words = shlex.split(command.format(port=port, **places))
    told = None if command is None else subprocess.DEVNULL
    process = subprocess.Popen(words, cwd=ROOT, stdout=told)
    try:
        wait_listening(process, port, seconds)
        yield process
    finally:
        stop(process, seconds)
