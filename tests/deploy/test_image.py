"""The Dockerfile: linted, and its steps taken in a clean folder. No engine runs here.

The first stage's commands are run as they are written, in a copy of exactly what
.dockerignore lets through, with the paths of the image moved into a folder of the test. Then
the program runs as an unprivileged user that may write to the data folder alone.
"""

from __future__ import annotations

import fnmatch
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from benchmarks.processes import free_port
from tests.deploy.test_logging import running, wait_for
from tests.peers.pypi_peer import install
from tests.peers.tools import optional_tool
from tests.support.modules import DEPLOY, ROOT

DOCKERFILE = ROOT / "Dockerfile"
USER = 10001
pytestmark = [pytest.mark.peer, pytest.mark.timeout(180)]


class Step(NamedTuple):
    """One instruction."""

    word: str
    rest: str


def stages() -> list[list[Step]]:
    """The instructions, one list for each FROM."""
    text = re.sub(r"\\\n", " ", DOCKERFILE.read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    steps = [Step(*line.split(None, 1)) for line in lines]
    starts = [at for at, step in enumerate(steps) if step.word == "FROM"]
    return [steps[a:b] for a, b in zip(starts, [*starts[1:], None], strict=True)]


def let_through(path: str) -> bool:
    """Say whether .dockerignore leaves a file in the context."""
    allowed = False
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        pattern = line.lstrip("!").removeprefix("**/")
        parts = path.split("/")
        heads = ["/".join(parts[:n]) for n in range(1, len(parts) + 1)]
        names = [*heads, *parts] if "**/" in line else heads
        if any(fnmatch.fnmatch(name, pattern) for name in names):
            allowed = line.startswith("!")
    return allowed


def context(folder: Path) -> None:
    """Copy what a build would be sent."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    allowed = [ROOT / line[1:] for line in lines if line.startswith("!")]
    files = [file for path in allowed for file in (path, *path.rglob("*")) if file.is_file()]
    for file in files:
        name = file.relative_to(ROOT).as_posix()
        if let_through(name):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)


@pytest.fixture(scope="module")
def public() -> Iterator[Path]:
    """A folder that strangers may look into; pytest's own are closed to them."""
    with tempfile.TemporaryDirectory(prefix="ptingest-image-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def merge(source: Path, target: Path) -> None:
    """Copy a folder as COPY does: into one that may be there."""
    shutil.copytree(source, target, dirs_exist_ok=True)


@pytest.fixture(scope="module")
def root(public: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the second stage copies: /opt/ptingest of the image, in a folder."""
    sent, work = tmp_path_factory.mktemp("context"), tmp_path_factory.mktemp("build")
    image = public
    context(sent)
    python = image / "python"
    subprocess.run([sys.executable, "-m", "venv", python], check=True)
    environ = {"PATH": f"{python}/bin:{os.environ['PATH']}", "HOME": str(work)}
    for step in stages()[0]:
        if step.word == "COPY":
            *sources, target = shlex.split(step.rest)
            for source in sources:
                place = work / target / (source if target == "./" else "")
                copy = merge if (sent / source).is_dir() else shutil.copy
                place.parent.mkdir(parents=True, exist_ok=True)
                copy(sent / source, place)
        elif step.word == "RUN":
            command = step.rest.replace("/opt/ptingest", str(image / "ptingest"))
            subprocess.run(["sh", "-euc", command], cwd=work, env=environ, check=True)
    return image / "ptingest"


def test_a_linter_finds_nothing() -> None:
    done = subprocess.run(
        [install() / "hadolint", DOCKERFILE], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (0, "")


def test_the_linter_would_find_something(tmp_path: Path) -> None:
    bad = tmp_path / "Dockerfile"
    bad.write_text("FROM python\nRUN pip install x\n")

    done = subprocess.run([install() / "hadolint", bad], capture_output=True, check=False)

    assert done.returncode == 1


def test_there_are_two_stages_and_the_base_is_pinned_once() -> None:
    text = DOCKERFILE.read_text(encoding="utf-8")

    assert [stage[0].rest for stage in stages()] == ["${PYTHON_IMAGE} AS build", "${PYTHON_IMAGE}"]
    assert re.search(r"^ARG PYTHON_IMAGE=python:\d+\.\d+\.\d+-slim-\w+$", text, re.MULTILINE)


def test_the_image_says_what_it_is_and_how_it_stops() -> None:
    last = {step.word: step.rest for step in stages()[1]}

    assert last["USER"] == "10001:10001"
    assert last["STOPSIGNAL"] == "SIGTERM"
    assert '"ptingest", "probe"' in last["HEALTHCHECK"]
    assert "org.opencontainers.image.version" in last["LABEL"]
    assert last["VOLUME"] == '["/var/lib/ptingest"]'


def test_versions_agree() -> None:
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    text = DOCKERFILE.read_text(encoding="utf-8")

    assert f'image.version="{version[1]}"' in text
    assert f"PTINGEST_VERSION={version[1]}\n" in (DEPLOY / ".env.example").read_text()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("ptingest/cli/main.py", True),
        ("config/pt.yaml", True),
        ("deploy/ptingest.yaml", True),
        ("ptingest/cli/__pycache__/main.cpython-311.pyc", False),
        (".git/config", False),
        ("deploy/.env", False),
        ("tests/conftest.py", False),
        ("data/store.sqlite", False),
    ],
)
def test_the_build_is_sent_what_it_needs_and_no_more(path: str, expected: bool) -> None:
    assert let_through(path) is expected


def test_what_is_built_holds_no_build_tools(root: Path) -> None:
    (packages,) = root.glob("lib/python*/site-packages")
    names = {path.name.split("-")[0].lower() for path in packages.iterdir()}

    assert "ptingest" in names
    assert {"pip", "setuptools", "wheel", "hatchling", "pytest"} & names == set()


def test_it_serves_as_a_stranger_that_can_write_to_its_data_alone(root: Path, public: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    data, config = public / "data", public / "ptingest.yaml"
    data.mkdir()
    os.chown(data, USER, USER)
    config.write_text(
        f'data_dir: {data}\nbeats: {{listen: "127.0.0.1:{free_port()}"}}\n'
        f'api: {{listen: "127.0.0.1:{free_port()}"}}\n'
    )
    # It may read everything, since a Python made for one user may lie where only that user
    # looks; it writes as a stranger.
    sight = [
        f"--{one}=-all,+dac_read_search" for one in ("bounding-set", "inh-caps", "ambient-caps")
    ]
    stranger = [f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs"]
    program = [
        *(optional_tool("setpriv"), *stranger, *sight),
        *("env", "PYTHONDONTWRITEBYTECODE=1", str(root / "bin" / "ptingest")),
    ]

    with running(public, *program, "serve", "--config", config) as server:
        wait_for(public / "setpriv.out", "send a first event")
        probe = [*program, "probe", "--config", str(config)]
        asked = [
            subprocess.run([*probe, *more], check=False).returncode for more in ([], ["--live"])
        ]
        server.send_signal(signal.SIGTERM)
        code = server.wait(20)

    assert (asked, code) == ([0, 0], 0)
    assert {path.stat().st_uid for path in data.rglob("*")} == {USER}
    assert [path for path in public.rglob("*") if path.stat().st_uid == USER and data not in
            (path, *path.parents)] == []  # fmt: skip
