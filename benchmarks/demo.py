"""`make demo`: six services' logs over the real protocol into the embedded store.

Everything is the product's own commands, run as a person would run them: `ptingest serve`
with a config in a temporary place, `ptingest send` for each log file, `ptingest search`.
What the searches find is compared with what was written; any difference ends the demo
with exit code 1.

    python -m benchmarks.demo [--records N] [--seed S] [--keep]

With ``--keep`` (`make demo KEEP=1`) the server stays, with the demo's data, until Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import corpus, processes
from benchmarks.corpus import Record

SPAN = timedelta(minutes=45)
BY_SERVICE = {"nginx": "web", "react": "frontend"}
"""Categories of services that have no loggers."""


class Query(NamedTuple):
    """A search, and which of the written records it must find."""

    text: str
    fits: Callable[[str, Record], bool]


class Demo:
    """One run: where its files are, what was written, and what did not agree."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = processes.free_port()
        self.config = processes.write_config(
            folder, port=self.port, sinks={"store": {}}, profile=_profile(folder)
        )
        self.written: dict[str, list[Record]] = {}
        self.wrong: list[str] = []

    def expect(self, what: str, found: object, wanted: object) -> None:
        if found != wanted:
            self.wrong.append(f"{what}: found {found}, written {wanted}")

    def run(self, *words: str) -> str:
        """Run one ptingest command; its standard output. A failure is told and noted."""
        done = subprocess.run(
            [*processes.SERVER, *words],
            cwd=processes.ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode != 0:
            self.wrong.append(f"ptingest {words[0]} exited with {done.returncode}")
            print(done.stderr.strip() or done.stdout.strip(), file=sys.stderr)
        return done.stdout

    def search(self, query: str) -> list[dict[str, Any]]:
        """Every document that fits, as the store holds it."""
        lines = self.run("search", query, "--config", str(self.config), "--json").splitlines()
        return [json.loads(line) for line in lines]

    def count(self, fits: Callable[[str, Record], bool]) -> int:
        """How many of the written records fit."""
        return sum(
            fits(service, record) for service, all_ in self.written.items() for record in all_
        )


def _profile(folder: Path) -> Path:
    """The shipped profile with everything for nginx and React switched on."""
    text = (processes.ROOT / "config" / "pt.yaml").read_text(encoding="utf-8")
    path = folder / "pt.yaml"
    # A `#` without a space after it is a setting that is off.
    path.write_text(re.sub(r"(?m)^(\s*)#(?=\S)", r"\1", text), encoding="utf-8")
    return path


def write(demo: Demo, total: int, seed: int) -> None:
    """Write the six log files, ending about now."""
    counts = {service: max(20, total * share // 100) for service, share in corpus.MIX.items()}
    start = (datetime.now(UTC) - SPAN - timedelta(seconds=5)).replace(microsecond=0)
    demo.written = corpus.write_logs(demo.folder / "logs", counts, seed, start=start, span=SPAN)
    several = sum("\n" in record.text for all_ in demo.written.values() for record in all_)
    print(
        f"wrote   {sum(counts.values()):,} log records of {len(counts)} services, "
        f"{several} of them tracebacks over several lines"
    )


def ship(demo: Demo) -> None:
    """Send each file with `ptingest send`, as a Beat would."""
    start = time.perf_counter()
    for service, written in demo.written.items():
        said = demo.run(
            "send",
            str(demo.folder / "logs" / f"{service}.log"),
            "--to",
            f"127.0.0.1:{demo.port}",
            "--service",
            service,
            "--registry",
            str(demo.folder / "send.json"),
        )
        print(f"shipped {service:11} {said.strip()}")
        demo.expect(f"{service} events acked", said.split(" ")[0], f"{len(written):,}")
    print(f"shipped everything in {time.perf_counter() - start:.1f} s, six starts included\n")


def show_streams(demo: Demo, documents: Iterable[dict[str, Any]]) -> None:
    """Counts for each data stream and each category."""
    streams: Counter[str] = Counter()
    categories: Counter[str] = Counter()
    for document in documents:
        parts = document["data_stream"]
        streams[f"{parts['type']}-{parts['dataset']}-{parts['namespace']}"] += 1
        categories[_category(document.get("stream"), document.get("app_module"))] += 1
    written = {f"logs-{service}-pt": len(all_) for service, all_ in demo.written.items()}
    wanted = Counter(
        BY_SERVICE.get(service) or _category(record.stream, record.app_module)
        for service, all_ in demo.written.items()
        for record in all_
    )
    demo.expect(
        "documents in each data stream",
        dict(sorted(streams.items())),
        dict(sorted(written.items())),
    )
    demo.expect("documents in each category", sorted(categories.items()), sorted(wanted.items()))
    print("data stream            documents")
    for name, number in streams.most_common():
        print(f"  {name:20} {number:9,}")
    print("\ncategory (stream/app_module)")
    ordered = categories.most_common()
    for left, right in zip(ordered[::2], [*ordered[1::2], ("", 0)], strict=False):
        second = f"{right[0]:24} {right[1]:6,}" if right[0] else ""
        print(f"  {left[0]:24} {left[1]:6,}    {second}".rstrip())


def _category(stream: str | None, app_module: str | None) -> str:
    return f"{stream}/{app_module}" if app_module else f"{stream}"


def queries(demo: Demo) -> list[Query]:
    """The searches that the six services are watched with."""
    first = demo.written["django"][0].at
    since, until = first + SPAN / 3, first + SPAN * 2 / 3
    window = f'@timestamp >= "{_text(since)}" AND @timestamp < "{_text(until)}"'

    def is_parcels_error(service: str, record: Record) -> bool:
        is_parcels = record.stream == "app" and record.app_module == "parcels"
        return service == "django" and is_parcels and record.level == "ERROR"

    return [
        Query("group:pt", lambda _service, _record: True),
        Query(
            "group:pt AND service:django AND log_level:ERROR",
            lambda service, record: service == "django" and record.level == "ERROR",
        ),
        Query(
            "group:pt AND stream:app AND app_module:parcels",
            lambda _, record: record.stream == "app" and record.app_module == "parcels",
        ),
        Query("group:pt AND log_level:CRITICAL", lambda _, record: record.level == "CRITICAL"),
        Query("group:pt AND tags:_grokparsefailure_pt", lambda _service, _record: False),
        Query("group:pt AND service:nginx AND status >= 400", _is_refused),
        Query("group:pt AND stream:aws", lambda _, record: record.stream == "aws"),
        Query(
            "group:pt AND logger_name:apps.parcels.views",
            lambda _, record: record.logger == "apps.parcels.views",
        ),
        Query(
            f"group:pt AND service:django AND app_module:parcels AND log_level:ERROR AND {window}",
            # Logstash keeps whole seconds of `...05.678`, and so do we.
            lambda service, record: (
                is_parcels_error(service, record)
                and since <= record.at.replace(microsecond=0) < until
            ),
        ),
    ]


def _is_refused(service: str, record: Record) -> bool:
    found = re.search(r'" ([45])[0-9]{2} ', record.text)
    return service == "nginx" and found is not None


def _text(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}Z"


def show_queries(demo: Demo) -> dict[str, Any] | None:
    """Hit counts of the queries; returns one document worth a look."""
    print("\nhits    query")
    example = None
    for query in queries(demo):
        found, wanted = demo.search(query.text), demo.count(query.fits)
        print(f"{len(found):6,}  {query.text}")
        demo.expect(f"hits of {query.text}", len(found), wanted)
        if not wanted and "failure" not in query.text:
            demo.wrong.append(f"nothing was written for {query.text}; choose another --seed")
        if "log_level:ERROR" in query.text and found:
            example = found[0]
    return example


def show_next() -> None:
    """Commands to copy."""
    print(
        """
What next (each line can be copied):
  make run                                              serve with config/ptingest.yaml
  .venv/bin/ptingest send config/samples/*.log          in another terminal: ship sample logs
  .venv/bin/ptingest search 'group:pt AND log_level:ERROR' --config config/ptingest.yaml
  .venv/bin/ptingest try config/samples/django.log --service django --multiline
  point Filebeat at it:  output.logstash: {hosts: ["localhost:5044"]}"""
    )


def keep(demo: Demo, server: subprocess.Popen[bytes]) -> None:
    """Leave the server running on the demo's data until somebody ends it."""
    api = json.loads(demo.config.read_text(encoding="utf-8"))["api"]["listen"]
    print(
        f"""
Look inside:      http://{api}/console/
Send more lines:  .venv/bin/ptingest send FILE --service django --to 127.0.0.1:{demo.port}
Search:           .venv/bin/ptingest search 'log_level:ERROR' --config {demo.config}
Ctrl-C ends it and deletes its data.""",
        flush=True,
    )
    try:
        server.wait()
    except KeyboardInterrupt:
        # The terminal told the server, too; telling it twice would cut its farewell short.
        with suppress(subprocess.TimeoutExpired):
            server.wait(10)


def run(total: int, seed: int, *, is_kept: bool = False) -> int:
    """The whole demo; the exit code."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="ptingest-demo-") as place:
        demo = Demo(Path(place))
        write(demo, total, seed)
        starting = time.perf_counter()
        with processes.server(port=demo.port, config=demo.config) as server:
            print(
                f"serving on 127.0.0.1:{demo.port} {time.perf_counter() - starting:.1f} s later, "
                f"{processes.memory(server.pid).now >> 20} MiB"
            )
            ship(demo)
            print(
                "The profile is the shipped one with nginx_access, nginx_error and react switched\n"
                "on (patterns, numbers, categories: `ptingest profile`); a server has them off.\n"
            )
            show_streams(demo, demo.search("*"))
            example = show_queries(demo)
            print("\none of them in full:")
            print(json.dumps(example, indent=2, ensure_ascii=False))
            print(f"\nserver: {processes.memory(server.pid).peak >> 20} MiB at its peak")
            if is_kept:
                keep(demo, server)
        demo.expect("exit code of the server", server.returncode, 0)
    if demo.wrong:
        print("\nDoes not agree:\n  " + "\n  ".join(demo.wrong), file=sys.stderr)
        return 1
    print(f"All counts agree with what was written. {time.perf_counter() - began:.1f} s.")
    show_next()
    return 0


def main() -> None:
    parser = argparse.ArgumentParser(description="Show what ptingest does, in a minute.")
    parser.add_argument("--records", type=int, default=6_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--keep", action="store_true", help="leave the server running")
    arguments = parser.parse_args()
    sys.exit(run(arguments.records, arguments.seed, is_kept=arguments.keep))


if __name__ == "__main__":
    main()
