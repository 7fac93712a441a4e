"""A Docker engine of our own, beside any that runs on the machine.

    with Engine(folder, is_open=True) as engine:      builds: the machine's network, no bridge
    with Engine(folder) as engine:                    runs: a network of its own, no way out
        with engine.network():                        published ports are on 127.0.0.1 here
            ...

Both keep their images in the same folder; one runs at a time. Everything that it mounts and
every rule for packets is in namespaces that end with it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from tests.image import machine
from tests.support.waiting import wait_until

CLONE_NEWNET = 0x40000000


class Engine:
    """``dockerd`` and its client."""

    def __init__(self, folder: Path, *, is_open: bool = False) -> None:
        self.folder, self.is_open = folder, is_open
        self.environ = {
            **machine.environ(),
            "DOCKER_HOST": f"unix://{folder}/docker.sock",
            # The other builder fetches what `# syntax=` names, from a registry.
            "DOCKER_BUILDKIT": "0",
            "HOME": str(folder),
        }

    def __enter__(self) -> Engine:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "engine.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command(), env=self.environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        wait_until(self._is_up, seconds=180, otherwise=self._log)
        self._clear()
        return self

    def __exit__(self, *_: object) -> None:
        self._clear()
        self._process.terminate()
        self._process.wait(60)

    def _command(self) -> list[str]:
        limit = machine.open_files()
        daemon = [
            *("dockerd", "--data-root", f"{self.folder}/data", "--storage-driver", "overlay2"),
            *("--exec-root", f"{self.folder}/exec", "--pidfile", f"{self.folder}/docker.pid"),
            *("--host", self.environ["DOCKER_HOST"]),
            *("--default-ulimit", f"nofile=1024:{limit}", "--default-ulimit", "nproc=4096:4096"),
        ]
        apart = ["unshare", "--mount", "--propagation", "private"]
        if self.is_open:
            no_bridge = ["--bridge", "none", "--iptables=false", "--ip6tables=false"]
            return [*apart, *daemon, *no_bridge]
        return [*apart, "--net", "sh", "-euc", 'ip link set lo up; exec "$@"', "sh", *daemon]

    def _is_up(self) -> bool:
        assert self._process.poll() is None, self._log()
        return self._run("docker", "info").returncode == 0

    def _log(self) -> str:
        return (self.folder / "engine.log").read_text(errors="replace")[-4000:]

    def _clear(self) -> None:
        """Take away containers, networks and volumes, also those of a run that was cut off."""
        left = self.docker("ps", "--all", "--quiet").split()
        if left:
            self.docker("rm", "--force", "--volumes", *left)
        self.docker("network", "prune", "--force")
        self.docker("volume", "prune", "--force")

    def docker(self, *words: str | Path) -> str:
        """Run the client; return what it printed, and raise with it where it failed."""
        return self.run("docker", *words)

    def run(self, *words: str | Path, **more: str) -> str:
        """Run a program that knows where the engine is; ``more`` are variables for it."""
        done = self._run(*words, **more)
        assert done.returncode == 0, f"{' '.join(map(str, words))}:\n{done.stdout}{done.stderr}"
        return done.stdout

    def _run(self, *words: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
        environ = {**self.environ, **more}
        return subprocess.run(words, env=environ, capture_output=True, text=True, check=False)

    def inspect(self, name: str) -> Any:
        """What the engine knows of a container or an image."""
        return orjson.loads(self.docker("inspect", name))[0]

    def logs(self, name: str) -> str:
        """What a container said on both of its outputs, with times."""
        done = self._run("docker", "logs", "--timestamps", name)
        return done.stdout + done.stderr

    def refuses(self, *words: str) -> bool:
        """Say whether the client fails with these words."""
        return self._run("docker", *words).returncode != 0

    @contextlib.contextmanager
    def network(self) -> Iterator[None]:
        """Be in the engine's network: this thread, and threads and processes that it starts."""
        namespaces = [f"/proc/{pid}/ns/net" for pid in (os.getpid(), self._process.pid)]
        ours, its = (os.open(path, os.O_RDONLY) for path in namespaces)
        try:
            _enter(its)
            yield
        finally:
            _enter(ours)
            os.close(ours)
            os.close(its)


def _enter(namespace: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(namespace, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")
