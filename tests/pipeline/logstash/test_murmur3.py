"""MurmurHash3 against published values."""

import pytest

from ptingest.pipeline.logstash.murmur3 import murmur3_32, murmur3_128


@pytest.mark.parametrize(
    ("text", "number"),
    [("", 0), ("hello", 0x248BFA47), ("hello, world", 0x149BBB7F),
     ("The quick brown fox jumps over the lazy dog", 0x2E4FF723)],
)  # fmt: skip
def test_hashes_of_32_bits(text: str, number: int) -> None:
    assert murmur3_32(text.encode()) == number


@pytest.mark.parametrize(
    ("text", "seed", "halves"),
    [
        ("", 0, (0, 0)),
        ("hello", 0, (0xCBD8A7B341BD9B02, 0x5B1E906A48AE1D19)),
        (
            "The quick brown fox jumps over the lazy dog",
            0,
            (0xE34BBC7BBC071B6C, 0x7A433CA9C49A9347),
        ),
    ],
)
def test_hashes_of_128_bits(text: str, seed: int, halves: tuple[int, int]) -> None:
    digest = murmur3_128(text.encode(), seed)

    assert digest == b"".join(half.to_bytes(8, "little") for half in halves)
