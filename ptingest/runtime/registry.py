"""What a shipping client remembers between runs: who it is and how far it came."""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path

from ptingest.errors import ConfigProblem
from ptingest.runtime.records import FilePlace


class Registry:
    """A small JSON file, replaced whole at each save; only acked places get in."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.agent_id = str(uuid.uuid4())
        self._places: dict[str, FilePlace] = {}
        if path.exists():
            self._load()

    def _load(self) -> None:
        try:
            content = json.loads(self.path.read_bytes())
            self.agent_id = str(content["agent_id"])
            self._places = {
                str(name): FilePlace(int(row["device"]), int(row["inode"]), int(row["offset"]))
                for name, row in content["files"].items()
            }
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigProblem(
                file=str(self.path),
                path="",
                seen=f"is not a registry of `ptingest send` ({error!r})",
                cure="give another --registry, or remove it and ship everything again",
            ) from error

    def place(self, path: Path) -> FilePlace | None:
        """How far this file was acked; None when it is new here."""
        return self._places.get(str(path))

    def advance(self, path: Path, place: FilePlace) -> None:
        """Everything before ``place.offset`` is acked."""
        self._places[str(path)] = place

    def save(self) -> None:
        """Write to a neighbour, then rename: a crash leaves the old one or the new one."""
        content = {
            "agent_id": self.agent_id,
            "files": {name: place._asdict() for name, place in sorted(self._places.items())},
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        neighbour = self.path.with_name(f"{self.path.name}.{os.getpid()}.new")
        neighbour.write_text(json.dumps(content, indent=1) + "\n")
        neighbour.replace(self.path)
