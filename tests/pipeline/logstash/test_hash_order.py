"""The order of Java's HashMap."""

import pytest

from ptingest.pipeline.logstash.hash_order import java_order


@pytest.mark.parametrize(
    ("keys", "order"),
    [
        ([], []),
        (["b", "a"], ["a", "b"]),
        (["a", "b", "c"], ["a", "b", "c"]),
        (["wz", "n_gobla", "nj", "yj", "pybb", "u"], ["yj", "wz", "u", "n_gobla", "nj", "pybb"]),
        (["Aa", "BB"], ["Aa", "BB"]),
        (["BB", "Aa"], ["BB", "Aa"]),
    ],
)
def test_keys_are_ordered_by_bucket_then_as_written(keys: list[str], order: list[str]) -> None:
    assert [keys[index] for index in java_order(keys)] == order


def test_a_table_over_three_quarters_full_is_doubled() -> None:
    few = [chr(ord("a") + number) for number in range(12)]
    many = [*few, "m"]

    def ordered(keys: list[str]) -> list[str]:
        return [keys[index] for index in java_order(keys)]

    # "p" begins the sixteen buckets anew; in a table of 32 it stands after the others.
    assert ordered(["o", "p", "a"]) == ["p", "a", "o"]
    assert ordered(["p", *few]) == [*few, "p"]
    assert ordered(list(reversed(many))) == many
