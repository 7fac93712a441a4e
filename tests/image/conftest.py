"""The machine, the engine and the images, once for a run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.image import images, machine
from tests.image.engine import Engine


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """An engine that has the images, with a network of its own."""
    if missing := machine.lacks():
        pytest.exit(f"make image-test needs {'; '.join(missing)}", returncode=1)
    folder = machine.PLACE / "engine"
    with Engine(folder, is_open=True) as builder:
        images.build_all(builder)
    with Engine(folder) as running:
        yield running
