"""Large blocks of memory go back to the system when they are let go of.

glibc learns from the first large block that is freed: blocks up to that size (32 MiB at most)
come from its heap from then on, where they leave holes, and twice as much may lie unused at
the heap's end. Bytes of a full pot are such blocks: buffers of tens of MiB that grow and go.
With a fixed limit each of them is a mapping of its own, which grows without a copy and is
given back whole.
"""

from __future__ import annotations

OWN_MAPPING_BYTES = 4 << 20
"""Blocks from this size on; a usual window's buffers are smaller and stay in the heap."""
SPARE_BYTES = 16 << 20
"""What may lie unused at the heap's end; less would be asked for again with each window."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3


def give_back_large_blocks() -> bool:
    """Tell the C library, once, after the start; False where it takes no such orders."""
    import ctypes

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # not glibc
        return False
    orders = ((_TRIM_THRESHOLD, SPARE_BYTES), (_MMAP_THRESHOLD, OWN_MAPPING_BYTES))
    return all(mallopt(what, size) == 1 for what, size in orders)
