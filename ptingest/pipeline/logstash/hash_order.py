"""The order in which Logstash applies the entries of a hash: that of Java's ``HashMap``.

It matters where entries touch each other: ``rename => { "a" => "b" "b" => "c" }``.
"""

from __future__ import annotations

from collections.abc import Sequence


def java_order(keys: Sequence[str]) -> list[int]:
    """Return the indexes of distinct keys in the order of a HashMap that took them one by one."""
    size = 16
    while len(keys) > size * 3 // 4:
        size *= 2
    # Within a bucket the order of insertion holds, also when the table grew.
    return sorted(range(len(keys)), key=lambda index: _spread(keys[index]) & (size - 1))


def _spread(key: str) -> int:
    code = 0
    units = key.encode("utf-16-le", "surrogatepass")
    for index in range(0, len(units), 2):
        code = (31 * code + units[index] + (units[index + 1] << 8)) & 0xFFFFFFFF
    return code ^ (code >> 16)
