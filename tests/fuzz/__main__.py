"""``make fuzz``: each target for so many seconds; what breaks a promise is kept and shown.

    python -m tests.fuzz [--seconds 60] [TARGET...]
    python -m tests.fuzz --replay TARGET FILE

Corpora grow in ``tests/fuzz/corpus``, inputs that broke a promise lie in
``tests/fuzz/crashes``; git knows neither. Replaying needs no fuzzer.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.fuzz.targets import TARGETS, Target

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"
CRASHES = HERE / "crashes"
MEMORY = Path("/dev/shm")
"""Files of the targets live here where it is there: a disk would be all they wait for."""
INPUT_SECONDS = 20
"""One input may take so long; longer is a finding."""
MEMORY_MIB = 1024


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.fuzz", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--replay", nargs=2, metavar=("TARGET", "FILE"))
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=" ".join(TARGETS))
    chosen = parser.parse_args()
    if chosen.replay:
        name, file = chosen.replay
        TARGETS[name].check(Path(file).read_bytes())
        print(f"{name}: {file} breaks no promise")
        return 0
    unknown = set(chosen.targets) - set(TARGETS)
    if unknown:
        parser.error(f"no target {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    found = [crash for name in chosen.targets or TARGETS for crash in fuzzed(name, chosen.seconds)]
    return 1 if found else 0


def fuzzed(name: str, seconds: int) -> list[Path]:
    """Run one target; return the inputs that broke its promise."""
    crashes = CRASHES / name
    crashes.mkdir(parents=True, exist_ok=True)
    before = set(crashes.iterdir())
    place = MEMORY if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="ptingest-fuzz-", dir=place) as folder:
        log = run(name, seconds, Path(folder))
    found = sorted(set(crashes.iterdir()) - before)
    print(f"{name}: {summary(log)}, {len(found)} found", flush=True)
    for crash in found:
        print(f"  replay: {sys.executable} -m tests.fuzz --replay {name} {shown(crash)}")
    if found or "Done " not in log:
        print("  " + "\n  ".join(last_words(log)), flush=True)
    return found or ([] if "Done " in log else [crashes])


def run(name: str, seconds: int, folder: Path) -> str:
    """Run libFuzzer in a process of its own, nicely, and return what it said."""
    target = TARGETS[name]
    corpus = CORPUS / name
    corpus.mkdir(parents=True, exist_ok=True)
    seeds = written_seeds(target, folder)
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={target.most_bytes}",
        f"-timeout={INPUT_SECONDS}",
        f"-rss_limit_mb={MEMORY_MIB}",
        f"-artifact_prefix={CRASHES / name}/",
        f"-dict={written_tokens(target, folder)}",
        "-print_final_stats=1",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.guided", name, *options, str(corpus), str(seeds)],
        env={**os.environ, "TMPDIR": str(folder)},
        preexec_fn=lambda: os.nice(10),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return done.stdout.decode("utf-8", "replace")


def written_seeds(target: Target, folder: Path) -> Path:
    seeds = folder / "seeds"
    seeds.mkdir()
    for seed in target.seeds():
        (seeds / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    return seeds


def written_tokens(target: Target, folder: Path) -> Path:
    lines = ('"' + "".join(f"\\x{byte:02x}" for byte in token) + '"\n' for token in target.tokens)
    tokens = folder / "tokens"
    tokens.write_text("".join(lines))
    return tokens


def summary(log: str) -> str:
    """Executions, speed and coverage, from libFuzzer's last words."""
    runs = re.search(r"number_of_executed_units:\s*(\d+)", log)
    covered = re.findall(r"cov: (\d+)", log)
    return f"{runs[1] if runs else '?'} inputs, {covered[-1] if covered else '?'} branches covered"


def last_words(log: str) -> list[str]:
    """What broke, without the fuzzer's progress before it."""
    _, cut, words = log.rpartition("=== Uncaught Python exception: ===")
    return (words.split("==\n")[0] if cut else log).strip().splitlines()[-30:]


def shown(path: Path) -> str:
    return os.path.relpath(path)


if __name__ == "__main__":
    sys.exit(main())
