"""The recorded connections: what a Beat sent, what was in it, what it was answered."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

FOLDER = Path(__file__).parent / "captures"
NAMES = sorted(path.name.removesuffix(".bin.gz") for path in FOLDER.glob("*.bin.gz"))


@dataclass(frozen=True, slots=True)
class Capture:
    """One connection of one recording."""

    wire: bytes
    """What the Beat sent, decrypted where it was TLS."""
    windows: list[list[bytes]]
    """The events of each complete window, as bytes, in order."""
    acked: list[int]
    """The final acks the recording server sent, one for each window it acked."""
    unfinished_bytes: int
    """Bytes after the last complete window, where the connection broke in mid-window."""
    config: str
    """The Beat's configuration."""


def load(name: str) -> Capture:
    """Read one capture; ``name`` is one of ``NAMES``."""
    notes = json.loads((FOLDER / f"{name}.json").read_text())
    wire = gzip.decompress((FOLDER / f"{name}.bin.gz").read_bytes())
    events = iter(gzip.decompress((FOLDER / f"{name}.ndjson.gz").read_bytes()).splitlines())
    acks = [entry[2] for entry in notes["timeline"] if entry[1] == "ack" and entry[2]]
    return Capture(
        wire=wire,
        windows=[list(islice(events, count)) for count in notes["events_per_window"]],
        acked=acks[: notes["acked_windows"]],
        unfinished_bytes=len(wire) - notes["complete_window_bytes"],
        config=notes["config"],
    )
