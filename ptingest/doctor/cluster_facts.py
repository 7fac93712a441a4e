"""What Elasticsearch is asked by the doctor, and its answers.

Every question is sent with the writer's login first, and again with the other one, if given,
where that was refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import orjson

from ptingest.model.streams import StreamNames
from ptingest.sinks.elasticsearch.answer import Answer, Requester
from ptingest.sinks.elasticsearch.dialect import ELASTICSEARCH, Dialect
from ptingest.sinks.elasticsearch.inspection import (
    ROOT,
    SIMULATED,
    Reached,
    json_in,
    reached,
    rights_body,
)

AHEAD_MINUTES = 5

NEWEST = {
    "size": 0,
    "aggs": {
        "newest": {"max": {"field": "@timestamp"}},
        "ahead": {"filter": {"range": {"@timestamp": {"gt": f"now+{AHEAD_MINUTES}m"}}}},
        "ignored": {"filter": {"exists": {"field": "_ignored"}}},
    },
}


@dataclass(frozen=True, slots=True)
class ClusterRequest:
    """One request, and the privilege it needs beyond the writer's."""

    method: str
    target: str
    tells: str
    needs: str = ""
    body: Mapping[str, Any] | None = None


def questions(streams: StreamNames, dialect: Dialect = ELASTICSEARCH) -> dict[str, ClusterRequest]:
    """Return all questions; findings look their answers up by these keys.

    Without patterns, as with a ``logstash.conf``, none is about data streams.
    """
    disk = "/_cluster/settings?include_defaults&filter_path=*.cluster.routing.allocation.disk"
    monitor = "cluster privilege monitor"
    return {
        "root": ClusterRequest("GET", ROOT, "the version"),
        "who": ClusterRequest("GET", dialect.security.who, "roles"),
        **(_about_streams(streams, dialect) if streams.patterns else {}),
        "health": ClusterRequest("GET", "/_cluster/health", "the cluster's health", monitor),
        "disks": ClusterRequest(
            "GET", "/_cat/allocation?format=json&bytes=b", "disk space", monitor
        ),
        "watermarks": ClusterRequest("GET", disk, "disk watermarks", monitor),
    }


def _about_streams(streams: StreamNames, dialect: Dialect) -> dict[str, ClusterRequest]:
    all_ours = streams.joined
    fields = "log_timestamp,log_ms,message,log_message"
    monitor, read = "cluster privilege monitor", f"read on {all_ours}"
    found = {}
    if dialect.rights is not None:
        found["rights"] = ClusterRequest(
            "POST", dialect.rights, "rights", body=rights_body(streams)
        )
    return {
        **found,
        "streams": ClusterRequest("GET", f"/_resolve/index/{all_ours}", "data streams", read),
        "kept": ClusterRequest(
            "GET", f"/_data_stream/{all_ours}", "retention", f"view_index_metadata on {all_ours}"
        ),
        "fields": ClusterRequest(
            "GET", f"/{all_ours}/_field_caps?fields={fields}", "mapped types", read
        ),
        "newest": ClusterRequest("POST", f"/{all_ours}/_search", "the newest event", read, NEWEST),
        "templates": ClusterRequest("GET", "/_index_template", "which template wins", monitor),
        **{
            f"simulated {name}": ClusterRequest(
                "POST",
                SIMULATED + quote(name, safe=""),
                "mappings before the first event",
                "manage_index_templates",
            )
            for name in streams.examples
        },
    }


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """All answers, and the address and user of the questions."""

    where: str
    username: str | None
    questions: Mapping[str, ClusterRequest]
    answers: Mapping[str, Answer]
    streams: StreamNames
    active: frozenset[str] = frozenset()
    """Services of which a server has got events."""
    expires_in_days: Mapping[str, float] = field(default_factory=dict)
    """Host -> days until its certificate expires."""

    @property
    def dialect(self) -> Dialect:
        """Whom was asked."""
        return self.answers["root"].dialect

    def body(self, name: str) -> Any:
        """The decoded answer, an empty object where there is none."""
        answer = self.answers.get(name)
        found = None if answer is None or answer.status != 200 else json_in(answer)
        return {} if found is None else found

    def is_answered(self, name: str) -> bool:
        answer = self.answers.get(name)
        return answer is not None and answer.status == 200


async def ask_cluster(
    client: Requester,
    better: Requester | None,
    *,
    where: str,
    username: str | None,
    streams: StreamNames,
    dialect: Dialect = ELASTICSEARCH,
) -> ClusterFacts:
    """Ask everything; stop if there is no answer or the login is refused."""
    asked = questions(streams, dialect)
    answers: dict[str, Answer] = {}
    for name, question in asked.items():
        body = None if question.body is None else orjson.dumps(question.body)
        answer = await client.request(question.method, question.target, body)
        if answer.status in (401, 403) and better is not None and name not in ("rights", "who"):
            answer = await better.request(question.method, question.target, body)
        answers[name] = answer
        if name == "root" and reached(answer) is not Reached.YES:
            break
    return ClusterFacts(where, username, asked, answers, streams)
