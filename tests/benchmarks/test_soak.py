from __future__ import annotations

import pytest

from benchmarks.soak import Sample, complaints

FLAT = [
    Sample(
        seconds=10.0 * number,
        events=5_000 * number,
        rss_mib=82.0 + number % 3,
        files=20,
        threads=7,
        cpu_us=40.0,
        lag_ms=20.0,
        residue=0.0,
        received=5_000.0 * number,
        settled=5_000.0 * number,
        store_mib=64.0,
    )
    for number in range(1, 41)
]


def test_a_server_that_stands_still_passes() -> None:
    assert complaints(FLAT) == []


@pytest.mark.parametrize(
    ("name", "each_round"),
    [("rss_mib", 0.5), ("files", 1), ("threads", 1), ("cpu_us", 2.0), ("store_mib", 1.0)],
)
def test_whatever_grows_with_the_rounds_is_named(name: str, each_round: float) -> None:
    grown = [
        sample._replace(**{name: getattr(sample, name) + each_round * number})
        for number, sample in enumerate(FLAT)
    ]

    (complaint,) = complaints(grown)

    assert complaint.startswith(f"{name} grew from ")


def test_an_event_that_is_missing_in_the_books_is_told() -> None:
    lost = [*FLAT[:-1], FLAT[-1]._replace(settled=FLAT[-1].settled - 1)]

    (complaint,) = complaints(lost)

    assert "199999 settled" in complaint
