"""Whose letters take how much."""

from __future__ import annotations

from pathlib import Path

import pytest

from ptingest.dead_letters.occupancy import count_lines, host_of, peer_of, refuse_too_much
from ptingest.dead_letters.queue import encode_letter, id_of
from ptingest.errors import DeadLettersShareFull
from ptingest.model.outcome import DeadLetter

TIME = "2026-11-23T14:00:00.000Z"


def line(peer: str, *, detail: str = "x", payload: bytes = b"{}") -> bytes:
    letter = DeadLetter("mapping", detail, payload, "django", peer)
    return encode_letter(letter, letter_id="0" * 26, time=TIME)


@pytest.mark.parametrize(
    ("peer", "host"),
    [
        ("192.0.2.7:51234", "192.0.2.7"),
        ("[2001:db8::1]:51234", "[2001:db8::1]"),
        ("2001:db8::", "2001:db8::"),
        ("", ""),
        ("somewhere", "somewhere"),
    ],
)
def test_a_peer_is_an_address_whatever_its_port(peer: str, host: str) -> None:
    assert host_of(peer) == host
    assert peer_of(line(peer)) == host


def test_what_looks_like_a_peer_in_another_field_is_none() -> None:
    fake = '"peer":"203.0.113.9:1"'

    assert peer_of(line("192.0.2.7:1", detail=fake, payload=fake.encode())) == "192.0.2.7"
    assert peer_of(b"rubbish\n") == ""


def test_lines_are_counted_from_a_place_on_and_by_peer(tmp_path: Path) -> None:
    path = tmp_path / "segment.ndjson"
    lines = [line("192.0.2.7:1"), line("192.0.2.8:2"), line("192.0.2.7:3")]
    path.write_bytes(b"".join(lines) + lines[0][:-1])

    def count(begin: int, *marks: str) -> tuple[int, dict[str, int]]:
        return count_lines(path, begin, marks=frozenset(marks), id_of=id_of, whose=peer_of)

    size = len(lines[0])
    assert count(0) == (3, {"192.0.2.7": 3 * size - 1, "192.0.2.8": size})
    assert count(size) == (2, {"192.0.2.7": 2 * size - 1, "192.0.2.8": size})
    assert count(0, "0" * 26)[0] == 0


@pytest.mark.parametrize(
    ("held", "wanted", "free", "whose"),
    [
        ({}, {"a": 10}, 10, None),
        ({}, {"a": 11}, 10, "a"),
        ({"a": 5}, {"a": 6}, 10, "a"),
        ({"a": 500}, {"b": 6}, 10, None),
        ({"a": 500, "b": 5}, {"c": 1, "b": 6}, 10, "b"),
        ({"a": 500}, {}, 0, None),
    ],
)
def test_a_peer_may_hold_what_is_left_for_all_others(
    held: dict[str, int], wanted: dict[str, int], free: int, whose: str | None
) -> None:
    if whose is None:
        refuse_too_much(held, wanted, free=free)
        return
    with pytest.raises(DeadLettersShareFull, match=r"this Beat alone will resend") as caught:
        refuse_too_much(held, wanted, free=free)
    assert caught.value.peer == whose
