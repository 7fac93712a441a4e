"""What the shipping client saves between runs: its agent id and the position in each file."""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path
from typing import Annotated

import msgspec

from ptingest.errors import ConfigProblem
from ptingest.tools.shipper.file_reader import FilePlace


class _SavedPosition(msgspec.Struct):
    device: int
    inode: int
    offset: Annotated[int, msgspec.Meta(ge=0)]


class _Content(msgspec.Struct):
    agent_id: Annotated[str, msgspec.Meta(min_length=1)]
    files: dict[str, _SavedPosition]


_read_content = msgspec.json.Decoder(_Content).decode


class Registry:
    """A small JSON file, replaced at each save; it has only acked positions."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.agent_id = str(uuid.uuid4())
        self._places: dict[str, FilePlace] = {}
        if path.exists():
            self._load()

    def _load(self) -> None:
        try:
            content = _read_content(self.path.read_bytes())
        # ValueError: bytes that are not UTF-8.
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise ConfigProblem(
                file=str(self.path),
                path="",
                seen=f"is not a registry of `ptingest send` ({error!r})",
                cure="give another --registry, or remove it and ship everything again",
            ) from error
        self.agent_id = content.agent_id
        self._places = {
            name: FilePlace(row.device, row.inode, row.offset)
            for name, row in content.files.items()
        }

    def place(self, path: Path) -> FilePlace | None:
        """Return how far this file was acked; None for a new one."""
        return self._places.get(str(path))

    def advance(self, path: Path, place: FilePlace) -> None:
        """Everything before ``place.offset`` is acked."""
        self._places[str(path)] = place

    def save(self) -> None:
        """Write a new file, then rename it, so that a crash leaves the old or the new one."""
        content = {
            "agent_id": self.agent_id,
            "files": {name: place._asdict() for name, place in sorted(self._places.items())},
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_name(f"{self.path.name}.{os.getpid()}.new")
        # It names the files of logs: for its owner alone, as the server's files.
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as new:
            new.write(json.dumps(content, indent=1) + "\n")
        fresh.replace(self.path)
