"""Answers as OpenSearch 2.19.6 and 3.9.0 give them; tests/peers has the servers themselves."""

from __future__ import annotations

import orjson
import pytest

from ptingest.model.document import DataStream, Index, Target
from ptingest.sinks.elasticsearch.answer import Answer
from ptingest.sinks.elasticsearch.created_streams import MOST_KNOWN, CreatedStreams
from ptingest.sinks.elasticsearch.dialect import OPENSEARCH

DJANGO, NGINX = DataStream("logs", "django", "pt"), DataStream("logs", "nginx", "pt")
NO_TEMPLATE = "no matching index template found for data stream [logs-django-pt]"
NO_STREAMS = "matching index template [x] for data stream [logs-django-pt] has no data stream"
SHARDS = "Validation Failed: 1: this action would add [1] total shards, but"
PLAIN = "[data stream [logs-django-pt] conflicts with index]"


def answer(status: int, kind: str = "", reason: str = "") -> Answer:
    body = {"error": {"type": kind, "reason": reason}, "status": status} if kind else {}
    headers = {"content-type": "application/json; charset=UTF-8"}
    return Answer(status, headers, orjson.dumps(body), dialect=OPENSEARCH)


class Cluster:
    """Answers the same to everything, and remembers what was asked."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[str] = []

    async def request(self, method: str, target: str, body: bytes | None = None) -> Answer:
        self.asked.append(f"{method} {target}")
        return self.answer


@pytest.mark.parametrize(
    "found",
    [
        answer(200),
        answer(400, "resource_already_exists_exception", "data_stream [x] already exists"),
        answer(400, "illegal_argument_exception", "data_stream [X] must be lowercase"),
    ],
    ids=["created", "there already", "a name that each item of the bulk refuses"],
)
async def test_a_stream_is_created_once_and_then_known(found: Answer) -> None:
    cluster = Cluster(found)
    streams = CreatedStreams(cluster)

    lacking = [await streams.lacking([DJANGO, NGINX]) for _ in range(2)]

    assert lacking == [{}, {}]
    assert cluster.asked == ["PUT /_data_stream/logs-django-pt", "PUT /_data_stream/logs-nginx-pt"]


@pytest.mark.parametrize(
    ("found", "label"),
    [
        (answer(400, "illegal_argument_exception", NO_TEMPLATE), "template_missing"),
        (answer(400, "illegal_argument_exception", NO_STREAMS), "template_missing"),
        (answer(400, "validation_exception", SHARDS), "shard_limit"),
        (answer(500, "illegal_state_exception", PLAIN), "not_found"),
        (answer(403, "security_exception", "no permissions for [...]"), "forbidden"),
    ],
    ids=["no template", "a template without data streams", "shards", "a plain index", "a role"],
)
async def test_what_a_stream_lacks_is_said_and_asked_for_again(found: Answer, label: str) -> None:
    cluster = Cluster(found)
    streams = CreatedStreams(cluster)

    lacking = [await streams.lacking([DJANGO]) for _ in range(2)]

    assert len(cluster.asked) == 2
    for one in lacking:
        assert isinstance(one, dict)
        assert one["logs-django-pt"][0] == label
        assert "OpenSearch answers" in one["logs-django-pt"][1]


@pytest.mark.parametrize(
    "found",
    [
        Answer(None, failure="no answer", dialect=OPENSEARCH),
        Answer(401, {}, b"Unauthorized", dialect=OPENSEARCH),
        answer(503, "cluster_manager_not_discovered_exception", "none"),
        Answer(400, {}, b"<html>", dialect=OPENSEARCH),
    ],
    ids=["nobody", "a login", "no manager", "a proxy"],
)
async def test_what_is_not_about_one_stream_is_handed_back(found: Answer) -> None:
    assert await CreatedStreams(Cluster(found)).lacking([DJANGO]) is found


async def test_only_data_streams_are_created() -> None:
    cluster = Cluster(answer(200))
    target: Target = Index("audit")

    assert await CreatedStreams(cluster).lacking([target]) == {}
    assert cluster.asked == []


async def test_what_is_remembered_is_bounded() -> None:
    cluster = Cluster(answer(200))
    streams = CreatedStreams(cluster)
    many = [DataStream("logs", f"s{n}", "pt") for n in range(MOST_KNOWN + 1)]

    await streams.lacking(many)
    await streams.lacking(many[:1])

    assert cluster.asked[-1] == cluster.asked[0]
