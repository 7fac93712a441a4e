from __future__ import annotations

import re
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptingest.pipeline.route import (
    MAX_NAME_BYTES,
    illegal_name,
    is_unresolved,
    mended_dataset,
    shown,
    stream_names,
)
from ptingest.settings.profile import DataStreamSettings
from tests.support.profile import shipped_profile

LEGAL = [
    "logs-django-pt", "logs--pt", "logs-0-pt", "logs-celery-beat-pt", "logs-ż-pt", "logs-{}-pt",
    "logs-1.0-pt", "logs-" + "s" * 247 + "-pt",
]  # fmt: skip
ILLEGAL = [
    "logs-Django-pt", "logs-my django-pt", "logs-a,b-pt", 'logs-{"a":1}-pt', "logs-a/b-pt",
    "logs-a\\b-pt", "logs-a*-pt", "logs-a?-pt", "logs-<a>-pt", "logs-a|b-pt", "logs-a#-pt",
    "logs-a:b-pt", "logs-" + "s" * 248 + "-pt", "logs-" + "ż" * 124 + "-pt", "-a", "_a", "+a",
    ".ds-a", ".", "..", "logs-Ż-pt",
]  # fmt: skip


@pytest.mark.parametrize("name", LEGAL)
def test_names_elasticsearch_takes_are_legal(name: str) -> None:
    assert illegal_name(name) is None


@pytest.mark.parametrize("name", ILLEGAL)
def test_names_elasticsearch_refuses_are_illegal(name: str) -> None:
    assert illegal_name(name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("logs-%{[group]}-pt", True),
        ("logs-%{}-pt", True),
        ("logs-%{-pt", False),
        ("logs-{a}", False),
    ],
)
def test_placeholders_left_in_a_name_are_seen(name: str, expected: bool) -> None:
    assert is_unresolved(name) is expected


@pytest.mark.parametrize(
    ("how", "dataset", "expected"),
    [
        ("off", "My Service", "My Service"),
        ("lower", "My Service", "my service"),
        ("ecs", "My-Service/1", "my_service_1"),
        ("ecs", "", "_"),
        ("ecs", "ż" * 60, "ż" * 50),
    ],
)
def test_datasets_are_mended_as_far_as_wanted(
    how: Literal["off", "lower", "ecs"], dataset: str, expected: str
) -> None:
    assert mended_dataset(dataset, how) == expected


@pytest.mark.parametrize("name", ILLEGAL)
def test_ecs_mending_makes_any_dataset_legal(name: str) -> None:
    assert illegal_name(f"logs-{mended_dataset(name, 'ecs')}-pt") is None


@given(name=st.text("%{}\nx", max_size=12))
def test_a_placeholder_is_what_the_expression_of_logstash_finds(name: str) -> None:
    assert is_unresolved(name) is (re.search(r"%\{.*?\}", name) is not None)


def test_a_name_is_shown_cut_where_it_is_longer_than_any_legal_one() -> None:
    assert shown("logs-x-pt") == "'logs-x-pt'"
    assert len(shown("x" * 100_000)) == MAX_NAME_BYTES + len("''")


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\n", "\x7f", "\x9b"])
def test_a_name_with_a_control_character_is_illegal(character: str) -> None:
    wrong = illegal_name(f"logs-a{character}b-pt")

    assert wrong is not None
    assert wrong.isprintable()


def test_every_group_of_a_profile_gives_its_pattern_and_its_known_streams() -> None:
    (group,) = shipped_profile().groups
    other = DataStreamSettings(type="metrics", namespace="shop")
    more = group.model_copy(update={"data_stream": other, "known_services": ("Till",)})
    profile = shipped_profile().model_copy(
        update={"groups": (group, more, group), "sanitise_names": "lower"}
    )

    names = stream_names(profile)

    assert names.patterns == ("logs-*-pt", "metrics-*-shop")
    assert names.examples == ("logs-django-pt", "metrics-till-shop")
    assert names.of_service("Till") == ("metrics-till-shop",)
    assert len(names.known) == len(group.known_services) + 1
