"""The data streams that a profile can write to."""

from __future__ import annotations

from ptingest.model.streams import StreamNames
from tests.support.streams import streams_of


def test_patterns_are_one_target_and_each_has_an_example() -> None:
    ours = streams_of("till", "scales", namespaces=("shop", "depot"))

    assert ours.joined == "logs-*-shop,logs-*-depot"
    assert ours.examples == ("logs-till-shop", "logs-till-depot")
    assert StreamNames(("logs-*-a", "metrics-*-b")).examples == ("logs-any-a", "metrics-any-b")


def test_a_service_has_a_stream_in_each_namespace_that_knows_it() -> None:
    ours = streams_of("till", "scales", namespaces=("shop", "depot"))

    assert ours.services == ("till", "scales")
    assert ours.of_service("scales") == ("logs-scales-shop", "logs-scales-depot")
    assert ours.of_service("other") == ()
    assert ours.of_pattern("logs-*-depot") == ("logs-till-depot", "logs-scales-depot")
