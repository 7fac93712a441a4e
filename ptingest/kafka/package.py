"""The client library, an extra that is imported only where Kafka is configured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from ptingest.errors import KafkaUnusable


def confluent_kafka() -> Any:
    """Return the module. Raises KafkaUnusable where it cannot be imported."""
    try:
        return import_module("confluent_kafka")
    except ImportError as error:
        raise KafkaUnusable(
            f"Kafka needs the package confluent-kafka ({error}); "
            "install it: pip install 'ptingest[kafka]'"
        ) from None


def confluent_kafka_admin() -> Any:
    """Return the module for questions about topics and groups. Raises KafkaUnusable."""
    confluent_kafka()
    return import_module("confluent_kafka.admin")


def new_admin(properties: Mapping[str, object]) -> Any:
    """Make a client for such questions, which logs nothing. Raises KafkaUnusable."""
    with usable():
        return confluent_kafka_admin().AdminClient({**properties, "log_level": 0})


def made_offline(kind: str, properties: Mapping[str, object]) -> Any:
    """Make a ``Consumer`` or ``Producer`` that knows no broker, to see whether it can be made.

    Raises KafkaUnusable where the library is missing, or refuses these properties.
    """
    offline = {name: value for name, value in properties.items() if name != "bootstrap.servers"}
    with usable():
        return getattr(confluent_kafka(), kind)({**offline, "log_level": 0})


@contextmanager
def usable() -> Iterator[None]:
    """Raise KafkaUnusable where the library refuses the properties of a client."""
    library = confluent_kafka()
    try:
        yield
    except library.KafkaException as error:
        raise KafkaUnusable(
            f"the Kafka client cannot be made: {error.args[0].str()}; "
            "see tls, sasl and brokers of this section"
        ) from None
