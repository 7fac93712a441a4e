"""Several servers in one table: the same sender, events and machine, run in turns.

    python -m benchmarks.compare [FILE.toml] [--json]

FILE (`benchmarks/compare.toml` without one) names the servers and how each is started;
any program that takes Beats on a port can be a row. See `benchmarks.end_to_end` for what
is measured. Take notice of what each one does with an event: a row that keeps nothing has
less to do.
"""

from __future__ import annotations

import argparse
import json
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import end_to_end
from benchmarks.end_to_end import Load, Target
from benchmarks.measure import Runs, append_history, machine

DEFAULT = Path(__file__).with_name("compare.toml")
ROUND_KEYS = {*Load._fields, "runs", "server"}
SERVER_KEYS = {"name", "does", "sink", "workers", "command"}


class Comparison(NamedTuple):
    """A file's contents."""

    load: Load
    runs: int
    targets: list[Target]
    does: dict[str, str]
    """A server's name -> what it does with an event."""


class FileInvalid(Exception):
    """The file of servers cannot be used; the message says what is wrong with it."""


def read(path: Path) -> Comparison:
    """Read a file of servers.

    Raises:
        FileInvalid: it has an unknown key, no server, or two of one name.
    """
    try:
        found: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise FileInvalid(f"{path}: {error}") from error
    servers: list[dict[str, Any]] = found.get("server", [])
    _require_known(path, found, ROUND_KEYS)
    for server in servers:
        _require_known(path, server, SERVER_KEYS)
    names = [str(server.get("name", "")) for server in servers]
    if not names or "" in names or len(set(names)) < len(names):
        raise FileInvalid(f"{path}: give each [[server]] a name of its own; names are {names}")
    load: dict[str, Any] = {name: int(found[name]) for name in Load._fields if name in found}
    targets = [
        Target(**{key: server[key] for key in Target._fields if key in server})
        for server in servers
    ]
    does = {str(server["name"]): str(server.get("does", "")) for server in servers}
    return Comparison(Load()._replace(**load), int(found.get("runs", 3)), targets, does)


def _require_known(path: Path, given: dict[str, Any], known: set[str]) -> None:
    unknown = sorted(given.keys() - known)
    if unknown:
        raise FileInvalid(f"{path}: unknown {', '.join(unknown)}; known are {sorted(known)}")


def table(found: dict[str, dict[str, Runs]], does: dict[str, str], failures: dict[str, str]) -> str:
    """The servers as rows of a Markdown table, the cheapest event first."""
    lines = [
        "| server | does | CPU us an event, best (spread) | x floor, alone / cores busy "
        "| events/s, median | ack ms, median / p99 | MiB at start / peak | sender us |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, row in sorted(found.items(), key=lambda item: item[1]["cpu_us"].best):
        cpu = row["cpu_us"]
        lines.append(
            f"| {name} | {does[name]} | {cpu.best:.1f} ({cpu.spread_percent:.0f} %) "
            f"| {row['times_floor'].median:.2f} / {row['times_floor_busy'].median:.2f} "
            f"| {row['events_per_second'].median:,.0f} "
            f"| {row['ack_ms_p50'].median:.0f} / {row['ack_ms_p99'].median:.0f} "
            f"| {row['start_mib'].median:.0f} / {row['peak_mib'].worst:.0f} "
            f"| {row['sender_us'].median:.1f} |"
        )
    lines += [f"| {name} | not run: {why} | | | | | | |" for name, why in failures.items()]
    return "\n".join(lines)


def record_of(found: dict[str, dict[str, Runs]], load: Load) -> dict[str, object]:
    """For the history and for ``--json``."""
    return {
        "load": load._asdict(),
        "servers": {
            name: {figure: runs.as_json() for figure, runs in row.items()}
            for name, row in found.items()
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Put several servers in one table.")
    parser.add_argument("file", type=Path, nargs="?", default=DEFAULT)
    parser.add_argument("--runs", type=int)
    parser.add_argument("--events", type=int)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    try:
        comparison = read(given.file)
    except FileInvalid as error:
        parser.error(str(error))
    load = comparison.load._replace(events=given.events or comparison.load.events)
    failures: dict[str, str] = {}
    found = end_to_end.measure_all(
        load, comparison.targets, runs=given.runs or comparison.runs, failures=failures
    )
    record = record_of(found, load)
    append_history("compare", dict(record))
    if given.json:
        print(json.dumps({**machine(), **record}))
        return
    print(table(found, comparison.does, failures))


if __name__ == "__main__":
    main()
