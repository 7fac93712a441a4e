"""What the tests of the image need of the machine, and Debian's programs for it.

Docker and mmdebstrap are Debian's packages, unpacked into `.peers/image/debian` and not
installed, so that no service of theirs starts. What is installed already is used as it is.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.peers.tools import building
from tests.support.modules import ROOT

PLACE = ROOT / ".peers" / "image"
PACKAGES = ("docker.io", "mmdebstrap", "iproute2")
PROGRAMS = {
    "apt-get": "apt",
    "dpkg-deb": "dpkg",
    "unshare": "util-linux",
    "perl": "perl",
    "go": "golang-go",
    "mvn": "maven",
}
"""Programs that have to be there, and the Debian packages that have them."""
TAG = re.compile(r"^ARG PYTHON_IMAGE=(python:(\d+\.\d+)\.\d+-slim-(\w+))$", re.MULTILINE)


def base_image() -> tuple[str, str, str]:
    """The Dockerfile's base: its tag, its version of Python, its release of Debian."""
    found = TAG.search((ROOT / "Dockerfile").read_text(encoding="utf-8"))
    assert found is not None
    return found[1], found[2], found[3]


def lacks() -> list[str]:
    """What is missing on this machine, in words; nothing where the tests can run."""
    version = base_image()[1]
    missing = [f"{name} ({package})" for name, package in PROGRAMS.items()
               if shutil.which(name) is None]  # fmt: skip
    if os.geteuid() != 0:
        missing.append("root, for namespaces and mounts")
    if not sys.base_prefix.startswith("/usr/") and sys.version_info[:2] == tuple(
        map(int, version.split("."))
    ):
        return missing
    return [*missing, f"a CPython {version} outside of /usr as that of .venv (pyenv makes one): "
            "the image's base gets a copy of it"]  # fmt: skip


def environ() -> Mapping[str, str]:
    """The environment in which Debian's programs are found; fetches them the first time."""
    root = PLACE / "debian"
    with building(PLACE):
        if not (PLACE / "debian.done").exists():
            _unpack(root)
            (PLACE / "debian.done").touch()
    folders = [str(root / "usr/sbin"), str(root / "usr/bin"), str(root / "sbin")]
    libraries = next(root.glob("usr/lib/*-linux-gnu"), root)
    return {
        **os.environ,
        "PATH": os.pathsep.join([*folders, os.environ["PATH"]]),
        "LD_LIBRARY_PATH": str(libraries),
        **({"XTABLES_LIBDIR": str(libraries / "xtables")} if (libraries / "xtables").exists()
           else {}),
    }  # fmt: skip


def _unpack(root: Path) -> None:
    archives = PLACE / "archives"
    (archives / "partial").mkdir(parents=True, exist_ok=True)
    subprocess.run(["apt-get", "-qq", "update"], check=True, stdout=subprocess.DEVNULL)
    fetch = ["apt-get", "-qq", "-y", "--download-only", "--no-install-recommends"]
    fetch += ["-o", f"Dir::Cache::archives={archives}", "install", *PACKAGES]
    subprocess.run(fetch, check=True, stdout=subprocess.DEVNULL)
    for package in archives.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", package, root], check=True)
    shutil.rmtree(archives)
    # What the package's own script would link.
    for name in ("iptables", "ip6tables"):
        tables = root / "usr/sbin/xtables-nft-multi"
        if tables.exists():
            (root / "usr/sbin" / name).symlink_to(tables.name)


def open_files() -> int:
    """How many files a container may have open: where the limit is low nobody can raise it."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]
