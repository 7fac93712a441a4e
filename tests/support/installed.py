"""The package as a user has it: source distribution and wheel, built and installed apart.

checkout --sdist--> folder without the checkout --wheel--> environment with what it declares

The environment has links to exactly the distributions that the wheel's metadata asks for,
markers and extras included; no index is asked. What is missing in a distribution, or in its
dependencies, fails here and not at a user's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any, NamedTuple

from packaging.requirements import Requirement

from benchmarks.processes import free_port, wait_listening
from tests.support.modules import ROOT


class Serving(NamedTuple):
    """An installed server that listens."""

    process: subprocess.Popen[bytes]
    config: Path
    beats: str
    """Where Beats send to, HOST:PORT."""
    url: str


def call(
    *command: str | Path, folder: Path, given: bytes = b"", environ: dict[str, str] | None = None
) -> str:
    """Run a command that must succeed, with nothing of this process's Python settings."""
    done = subprocess.run(
        [str(part) for part in command],
        input=given,
        capture_output=True,
        cwd=folder,
        env={**clean_environ(), **(environ or {})},
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def clean_environ() -> dict[str, str]:
    """What a login shell has, and no path to this checkout."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}


def build(kind: str, source: Path, folder: Path) -> Path:
    """Build a "wheel" or an "sdist" of ``source`` and return the file."""
    call(sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", folder, folder=source)
    (built,) = folder.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return built


def wheel_of_sdist(folder: Path) -> Path:
    """Build a source distribution, and the wheel that an installer makes of it alone."""
    with tarfile.open(build("sdist", ROOT, folder / "sdist")) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (source,) = (folder / "unpacked").iterdir()
    return build("wheel", source, folder / "wheel")


def contents(wheel: Path) -> dict[str, bytes]:
    """Every file of a wheel by its name."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def install(wheel: Path, home: Path) -> Path:
    """Install a wheel into a new environment; return the folder of its programs."""
    call(sys.executable, "-m", "venv", "--without-pip", home, folder=home.parent)
    python = home / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check")
    call(*pip, "install", "-q", "--no-deps", "--no-index", "--no-compile", wheel, folder=home)
    (packages,) = home.glob("lib/python*/site-packages")
    for needed in closure(requirements(wheel)):
        link(needed, packages)
    return python.parent


def requirements(wheel: Path) -> list[Requirement]:
    """What the wheel's own metadata asks for."""
    (name,) = [name for name in contents(wheel) if name.endswith(".dist-info/METADATA")]
    lines = contents(wheel)[name].decode().splitlines()
    opening = "Requires-Dist: "
    return [Requirement(line.removeprefix(opening)) for line in lines if line.startswith(opening)]


def closure(wanted: list[Requirement]) -> Iterator[Distribution]:
    """Every distribution that an installer would bring for ``wanted``, no extra asked for."""
    waiting, seen = (
        [one for one in wanted if applies(one, set())],
        set[tuple[str, frozenset[str]]](),
    )
    while waiting:
        one = waiting.pop()
        key = (one.name.lower(), frozenset(one.extras))
        if key in seen:
            continue
        seen.add(key)
        found = distribution(one.name)
        yield found
        inner = [Requirement(text) for text in found.requires or ()]
        waiting += [r for r in inner if applies(r, one.extras)]


def applies(requirement: Requirement, extras: set[str]) -> bool:
    """Say whether a requirement is needed here, with these extras."""
    if requirement.marker is None:
        return True
    return any(requirement.marker.evaluate({"extra": extra}) for extra in (extras or {""}))


def link(needed: Distribution, packages: Path) -> None:
    """Make one distribution importable, and nothing that lies beside it."""
    for top in {file.parts[0] for file in needed.files or ()} - {"..", "__pycache__"}:
        target = packages / top
        if not target.exists():
            target.symlink_to(Path(str(needed.locate_file(top))))


@contextmanager
def running(
    programs: Path, folder: Path, environ: Mapping[str, str] = {}, **config: Any
) -> Iterator[Serving]:
    """Run the installed ``ptingest serve`` with its data in ``folder``, from when it listens."""
    beats, url = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    file = folder / "ptingest.yaml"
    file.write_text(json.dumps({"beats": {"listen": beats}, "api": {"listen": url}, **config}))
    command = [str(programs / "ptingest"), "serve", "--config", str(file)]
    with (
        (folder / "server.log").open("ab") as log,
        subprocess.Popen(
            command, cwd=folder, env={**clean_environ(), **environ}, stdout=log, stderr=log
        ) as process,
    ):
        try:
            for address in (beats, url):
                wait_listening(process, int(address.rpartition(":")[2]))
            yield Serving(process, file, beats, f"http://{url}")
        finally:
            if process.poll() is None:
                process.kill()
