"""What Elasticsearch is asked, and with which login."""

from __future__ import annotations

import orjson

from ptingest.doctor.cluster import findings_of_cluster
from ptingest.doctor.cluster_facts import ask_cluster, questions
from ptingest.model.streams import StreamNames
from ptingest.sinks.elasticsearch.answer import Answer
from tests.support.streams import streams_of

PRODUCT = {"x-elastic-product": "Elasticsearch"}
STREAMS = streams_of("django", "nginx")


def answer(body: object, status: int = 200) -> Answer:
    return Answer(status, PRODUCT, orjson.dumps(body))


class Node:
    """Refuses what a login may not ask."""

    def __init__(self, *allowed: str) -> None:
        self.allowed = allowed
        self.asked: list[str] = []

    async def request(self, method: str, target: str, body: bytes | None = None) -> Answer:
        self.asked.append(target)
        is_allowed = any(target.startswith(path) for path in self.allowed)
        return answer({}, 200 if is_allowed else 403)


async def test_what_the_writer_may_not_ask_is_asked_with_the_better_login() -> None:
    writer, better = Node("/_security", "/logs", "/_resolve"), Node("/")

    facts = await ask_cluster(writer, better, where="e", username="w", streams=STREAMS)

    assert all(found.status == 200 for found in facts.answers.values())
    assert "/_cluster/health" in better.asked
    assert not any(target.startswith("/_security") for target in better.asked)


async def test_where_nobody_answers_nothing_more_is_asked() -> None:
    class Silent(Node):
        async def request(self, method: str, target: str, body: bytes | None = None) -> Answer:
            self.asked.append(target)
            return Answer(None, failure="refused")

    silent = Silent()

    await ask_cluster(silent, None, where="e", username="w", streams=STREAMS)

    assert silent.asked == ["/"]


def test_every_namespace_is_asked_about() -> None:
    asked = questions(streams_of("till", namespaces=("shop", "depot")))

    assert asked["newest"].target == "/logs-*-shop,logs-*-depot/_search"
    assert "simulated logs-till-shop" in asked
    assert asked["simulated logs-till-depot"].target.endswith("/logs-till-depot")


async def test_without_known_data_streams_only_the_cluster_is_asked_about() -> None:
    node = Node("/")

    facts = await ask_cluster(node, None, where="e", username="w", streams=StreamNames(()))
    subjects = {one.subject for one in findings_of_cluster(facts)}

    assert not any("logs-" in target or "has_privileges" in target for target in node.asked)
    assert "/_cluster/health" in node.asked
    assert {"rights", "template", "data streams", "mappings"}.isdisjoint(subjects)
