from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from ptingest.settings.server import ServerSettings


@pytest.mark.parametrize("workers", [0, 2, 64])
def test_standard_output_takes_one_worker_only(workers: int) -> None:
    keys: dict[str, Any] = {"workers": workers, "sinks": {"ndjson": {"path": "-"}}}

    with pytest.raises(ValidationError, match=rf"workers is {workers} and sinks.ndjson.path is -"):
        ServerSettings.model_validate(keys)
    ServerSettings.model_validate({**keys, "workers": 1})
    ServerSettings.model_validate({**keys, "sinks": {"ndjson": {}}})


@pytest.mark.parametrize("workers", [-1, 65])
def test_there_are_0_to_64_workers(workers: int) -> None:
    with pytest.raises(ValidationError, match="workers"):
        ServerSettings(workers=workers)
