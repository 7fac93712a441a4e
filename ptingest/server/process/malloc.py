"""Returns large blocks of memory to the system as soon as they are freed.

glibc raises its mmap threshold to the size of the first large block that is freed (32 MiB at
most): later blocks up to that size come from the heap, fragment it, and twice as much may stay
unused at its end. Receive buffers are such blocks, of tens of MiB. With a fixed threshold each
of them is a mapping of its own, which grows without a copy and is returned whole.
"""

from __future__ import annotations

OWN_MAPPING_BYTES = 4 << 20
"""Blocks from this size on get a mapping; buffers of a usual window stay in the heap."""
SPARE_BYTES = 16 << 20
"""May stay unused at the heap's end; with less, each window would request it again."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3


def return_large_blocks() -> bool:
    """Set the thresholds, once, after the start; False where the C library has none."""
    import ctypes

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # not glibc
        return False
    options = ((_TRIM_THRESHOLD, SPARE_BYTES), (_MMAP_THRESHOLD, OWN_MAPPING_BYTES))
    return all(mallopt(what, size) == 1 for what, size in options)
