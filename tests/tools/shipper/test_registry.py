from __future__ import annotations

from pathlib import Path

import pytest

from ptingest.errors import ConfigProblem
from ptingest.tools.shipper.file_reader import FilePlace
from ptingest.tools.shipper.registry import Registry


def test_places_and_identity_survive_a_run(tmp_path: Path) -> None:
    first = Registry(tmp_path / "state" / "send.json")
    first.advance(Path("/var/log/a.log"), FilePlace(1, 2, 300))
    first.save()

    second = Registry(tmp_path / "state" / "send.json")

    assert second.place(Path("/var/log/a.log")) == FilePlace(1, 2, 300)
    assert second.place(Path("/var/log/b.log")) is None
    assert second.agent_id == first.agent_id


def test_nothing_but_the_registry_is_left_behind(tmp_path: Path) -> None:
    Registry(tmp_path / "send.json").save()

    assert [path.name for path in tmp_path.iterdir()] == ["send.json"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"[" * 9999,
        b'{"agent_id": "\xff", "files": {}}',
        b'{"agent_id": "", "files": {}}',
        b'{"agent_id": "x"}',
        b'{"agent_id": "x", "files": {"a": {}}}',
        b'{"agent_id": "x", "files": {"a": {"device": 1, "inode": 2, "offset": 1e999}}}',
        b'{"agent_id": "x", "files": {"a": {"device": 1, "inode": 2, "offset": -3}}}',
    ],
)
def test_a_file_that_is_no_registry_is_named_with_the_cure(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "send.json"
    path.write_bytes(content)

    with pytest.raises(ConfigProblem, match=r"send\.json.*--registry"):
        Registry(path)
