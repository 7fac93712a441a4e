"""Does a document that Elasticsearch answers 409 for outlive a kill -9 of the node?

    python -m tests.torture.conflicts ROUNDS

In each round writers create the same documents at the same time, then the node is killed. A
document that somebody was told 201 of is in the translog. One that was told 409 of alone has a
first write that was still being executed. Whoever is told 409 asks how far the shard is, as
ptingest does: what is safe by that answer must be there after a restart, the rest may be lost.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
from collections import Counter
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from ptingest.sinks.elasticsearch.answer import Answer
from ptingest.sinks.elasticsearch.dialect import ELASTICSEARCH
from ptingest.sinks.elasticsearch.unsynced import Place, read_shards, shards_targets
from tests.peers.elasticsearch_peer import Node, install_template, start_elasticsearch
from tests.support.waiting import wait_until

STREAM = "logs-conflicts-pt"
CREATED, SAFE, ALONE = "201", "409 and safe", "409 alone"
WRITERS, TOGETHER, DOCUMENTS = 16, 2, 300
PAGE = 1000
SOURCE = b'{"@timestamp":"2025-01-02T03:04:05Z","message":"x"}'


class Told:
    """What was said of each document, by its id."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.answers: dict[str, set[str]] = {}

    def note(self, key: str, answer: str) -> None:
        with self._lock:
            self.answers.setdefault(key, set()).add(answer)

    def of(self, key: str) -> str:
        """The best that was said of it."""
        return next(one for one in (CREATED, SAFE, ALONE) if one in self.answers[key])


def write(port: int, name: str, told: Told, turn: threading.Barrier) -> None:
    """Create one document after the other, in step with others, until the node is gone."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    number = 0
    try:
        while True:
            key = f"{name}-{number}"
            body = b'{"create":{"_id":"%b"}}\n%b\n' % (key.encode(), SOURCE)
            headers = {"content-type": "application/x-ndjson"}
            turn.wait()
            connection.request("POST", f"/{STREAM}/_bulk", body, headers)
            (item,) = json.loads(connection.getresponse().read())["items"]
            if item["create"]["status"] == 201:
                told.note(key, CREATED)
            else:
                told.note(key, ALONE)
                error = item["create"]["error"]
                if is_safe(connection, Place(error["index"], error["shard"])):
                    told.note(key, SAFE)
            number += 1
    except (OSError, HTTPException, threading.BrokenBarrierError):
        turn.abort()
        connection.close()


def is_safe(connection: HTTPConnection, place: Place) -> bool:
    """Whether the checkpoint of the shard covers all that was begun there."""
    (target,) = shards_targets([place.backing_index])
    connection.request("GET", target)
    answer = connection.getresponse()
    headers = {ELASTICSEARCH.product_header: ELASTICSEARCH.product}
    state = read_shards(Answer(answer.status, headers, answer.read())).get(place)
    return state is not None and state.global_checkpoint >= state.max_seq_no


def kill_while_writing(node: Node, name: str) -> Told:
    """Let writers create documents, and kill the node among them."""
    told = Told()
    threads = []
    for group in range(WRITERS // TOGETHER):
        args = (node.port, f"{name}-{group}", told, threading.Barrier(TOGETHER))
        threads += [threading.Thread(target=write, args=args) for _ in range(TOGETHER)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(told.answers) >= DOCUMENTS, seconds=120)
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
            found = there(node, list(told.answers))
            for key in told.answers:
                seen[f"{told.of(key)}: {'there' if key in found else 'lost'}"] += 1
            print(number, dict(seen), flush=True)
    finally:
        node.kill()


if __name__ == "__main__":
    main(int(sys.argv[1]))
