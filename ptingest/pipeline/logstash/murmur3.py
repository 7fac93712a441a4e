"""MurmurHash3, written after the description of its algorithm, which is in the public domain."""

from __future__ import annotations

_32, _64 = 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF


def murmur3_32(data: bytes) -> int:
    """Return the hash of 32 bits, with the seed 0."""
    state = 0
    whole = len(data) // 4 * 4
    for at in range(0, whole, 4):
        state ^= _scrambled_32(int.from_bytes(data[at : at + 4], "little"))
        state = (_rotated(state, 13, 32) * 5 + 0xE6546B64) & _32
    state ^= _scrambled_32(int.from_bytes(data[whole:], "little"))
    return _final_32(state ^ len(data))


def murmur3_128(data: bytes, seed: int) -> bytes:
    """Return the hash of 128 bits for 64-bit machines."""
    first = second = seed
    whole = len(data) // 16 * 16
    for at in range(0, whole, 16):
        low = int.from_bytes(data[at : at + 8], "little")
        high = int.from_bytes(data[at + 8 : at + 16], "little")
        first = (_rotated(first ^ _low(low), 27, 64) + second) & _64
        first = (first * 5 + 0x52DCE729) & _64
        second = (_rotated(second ^ _high(high), 31, 64) + first) & _64
        second = (second * 5 + 0x38495AB5) & _64
    tail = data[whole:]
    second ^= _high(int.from_bytes(tail[8:], "little"))
    first ^= _low(int.from_bytes(tail[:8], "little"))
    first, second = first ^ len(data), second ^ len(data)
    first = (first + second) & _64
    second = (second + first) & _64
    first, second = _final_64(first), _final_64(second)
    first = (first + second) & _64
    return first.to_bytes(8, "little") + ((second + first) & _64).to_bytes(8, "little")


def _rotated(number: int, by: int, width: int) -> int:
    return (number << by | number >> (width - by)) & ((1 << width) - 1)


def _scrambled_32(block: int) -> int:
    return _rotated(block * 0xCC9E2D51 & _32, 15, 32) * 0x1B873593 & _32


def _final_32(state: int) -> int:
    state = (state ^ state >> 16) * 0x85EBCA6B & _32
    state = (state ^ state >> 13) * 0xC2B2AE35 & _32
    return state ^ state >> 16


def _low(block: int) -> int:
    return _rotated(block * 0x87C37B91114253D5 & _64, 31, 64) * 0x4CF5AD432745937F & _64


def _high(block: int) -> int:
    return _rotated(block * 0x4CF5AD432745937F & _64, 33, 64) * 0x87C37B91114253D5 & _64


def _final_64(state: int) -> int:
    state = (state ^ state >> 33) * 0xFF51AFD7ED558CCD & _64
    state = (state ^ state >> 33) * 0xC4CEB9FE1A85EC53 & _64
    return state ^ state >> 33
