"""The images: the Dockerfile's, over a base made of Debian's packages, and an Elasticsearch.

Neither base nor Elasticsearch comes from a registry of images. The base has the tag that the
Dockerfile names: Debian's libraries and a copy of the CPython that runs this. Elasticsearch has
the tag that `deploy/compose.yaml` names: the server's published artifacts as `tests/peers` runs
them, with Debian's Java.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.image import machine
from tests.image.engine import Engine
from tests.peers.elasticsearch_peer import USUAL
from tests.peers.tools import require_java
from tests.support.modules import ROOT

LIBRARIES = (
    *("ca-certificates", "libbz2-1.0", "libffi8", "liblzma5", "libncursesw6", "libreadline8"),
    *("libsqlite3-0", "libssl3", "libuuid1", "netbase", "tzdata", "zlib1g"),
)
"""What the modules of the standard library load."""
PATH = "PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
ELASTICSEARCH = Path(__file__).parent / "elasticsearch"
JAVA_BASE = "debian-java:17"


def build_all(engine: Engine) -> None:
    """Build what is not there yet; ptingest's own image always, from the layers that it has."""
    tag, version, release = machine.base_image()
    if engine.refuses("image", "inspect", tag):
        _import(engine, tag, _debian(engine, release, LIBRARIES, python=version))
    if engine.refuses("image", "inspect", JAVA_BASE):
        packages = ("ca-certificates", "curl", "openjdk-17-jre-headless")
        _import(engine, JAVA_BASE, _debian(engine, release, packages))
    build = ("build", "--network", "host")
    # By a name, so that what is cleared away is not made anew next time.
    engine.docker(*build, "--target", "build", "--tag", "ptingest-build", ROOT)
    engine.docker(*build, "--tag", "ptingest:0.1.0", ROOT)
    _build_elasticsearch(engine)
    engine.docker("image", "prune", "--force")


def _import(engine: Engine, tag: str, archive: Path) -> None:
    engine.docker("import", "--change", f"ENV {PATH}", archive, tag)
    archive.unlink()


def _debian(
    engine: Engine, release: str, packages: tuple[str, ...], *, python: str | None = None
) -> Path:
    """Return an archive of a Debian with some packages, and with our CPython if asked."""
    archive, copied = machine.PLACE / "debian.tar", machine.PLACE / "python.tar"
    hooks = []
    if python is not None:
        _copy_python(copied, python)
        hooks = [f'tar -C "$1/usr/local" -xf {copied}', *_hooks(python)]
    hooks += ['chroot "$1" apt-get clean', 'rm -rf "$1"/var/lib/apt/lists/*']
    engine.run(
        *("mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(packages)}"),
        *(f"--customize-hook={hook}" for hook in hooks),
        *(release, archive),
    )
    copied.unlink(missing_ok=True)
    return archive


def _copy_python(archive: Path, version: str) -> None:
    """Put the interpreter and its standard library into an archive."""
    home = Path(sys.base_prefix)
    libraries = [str(path.relative_to(home)) for path in home.glob(f"lib/libpython{version}.so*")]
    names = (f"bin/python{version}", f"lib/python{version}", *libraries)
    left = ("test", "site-packages", "__pycache__")
    excluded = [f"--exclude=lib/python{version}/{name}" for name in left[:2]]
    pack = ["tar", "-C", str(home), *excluded, f"--exclude={left[2]}", "-cf", str(archive), *names]
    subprocess.run(pack, check=True)


def _hooks(version: str) -> list[str]:
    """What makes a Python of the copy, and lets pip of the build know what it knows here."""
    return [
        f'ln -s python{version} "$1/usr/local/bin/python3"; '
        'ln -s python3 "$1/usr/local/bin/python"',
        f'mkdir "$1/usr/local/lib/python{version}/site-packages"; chroot "$1" ldconfig',
        'chroot "$1" /usr/local/bin/python -m ensurepip',
        'cp /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/"',
        '[ ! -e /etc/pip.conf ] || cp /etc/pip.conf "$1/etc/"',
    ]


def _build_elasticsearch(engine: Engine) -> None:
    classes, *jars = USUAL.classpath(require_java(USUAL.oldest_java)).split(":")
    with tempfile.TemporaryDirectory() as name:
        context = Path(name)
        shutil.copytree(ELASTICSEARCH, context, dirs_exist_ok=True)
        shutil.copytree(classes, context / "classes")
        (context / "jars").mkdir()
        for jar in jars:
            shutil.copy(jar.strip(), context / "jars")
        base = f"BASE={JAVA_BASE}"
        tag = f"elasticsearch:{USUAL.version}"
        engine.docker("build", "--network", "host", "--build-arg", base, "--tag", tag, context)
