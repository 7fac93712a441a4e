"""librdkafka's own mock cluster: brokers of the Kafka protocol in this process, without Java.

    with MockKafka(brokers=3) as kafka:
        kafka.create_topic("logs", partitions=2)
        Producer({"bootstrap.servers": kafka.bootstrap})
        kafka.fail_requests(OFFSET_COMMIT, REQUEST_TIMED_OUT, 3)   # the next three
        kafka.set_down(1)

It is there within 10 ms. It keeps groups, offsets and records in memory; a topic that is asked
for and does not exist is made with four partitions. Of admin requests it knows
the description of topics. Not there: logins, TLS, sizes, retention. What a real broker does is
shown in `tests/peers`.

confluent-kafka does not offer the controls of the mock (rdkafka_mock.h); they are called in the
library that its wheel brings.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_char_p, c_int, c_int16, c_int32, c_int64, c_size_t, c_void_p
from functools import cache
from pathlib import Path
from typing import Any, Self

PRODUCE, FETCH, LIST_OFFSETS, METADATA, OFFSET_COMMIT, OFFSET_FETCH = 0, 1, 2, 3, 8, 9
FIND_COORDINATOR, JOIN_GROUP, HEARTBEAT = 10, 11, 12
"""Numbers of requests in the Kafka protocol (ApiKeys)."""

UNKNOWN_TOPIC_OR_PARTITION, REQUEST_TIMED_OUT, NOT_COORDINATOR, REBALANCE = 3, 7, 16, 27
TOPIC_AUTHORIZATION_FAILED = 29
NOT_ENOUGH_REPLICAS, ILLEGAL_GENERATION, UNKNOWN_MEMBER = 19, 22, 25
"""Numbers of errors in the Kafka protocol, for ``fail_requests``."""

_PRODUCER = 0
_Signature = tuple[Any, list[Any]]
_SIGNATURES: dict[str, _Signature] = {
    "rd_kafka_conf_new": (c_void_p, []),
    "rd_kafka_new": (c_void_p, [c_int, c_void_p, c_char_p, c_size_t]),
    "rd_kafka_destroy": (None, [c_void_p]),
    "rd_kafka_mock_cluster_new": (c_void_p, [c_void_p, c_int]),
    "rd_kafka_mock_cluster_destroy": (None, [c_void_p]),
    "rd_kafka_mock_cluster_bootstraps": (c_char_p, [c_void_p]),
    "rd_kafka_mock_topic_create": (c_int, [c_void_p, c_char_p, c_int, c_int]),
    "rd_kafka_mock_topic_delete": (c_int, [c_void_p, c_char_p]),
    "rd_kafka_mock_topic_set_error": (None, [c_void_p, c_char_p, c_int]),
    "rd_kafka_mock_partition_delete_records": (c_int, [c_void_p, c_char_p, c_int32, c_int64]),
    "rd_kafka_mock_partition_set_leader": (c_int, [c_void_p, c_char_p, c_int32, c_int32]),
    "rd_kafka_mock_broker_set_down": (c_int, [c_void_p, c_int32]),
    "rd_kafka_mock_broker_set_up": (c_int, [c_void_p, c_int32]),
    "rd_kafka_mock_broker_add": (c_int, [c_void_p, c_int32]),
    "rd_kafka_mock_broker_remove_from_metadata": (c_int, [c_void_p, c_int32]),
    "rd_kafka_mock_broker_set_rtt": (c_int, [c_void_p, c_int32, c_int]),
    "rd_kafka_mock_set_controller_id": (None, [c_void_p, c_int32]),
    "rd_kafka_mock_coordinator_set": (c_int, [c_void_p, c_char_p, c_char_p, c_int32]),
    "rd_kafka_mock_group_initial_rebalance_delay_ms": (None, [c_void_p, c_int32]),
    "rd_kafka_mock_push_request_errors_array": (
        None,
        [c_void_p, c_int16, c_size_t, POINTER(c_int)],
    ),
    "rd_kafka_mock_clear_request_errors": (None, [c_void_p, c_int16]),
}


@cache
def _library() -> ctypes.CDLL:
    import confluent_kafka  # its wheel brings the library, and has loaded it with this

    packages = Path(confluent_kafka.__file__).parent.parent
    (path,) = (packages / "confluent_kafka.libs").glob("librdkafka*.so*")
    library = ctypes.CDLL(str(path))
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class MockKafka:
    """A cluster that lives while it is entered."""

    def __init__(self, *, brokers: int = 1) -> None:
        self._brokers = brokers
        self.bootstrap = ""
        """``bootstrap.servers`` of clients."""

    def __enter__(self) -> Self:
        library = self._lib = _library()
        reason = ctypes.create_string_buffer(512)
        self._client = library.rd_kafka_new(_PRODUCER, library.rd_kafka_conf_new(), reason, 512)
        assert self._client, reason.value
        self._cluster = library.rd_kafka_mock_cluster_new(self._client, self._brokers)
        self.bootstrap = library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()
        library.rd_kafka_mock_set_controller_id(self._cluster, 1)
        library.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, 0)
        return self

    def __exit__(self, *_: object) -> None:
        self._lib.rd_kafka_mock_cluster_destroy(self._cluster)
        self._lib.rd_kafka_destroy(self._client)

    def _do(self, name: str, *arguments: object) -> None:
        error = getattr(self._lib, f"rd_kafka_mock_{name}")(self._cluster, *arguments)
        assert not error, f"{name}{arguments}: error {error}"

    def create_topic(self, name: str, *, partitions: int = 1) -> None:
        """Make a topic, on as many brokers as there are, at most three."""
        self._do("topic_create", name.encode(), partitions, min(3, self._brokers))

    def delete_topic(self, name: str) -> None:
        """Take a topic away; whoever asks for it then makes it anew."""
        self._do("topic_delete", name.encode())

    def set_topic_error(self, name: str, error: int) -> None:
        """Answer all questions for a topic with an error; 0 ends it."""
        self._do("topic_set_error", name.encode(), error)

    def delete_records(self, topic: str, partition: int, before: int) -> None:
        """Take the records before an offset away, as retention does."""
        self._do("partition_delete_records", topic.encode(), partition, before)

    def set_leader(self, topic: str, partition: int, broker: int) -> None:
        """Move a partition; -1 leaves it without a leader."""
        self._do("partition_set_leader", topic.encode(), partition, broker)

    def set_coordinator(self, group: str, broker: int) -> None:
        """Move the coordinator of a group."""
        self._do("coordinator_set", b"group", group.encode(), broker)

    def set_down(self, broker: int) -> None:
        """Close all connections of a broker, and refuse new ones."""
        self._do("broker_set_down", broker)

    def set_up(self, broker: int) -> None:
        """Let a broker that was down take connections again."""
        self._do("broker_set_up", broker)

    def fence(self, broker: int) -> None:
        """Leave a broker out of the list of brokers, though it answers; for good. The mock ends the
        process where a topic is left without a broker: delete topics first."""
        self._do("broker_remove_from_metadata", broker)

    def add_broker(self, broker: int) -> None:
        """Start one more; partitions are dealt out anew."""
        self._do("broker_add", broker)

    def set_delay(self, broker: int, milliseconds: int) -> None:
        """Answer each request of a broker this much later."""
        self._do("broker_set_rtt", broker, milliseconds)

    def fail_requests(self, request: int, error: int, times: int = 1) -> None:
        """Answer the next requests of a kind with an error."""
        self._do("push_request_errors_array", request, times, (c_int * times)(*[error] * times))

    def stop_failing(self, request: int) -> None:
        """Forget what ``fail_requests`` said of a kind of requests."""
        self._do("clear_request_errors", request)
