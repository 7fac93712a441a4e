"""Large blocks of memory go back to the system."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from ptingest.server.process.malloc import return_large_blocks

PROGRAM = """
import sys
from ptingest.server.process.malloc import return_large_blocks

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

if "ordered" in sys.argv:
    assert return_large_blocks()
bytearray(30 << 20)  # from such a block glibc learns
before, large, small = resident(), [], []
for _ in range(8):
    large.append(bytearray(b"x") * (8 << 20))
    small.append(bytearray(b"x") * (64 << 10))  # above it in the heap, and stays
del large
print((resident() - before) >> 20)
"""


def left_mib(*words: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words], stdout=subprocess.PIPE, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
@pytest.mark.timeout(30)
def test_of_large_blocks_that_were_freed_nothing_is_left() -> None:
    assert left_mib() >= 40, "as it is without"
    assert left_mib("ordered") <= 4


def test_whether_the_library_takes_orders_is_told() -> None:
    assert return_large_blocks() is (platform.libc_ver()[0] == "glibc")
