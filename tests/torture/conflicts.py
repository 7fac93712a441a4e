"""Does a document that Elasticsearch answers 409 for outlive a kill -9 of the node?

    python -m tests.torture.conflicts ROUNDS

In each round writers create the same documents at the same time, then the node is killed. A
document that somebody was told 201 of is in the translog. One that was told 409 of alone has a
first write that was still being executed: whether it is there after a restart is printed.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
from collections import Counter
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from tests.peers.elasticsearch_peer import Node, install_template, start_elasticsearch
from tests.support.waiting import wait_until

STREAM = "logs-conflicts-pt"
WRITERS, TOGETHER, DOCUMENTS = 16, 2, 300
PAGE = 1000
SOURCE = b'{"@timestamp":"2025-01-02T03:04:05Z","message":"x"}'


class Told:
    """What was said of each document, by its id."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.statuses: dict[str, set[int]] = {}

    def note(self, key: str, status: int) -> None:
        with self._lock:
            self.statuses.setdefault(key, set()).add(status)


def write(port: int, name: str, told: Told) -> None:
    """Create one document after the other until the node is gone."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    number = 0
    try:
        while True:
            key = f"{name}-{number}"
            body = b'{"create":{"_id":"%b"}}\n%b\n' % (key.encode(), SOURCE)
            headers = {"content-type": "application/x-ndjson"}
            connection.request("POST", f"/{STREAM}/_bulk", body, headers)
            (item,) = json.loads(connection.getresponse().read())["items"]
            told.note(key, item["create"]["status"])
            number += 1
    except (OSError, HTTPException):
        connection.close()


def kill_while_writing(node: Node, name: str) -> Told:
    """Let writers create documents, and kill the node among them."""
    told = Told()
    threads = [
        threading.Thread(target=write, args=(node.port, f"{name}-{k // TOGETHER}", told))
        for k in range(WRITERS)
    ]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(told.statuses) >= DOCUMENTS, seconds=120)
    node.kill()
    for thread in threads:
        thread.join()
    return told


def there(node: Node, keys: list[str]) -> set[str]:
    """Which of these documents the stream has."""
    node.must("POST", f"/{STREAM}/_refresh")
    found: set[str] = set()
    for at in range(0, len(keys), PAGE):
        query = {"query": {"ids": {"values": keys[at : at + PAGE]}}, "_source": False}
        hits = node.must("POST", f"/{STREAM}/_search?size={PAGE}", query)["hits"]["hits"]
        found |= {hit["_id"] for hit in hits}
    return found


def main(rounds: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="ptingest-conflicts-"))
    node = start_elasticsearch(folder)
    install_template(node)
    seen: Counter[str] = Counter()
    try:
        for number in range(rounds):
            told = kill_while_writing(node, f"round{number}")
            node = start_elasticsearch(folder, port=node.port)
            node.wait_until_green()
            found = there(node, list(told.statuses))
            for key, statuses in told.statuses.items():
                what = "201" if 201 in statuses else "409 alone"
                seen[f"{what}: {'there' if key in found else 'lost'}"] += 1
            print(number, dict(seen), flush=True)
    finally:
        node.kill()


if __name__ == "__main__":
    main(int(sys.argv[1]))
