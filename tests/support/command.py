"""Runs the command line as a shell would, in this process: a start costs a third of a second.

What needs a process of its own (closed pipes, what is imported) starts one in its test.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import pytest

from ptingest.cli.main import main


class Ran(NamedTuple):
    """What a command left behind."""

    code: int
    out: bytes
    err: str


def run(
    *arguments: str | Path, folder: Path, given: bytes = b"", environ: dict[str, str] | None = None
) -> Ran:
    """Run ``ptingest`` with these arguments in ``folder`` and return what it said."""
    stdin = io.TextIOWrapper(io.BytesIO(given), encoding="utf-8")
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    stderr = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    umask = os.umask(0)
    os.umask(umask)
    with (
        contextlib.chdir(folder),
        mock.patch.dict(os.environ, environ or {}),
        mock.patch.object(sys, "stdin", stdin),
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
        pytest.raises(SystemExit) as left,
    ):
        main([str(argument) for argument in arguments])
    os.umask(umask)  # some commands write for their owner alone; other tests do not
    stdout.flush()
    stderr.flush()
    assert isinstance(left.value.code, int)
    return Ran(left.value.code, written(stdout), written(stderr).decode())


def written(stream: io.TextIOWrapper) -> bytes:
    """All bytes that went to a stream made above."""
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue()
