"""How a run over several processes (``pytest -n 3``) deals the tests out. Pure.

A file goes to one process as a whole: what its tests share is made once. Two kinds differ:
files that share a peer are dealt together, for each version of it, and tests that wait more
than they work are dealt one by one, so that others work meanwhile. What takes longest goes
first, so that nobody waits for it at the end.
"""

from __future__ import annotations

import re
from typing import Any

TOGETHER = {
    "tests/peers/test_elasticsearch.py": "an Elasticsearch, and one with users",
    "tests/peers/test_logstash_config.py": "an Elasticsearch, and one with users",
    "tests/peers/test_whole_path.py": "an Elasticsearch, and one with users",
    "tests/peers/test_several_hosts.py": "an Elasticsearch, and one with users",
    "tests/peers/test_compose.py": "an Elasticsearch, and one with users",
    "tests/peers/test_plan.py": "an Elasticsearch, and one with users",
    "tests/peers/test_installed.py": "a bare Elasticsearch",
    "tests/peers/test_setup.py": "a bare Elasticsearch",
    "tests/peers/test_template.py": "a bare Elasticsearch",
    "tests/peers/test_doctor.py": "a bare Elasticsearch",
    "tests/peers/test_failures.py": "a bare Elasticsearch",
    "tests/peers/test_failures_killed.py": "a bare Elasticsearch",
    "tests/peers/test_reading.py": "a bare Elasticsearch",
    "tests/peers/test_kafka_source.py": "a Kafka",
    "tests/peers/test_kafka_whole_path.py": "a Kafka",
    "tests/peers/test_kafka_buffer.py": "a Kafka",
    "tests/peers/test_kafka_replay.py": "a Kafka",
    "tests/peers/test_logstash_kafka.py": "a Kafka",
}
"""Files by the fixtures of a whole run that they share."""
ONE_BY_ONE = (
    "tests/torture/test_torture.py",
    "tests/torture/test_buffered.py",
    "tests/torture/test_floods.py",
    "tests/torture/test_noisy_neighbour.py",
    "tests/workers/test_serve.py",
    "tests/workers/test_supervisor.py",
    "tests/cli/test_dead_letters.py",
    "tests/cli/test_serve.py",
    "tests/sources/kafka/test_source.py",
)
"""Files whose tests share nothing: each has servers of its own, and waits for them."""
FIRST = (
    *TOGETHER,
    "tests/torture/",
    "tests/browser/",
    "tests/peers/",
    "tests/deploy/",
    "tests/house/",
    *ONE_BY_ONE,
    "tests/benchmarks/",
    "tests/flow/",
)

WITH_PROCESSES = (
    "tests/benchmarks/",
    "tests/browser/",
    "tests/deploy/",
    "tests/flow/",
    "tests/peers/",
    "tests/torture/",
    "tests/cli/test_dead_letters.py",
    "tests/cli/test_entry.py",
    "tests/cli/test_serve.py",
    "tests/cli/test_tap.py",
    "tests/cli/top/test_command.py",
    "tests/fuzz/test_main.py",
    "tests/house/test_smoke.py",
    "tests/workers/test_serve.py",
    "tests/workers/test_supervisor.py",
)
"""What starts processes and waits for them: not part of ``make unit``."""


def deal_of(nodeid: str) -> str:
    """The name of what a test is dealt with: itself, its file, or several files."""
    file = nodeid.partition("::")[0]
    if file in TOGETHER:
        version = re.search(r"\[(\d+\.\d+\.\d+)[-\]]", nodeid)
        return f"{TOGETHER[file]}, {version[1]}" if version else TOGETHER[file]
    return nodeid if file in ONE_BY_ONE else file


def turn_of(nodeid: str) -> int:
    """Its place in the order: the lower the earlier; alike for what may keep its order."""
    for turn, beginning in enumerate(FIRST):
        if nodeid.startswith(beginning):
            return turn
    return len(FIRST)


def is_unit(path: str) -> bool:
    """Say whether a file is part of ``make unit``, by its path in the project."""
    return not path.startswith(WITH_PROCESSES)


def encodable(report: Any) -> Any:
    """A report as it can be sent to the process that prints it: halves of surrogate pairs, which
    logs of hostile names hold, are written out."""
    match report:
        case str():
            return report.encode("utf-8", "backslashreplace").decode()
        case dict():
            return {encodable(name): encodable(value) for name, value in report.items()}
        case list() | tuple():
            return type(report)(map(encodable, report))
        case _:
            return report
