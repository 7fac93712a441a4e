"""One /status of several."""

from __future__ import annotations

from typing import Any

import pytest

from ptingest.observe.traffic import SHAPES_SHOWN
from ptingest.workers.merge_status import CONNECTIONS_LISTED, merge_reasons, merge_status


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        pytest.param([{"in_flight": 1}, {"in_flight": 2}], {"in_flight": 3}, id="counts add up"),
        pytest.param([{"a": 0.1}, {"a": 0.2}], {"a": 0.3}, id="without a float's tail"),
        pytest.param(
            [{"backoff_seconds": 1}, {"backoff_seconds": 2}],
            {"backoff_seconds": 2},
            id="the longest wait counts",
        ),
        pytest.param(
            [{"heard_seconds_ago": 1}, {"heard_seconds_ago": 2}],
            {"heard_seconds_ago": 1},
            id="the last one heard counts",
        ),
        pytest.param([{"x": True}, {"x": False}], {"x": True}, id="one is enough"),
        pytest.param([{"x": None}, {"x": 3}], {"x": 3}, id="nothing is no number"),
        pytest.param([{"x": None}, {"x": None}], {"x": None}, id="nothing stays nothing"),
        pytest.param([{"trouble": "a"}, {"trouble": "a"}], {"trouble": "a"}, id="said once"),
        pytest.param([{"trouble": "a"}, {"trouble": "b"}], {"trouble": "a; b"}, id="both said"),
        pytest.param(
            [{"x": {"a": 1}}, {"x": {"a": 1, "b": 2}}], {"x": {"a": 2, "b": 2}}, id="inner ones"
        ),
        pytest.param([{"x": ["a"]}, {"x": ["a", "b"]}], {"x": ["a", "b"]}, id="lists together"),
        pytest.param([], {}, id="of none"),
    ],
)
def test_what_values_come_to(parts: list[dict[str, object]], whole: dict[str, object]) -> None:
    assert merge_status(parts) == whole


def test_all_look_into_the_same_folder() -> None:
    letters = {"bytes": 100, "limit_bytes": 1000, "waiting": 3}

    assert merge_status([{"dead_letters": letters}] * 3) == {"dead_letters": letters}


def test_all_look_at_the_same_store_and_each_has_a_lane_to_it() -> None:
    parts = [
        {"store_file": {"bytes": size, "limit_bytes": 100}, "lanes": {"store": {"in_flight": 1}}}
        for size in (None, 30, 40)
    ]

    assert merge_status(parts) == {
        "store_file": {"bytes": 40, "limit_bytes": 100},
        "lanes": {"store": {"in_flight": 3}},
    }


def test_the_oldest_connections_of_all_are_listed() -> None:
    parts = [
        {"beats": {"listed": [{"peer": f"{n}-{i}", "seconds": 10 * i + n} for i in range(50)]}}
        for n in (1, 2)
    ]

    beats = merge_status(parts)["beats"]

    assert isinstance(beats, dict)
    seconds = [row["seconds"] for row in beats["listed"]]
    assert seconds == sorted(seconds, reverse=True)
    assert (len(seconds), seconds[:2]) == (CONNECTIONS_LISTED, [492, 491])


def test_the_connections_that_were_closed_last_are_listed() -> None:
    parts = [
        {"beats": {"closed": [{"peer": f"{n}-{i}", "closed_seconds_ago": 10 * i + n}
                              for i in range(50)]}}
        for n in (1, 2)
    ]  # fmt: skip

    beats = merge_status(parts)["beats"]

    assert isinstance(beats, dict)
    ago = [row["closed_seconds_ago"] for row in beats["closed"]]
    assert (len(ago), ago[:3]) == (CONNECTIONS_LISTED, [1, 2, 11])


def test_shapes_seen_by_several_workers_are_one() -> None:
    def part(*shapes: tuple[str, int]) -> dict[str, object]:
        rows = [{"shape": text, "sampled": count, "missing": None} for text, count in shapes]
        return {"unmatched": {"sampled": sum(n for _, n in shapes), "shapes": rows}}

    merged = merge_status([part(("a", 1), ("b", 5)), part(("a", 7), ("c", 1), ("d", 2))])

    assert merged == part(("a", 8), ("b", 5), ("d", 2), ("c", 1)) | {
        "unmatched": {**part(("a", 8), ("b", 5), ("d", 2), ("c", 1))["unmatched"], "sampled": 16}  # type: ignore[dict-item]
    }


def test_of_many_shapes_the_commonest_are_shown() -> None:
    many = [{"shape": "a" * n, "sampled": n, "missing": None} for n in range(1, SHAPES_SHOWN + 4)]

    merged: Any = merge_status([{"unmatched": {"sampled": 1, "shapes": many}}])

    shown = [row["sampled"] for row in merged["unmatched"]["shapes"]]
    assert shown == list(range(SHAPES_SHOWN + 3, 3, -1))


def test_a_certificate_is_told_once_whatever_the_moment() -> None:
    def part(days: float) -> dict[str, object]:
        files = [{"setting": "beats.tls.certificate", "file": "a.pem", "expires_in_days": days}]
        return {"certificates": {"files": files}}

    certificates = merge_status([part(5.1), part(5.0)])["certificates"]

    assert isinstance(certificates, dict)
    assert len(certificates["files"]) == 1


def test_what_only_some_workers_lack_names_them() -> None:
    said = {1: ["sink elasticsearch: down"], 2: ["sink elasticsearch: down", "dead letters: full"]}

    assert merge_reasons(said) == ["sink elasticsearch: down", "worker 2: dead letters: full"]
    assert merge_reasons({}) == []


def test_sources_of_kafka_add_up_and_list_their_partitions_in_order() -> None:
    def part(partitions: list[int], **changes: Any) -> dict[str, object]:
        rows = [{"topic": "logs", "partition": one, "lag": 5} for one in partitions]
        source = {
            "topics": ["logs"], "group": "pt", "partitions": len(partitions), "lag": 5,
            "partition_bytes_limit": 8, "lag_growing_seconds": 0, "oldest_seconds": 0.5,
            "events": {"read": 10, "settled": 9, "given_back": 0, "outstanding": 1},
            "commits": {"done": 2, "refused": 0}, "listed": rows, **changes,
        }  # fmt: skip
        return {"kafka": {"kafka": source}}

    merged: Any = merge_status([part([3, 1], lag_growing_seconds=60), part([0, 2])])

    source = merged["kafka"]["kafka"]
    assert [row["partition"] for row in source.pop("listed")] == [0, 1, 2, 3]
    assert source == {
        "topics": ["logs"], "group": "pt", "partitions": 4, "lag": 10,
        "partition_bytes_limit": 8, "lag_growing_seconds": 60, "oldest_seconds": 0.5,
        "events": {"read": 20, "settled": 18, "given_back": 0, "outstanding": 2},
        "commits": {"done": 4, "refused": 0},
    }  # fmt: skip


def test_all_append_to_the_same_topic() -> None:
    parts: list[dict[str, object]] = [
        {"buffer": {"topic_partitions": 8, "record_bytes_limit": limit, "outstanding_bytes": 1}}
        for limit in (900, 500)
    ]

    assert merge_status(parts) == {
        "buffer": {"topic_partitions": 8, "record_bytes_limit": 500, "outstanding_bytes": 2}
    }
