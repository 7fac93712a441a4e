from __future__ import annotations

from typing import Any

import orjson
import pytest

from ptingest.sinks.elasticsearch.answer import Answer
from ptingest.tools.setup.elasticsearch import Done
from ptingest.tools.setup.streams import bring_up_to_date
from tests.support.streams import streams_of

PRODUCT = {"x-elastic-product": "Elasticsearch"}
TEMPLATE = {
    "lifecycle": {"enabled": True, "data_retention": "7d"},
    "data_stream_options": {"failure_store": {"enabled": True}},
}
AS_WANTED = {
    "lifecycle": {"enabled": True, "data_retention": "7d", "effective_retention": "7d"},
    "failure_store": {"enabled": True, "indices": [], "lifecycle": {"enabled": True}},
}


def answer(status: int, body: object) -> Answer:
    return Answer(status, PRODUCT, orjson.dumps(body))


class Node:
    """One with data streams as given, which takes whatever is put."""

    def __init__(
        self, *streams: dict[str, Any], template: Any = TEMPLATE, put: Answer | None = None
    ) -> None:
        self.streams, self.template = streams, template
        self.put = put or answer(200, {"acknowledged": True})
        self.sent: list[tuple[str, Any]] = []

    async def request(self, method: str, target: str, body: bytes | None = None) -> Answer:
        if method == "PUT":
            self.sent.append((target, orjson.loads(body or b"null")))
            return self.put
        if target == "/_data_stream/logs-*-pt":
            return answer(200, {"data_streams": self.streams})
        assert target.startswith("/_index_template/_simulate_index/logs-")
        return answer(200, {"template": self.template})


def stream(name: str = "logs-nginx-pt", **more: Any) -> dict[str, Any]:
    return {"name": name, "template": "pt-logs", "failure_store": {"enabled": False}, **more}


async def done(node: Node, *, version: str = "8.19.0", failure_store: bool = True) -> list[Done]:
    made = bring_up_to_date(node, streams_of("nginx"), version=version, failure_store=failure_store)
    return [one async for one in made]


async def test_a_stream_made_before_the_template_gets_what_it_says_at_once() -> None:
    node = Node(stream())

    said = await done(node)

    assert node.sent == [
        ("/_data_stream/logs-nginx-pt/_lifecycle", {"enabled": True, "data_retention": "7d"}),
        ("/_data_stream/logs-nginx-pt/_options", {"failure_store": {"enabled": True}}),
    ]
    assert [one.mark for one in said] == ["updated", "updated"]
    assert said[0].detail == "7d (before: no lifecycle)"


async def test_a_stream_made_under_another_retention_gets_todays() -> None:
    node = Node(stream(**AS_WANTED | {"lifecycle": {"enabled": True, "data_retention": "30d"}}))

    said = await done(node)

    assert [target for target, _ in node.sent] == ["/_data_stream/logs-nginx-pt/_lifecycle"]
    assert said[0].detail == "7d (before: 30d)"


async def test_a_retention_for_ever_takes_the_old_one_away() -> None:
    template = TEMPLATE | {"lifecycle": {"enabled": True}}
    node = Node(stream(**AS_WANTED), template=template)

    said = await done(node)

    assert node.sent == [("/_data_stream/logs-nginx-pt/_lifecycle", {"enabled": True})]
    assert said[0].detail == "for ever (before: 7d)"


async def test_a_stream_that_is_as_it_should_be_is_left_alone() -> None:
    node = Node(stream(**AS_WANTED))

    assert {one.mark for one in await done(node)} == {"unchanged"}
    assert node.sent == []


async def test_a_stream_of_another_template_is_not_ours() -> None:
    node = Node(stream(template="somebody-elses"))

    assert await done(node) == []
    assert node.sent == []


async def test_a_server_before_the_failure_store_gets_the_retention_alone() -> None:
    node = Node(stream())

    await done(node, version="8.13.4")

    assert [target.rpartition("/")[2] for target, _ in node.sent] == ["_lifecycle"]


@pytest.mark.parametrize(("is_wanted", "sent"), [(False, 1), (True, 0)])
async def test_without_a_failure_store_in_the_template_only_the_option_switches_it_off(
    is_wanted: bool, sent: int
) -> None:
    template = {"lifecycle": TEMPLATE["lifecycle"]}
    node = Node(stream(**AS_WANTED), template=template)

    await done(node, failure_store=is_wanted)

    assert len(node.sent) == sent
    assert all(body == {"failure_store": {"enabled": False}} for _, body in node.sent)


@pytest.mark.parametrize(
    ("put", "mark", "told"),
    [
        (
            answer(403, {"error": {"reason": "unauthorized"}}),
            "refused",
            "403: unauthorized; it stays as it was",
        ),
        (
            answer(400, {"error": "no handler found for uri [/_data_stream/x/_lifecycle]"}),
            "skipped",
            "this server has no API for it",
        ),
        (Answer(None, failure="refused"), "refused", "refused"),
    ],
)
async def test_what_cannot_be_set_is_said(put: Answer, mark: str, told: str) -> None:
    said = await done(Node(stream(), put=put))

    assert {one.mark for one in said} == {mark}
    assert told in said[0].detail
