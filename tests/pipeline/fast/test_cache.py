from __future__ import annotations

import pytest

from ptingest.pipeline.fast import cache
from ptingest.pipeline.fast.cache import ValueCache


def test_a_value_is_made_once() -> None:
    asked: list[bytes] = []

    def make(raw: bytes) -> bytes:
        asked.append(raw)
        return raw * 2

    under_test = ValueCache(make)

    assert [under_test[b"ab"], under_test[b"ab"]] == [b"abab", b"abab"]
    assert asked == [b"ab"]


def test_long_values_are_made_each_time() -> None:
    under_test = ValueCache(len_as_bytes)

    assert under_test[b"x" * (cache.LONGEST_VALUE + 1)] == b"1025"
    assert not under_test


def test_a_full_memory_starts_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "CACHED_VALUES", 2)
    under_test = ValueCache(len_as_bytes)

    for value in (b"a", b"bb", b"ccc"):
        assert under_test[value] == len_as_bytes(value)

    assert list(under_test) == [b"ccc"]


def len_as_bytes(value: bytes) -> bytes:
    return b"%d" % len(value)
