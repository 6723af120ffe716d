"""The memory of this process."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import mmap
from pathlib import Path

_STATISTICS = Path("/proc/self/statm")


def resident_bytes() -> int:
    """Returns the memory in use, after what is free was given back; 0 where it can't be told."""
    gc.collect()
    with contextlib.suppress(AttributeError, OSError, TypeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
    try:
        return int(_STATISTICS.read_text().split()[1]) * mmap.PAGESIZE
    except OSError:
        return 0
