"""Run `make unit` on every version of Python that the package claims, where it is found.

    python -m tests.pythons                       every version
    python -m tests.pythons --python PATH ...     and with these interpreters, found nowhere else

A version is looked for on the path and under pyenv; the one that a Go module carries
(`embedded`) is unpacked where it is missing and Go is there. Each gets an environment of its own in
`.peers/pythons`, from the hashes in deploy/hashed. A version that is not found is said at the
end, and an error with PTINGEST_PEERS=require.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.peers.tools import go_program
from tests.pythons.interpreters import choose, claimed, version_of
from tests.support.modules import ROOT

PLACE = ROOT / ".peers" / "pythons"
EMBEDDED = Path(__file__).parent / "embedded"
EMBEDS = re.compile(r"go-embed-python v0\.0\.0-(\d+\.\d+)\.")
PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"


def candidates(named: Iterable[Path]) -> Mapping[Path, tuple[int, ...]]:
    """Every interpreter that may be one of them, with its version; those named come first."""
    folders = map(Path, os.environ.get("PATH", "").split(os.pathsep))
    paths = [
        *named,
        Path(sys.executable),
        *(path for folder in folders for path in sorted(folder.glob("python3.[0-9][0-9]"))),
        *sorted(PYENV.glob("*/bin/python3")),
    ]
    found = {path: version_of(path) for path in dict.fromkeys(paths) if path.is_file()}
    return {path: version for path, version in found.items() if version}


def embedded(missing: Iterable[str]) -> Path | None:
    """Unpack the CPython of the Go module, if it is one of those; return its interpreter."""
    carried = EMBEDS.search((EMBEDDED / "go.mod").read_text(encoding="utf-8"))
    assert carried is not None
    if carried[1] not in missing or shutil.which("go") is None:
        return None
    place = PLACE / f"cpython-{carried[1]}"
    subprocess.run([go_program(EMBEDDED, "embedded-python"), place], check=True)
    return place / "bin" / "python3"


def environment(python: Path, name: str) -> Path:
    """Make an environment with all that the tests need; return its interpreter."""
    home = PLACE / name
    pip = [sys.executable, "-m", "pip", "--python", str(home / "bin" / "python"), "-q"]
    pip += ["--disable-pip-version-check", "install"]
    deploy, tests = ROOT / "deploy" / "hashed" / "runtime.txt", ROOT / "tests" / "requirements.txt"
    done = home / ".installed"
    newest = max(file.stat().st_mtime for file in (deploy, tests))
    if not done.exists() or done.stat().st_mtime < newest:
        subprocess.run([python, "-m", "venv", "--without-pip", "--clear", home], check=True)
        hashed = ["--only-binary=:all:", "--require-hashes", "-r", str(deploy)]
        subprocess.run([*pip, *hashed], check=True)
        subprocess.run([*pip, "-r", str(tests)], check=True)
        subprocess.run([*pip, "--no-deps", "--no-build-isolation", "-e", str(ROOT)], check=True)
        done.touch()
    return home / "bin" / "python"


def unit(python: Path, beside: int) -> str:
    """Run the unit tests; return how they ended, "passed" or their exit code."""
    words = ["-m", "pytest", "-n", str(beside), "--timeout", "300", "--unit"]
    ended = subprocess.run([python, *words], cwd=ROOT, check=False).returncode
    return "passed" if ended == 0 else f"failed ({ended})"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--python", type=Path, nargs="*", default=[], help="more interpreters")
    parser.add_argument("--beside", type=int, default=2, help="processes that share the tests")
    given = parser.parse_args()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    versions = claimed(project["classifiers"])
    chosen = choose(versions, candidates(given.python))
    unpacked = embedded(version for version, python in chosen.items() if python is None)
    if unpacked is not None:
        chosen = choose(versions, candidates([*given.python, unpacked]))
    results = dict.fromkeys(chosen, "not found")
    for version, python in chosen.items():
        print(f"== CPython {version}: {python or 'not found'}", flush=True)
        if python is not None:
            results[version] = unit(environment(python, version), given.beside)
    print("\n".join(f"CPython {version}: {result}" for version, result in results.items()))
    is_strict = os.environ.get("PTINGEST_PEERS") == "require"
    return 0 if set(results.values()) <= {"passed", *["not found"] * (not is_strict)} else 1


if __name__ == "__main__":
    sys.exit(main())
