"""A command in a terminal of a given size, whose screen can be read.

The command runs in a process of its own behind a pseudo-terminal; what it writes goes
through a terminal emulator, so a test reads what a person would see.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyte

BEGIN = (
    "import fcntl, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "from ptingest.cli.main import main; main(sys.argv[1:])"
)
"""The terminal is the command's own, so that Ctrl-C reaches it."""
PATIENCE = 20.0
"""Longest time in which the command neither writes nor computes. On a busy machine its start
may take longer than that; what never ends is ended by the time limit of the test."""


class Terminal:
    """A running command and its screen."""

    def __init__(
        self, running: subprocess.Popen[bytes], descriptor: int, columns: int, rows: int
    ) -> None:
        self._running, self._descriptor = running, descriptor
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._computed, self._alive_at = 0, time.monotonic()
        self.written = b""
        """Every byte that came, for what an emulator does not show."""

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self._screen.display]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def has_colours(self) -> bool:
        cells = (cell for row in self._screen.buffer.values() for cell in row.values())
        return any(cell.fg != "default" or cell.bg != "default" for cell in cells)

    def until(self, is_shown: Callable[[str], bool]) -> str:
        """Read until the screen is as wanted, and return it."""
        while not is_shown(self.text):
            assert self._read(0.1), self.text
        return self.text

    def press(self, keys: str) -> None:
        os.write(self._descriptor, keys.encode())

    def resize(self, columns: int, rows: int) -> None:
        self._screen.resize(rows, columns)
        size = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(self._descriptor, termios.TIOCSWINSZ, size)

    def signal(self, number: int) -> None:
        self._running.send_signal(number)

    def ended(self) -> int:
        """Read to the end; return the exit code."""
        while self._read(0.1):
            pass
        return self._running.wait(PATIENCE)

    def _read(self, seconds: float) -> bool:
        """Read what the command has written; False when it has ended."""
        if not select.select([self._descriptor], [], [], seconds)[0]:
            self._must_be_alive()
            return True
        try:
            data = os.read(self._descriptor, 1 << 16)
        except OSError:  # what Linux says when the other end is gone
            return False
        self._alive_at = time.monotonic()
        self.written += data
        self._stream.feed(data)
        return bool(data)

    def _must_be_alive(self) -> None:
        fields = Path(f"/proc/{self._running.pid}/stat").read_text().rpartition(")")[2].split()
        computed = int(fields[11]) + int(fields[12])
        if computed != self._computed:
            self._computed, self._alive_at = computed, time.monotonic()
        assert time.monotonic() - self._alive_at < PATIENCE, self.text


@contextlib.contextmanager
def terminal(
    *arguments: str | Path,
    columns: int = 80,
    rows: int = 24,
    environ: dict[str, str] | None = None,
) -> Iterator[Terminal]:
    """Run ``ptingest`` with these arguments in a terminal of this size."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    given = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    given |= {"TERM": "xterm-256color", "PYTHONUTF8": "1", **(environ or {})}
    running = subprocess.Popen(
        [sys.executable, "-c", BEGIN, *map(str, arguments)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=given,
        start_new_session=True,
    )
    os.close(theirs)
    shown = Terminal(running, ours, columns, rows)
    try:
        yield shown
    except BaseException:
        print(shown.text)  # for what has no text of its own: a time limit
        raise
    finally:
        running.kill()
        running.wait()
        os.close(ours)
