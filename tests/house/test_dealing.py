"""What several processes that share a run of all tests get, and in which order."""

from __future__ import annotations

import re

import pytest

from tests.support.dealing import (
    FIRST,
    ONE_BY_ONE,
    TOGETHER,
    WITH_PROCESSES,
    deal_of,
    encodable,
    is_unit,
    turn_of,
)
from tests.support.modules import ROOT

FIXTURE = re.compile(r"(?m)^@pytest\.fixture\(scope=\"session\"\)\ndef (\w+)")


@pytest.mark.parametrize("named", sorted({*TOGETHER, *ONE_BY_ONE, *FIRST, *WITH_PROCESSES}))
def test_what_is_named_is_there(named: str) -> None:
    assert (ROOT / named).exists()


def test_who_shares_a_peer_of_a_whole_run_is_dealt_together() -> None:
    peers = ROOT / "tests" / "peers"
    made = FIXTURE.findall((peers / "conftest.py").read_text(encoding="utf-8"))
    users: dict[str, set[str]] = {fixture: set() for fixture in made}
    for file in peers.glob("test_*.py"):
        text = file.read_text(encoding="utf-8")
        for fixture in made:
            if re.search(rf"\b{fixture}: (Node|Kafka)\b", text):
                users[fixture].add(deal_of(f"tests/peers/{file.name}::test_any"))

    assert made
    assert {fixture: len(deals) for fixture, deals in users.items()} == dict.fromkeys(made, 1)


def test_a_file_is_one_deal_unless_its_tests_only_wait() -> None:
    assert deal_of("tests/wire/test_a.py::test_one[x::y]") == "tests/wire/test_a.py"
    assert deal_of(f"{ONE_BY_ONE[0]}::test_one[x]") == f"{ONE_BY_ONE[0]}::test_one[x]"


def test_what_takes_longest_goes_first_and_the_rest_keeps_its_order() -> None:
    asked = ["tests/wire/test_a.py::test_one", f"{ONE_BY_ONE[0]}::test_two", f"{FIRST[0]}::test_x"]

    assert sorted(asked, key=turn_of) == [asked[2], asked[1], asked[0]]
    assert turn_of("tests/wire/test_a.py::test_one") == turn_of("tests/model/test_b.py::test_two")


def test_a_report_with_half_a_surrogate_pair_can_be_sent() -> None:
    sent = encodable({"sections": [("log", "a\udcff")], "when": "call", "duration": 0.5, "ü": None})

    assert sent == {"sections": [("log", "a\\udcff")], "when": "call", "duration": 0.5, "ü": None}


def test_every_pure_room_is_part_of_a_unit_run_and_no_peer_is() -> None:
    assert is_unit("tests/pipeline/fast/test_lines.py")
    assert is_unit("tests/test_errors.py")
    assert not is_unit("tests/peers/test_elasticsearch.py")
