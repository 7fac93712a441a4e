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


KAFKA = {"brokers": "kafka.example:9092", "topics": ["parcels"]}
BUFFER = {"kafka": {"brokers": "kafka.example:9092"}}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"role": "receive"}, "there is no buffer to receive into"),
        ({"role": "index"}, "nothing is read"),
        ({"role": "receive", "buffer": BUFFER, "kafka": KAFKA}, "kafka names topics to read"),
        ({"buffer": {}}, "kafka"),
    ],
)
def test_a_role_without_its_parts_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ServerSettings.model_validate(given)


@pytest.mark.parametrize(
    "given",
    [
        {"buffer": BUFFER},
        {"kafka": KAFKA},
        {"role": "receive", "buffer": BUFFER},
        {"role": "index", "buffer": BUFFER},
        {"role": "index", "kafka": KAFKA},
        {"role": "index", "buffer": BUFFER, "kafka": KAFKA},
    ],
)
def test_roles_go_with_a_buffer_and_with_a_source(given: dict[str, Any]) -> None:
    assert ServerSettings.model_validate(given).role == given.get("role", "both")


@pytest.mark.parametrize(
    ("role", "said"),
    [
        ("both", ["events are buffered in", "reading the buffer", "reading parcels of Kafka"]),
        ("index", ["reading the buffer", "reading parcels of Kafka"]),
    ],
)
def test_what_goes_to_kafka_and_comes_from_it_is_told(role: str, said: list[str]) -> None:
    settings = ServerSettings.model_validate({"role": role, "buffer": BUFFER, "kafka": KAFKA})

    told = list(settings.kafka_sentences())

    assert len(told) == len(said)
    assert all(one.startswith(begin) for one, begin in zip(told, said, strict=True))
