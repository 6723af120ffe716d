"""Makes one map in a process of its own: `python -m gateway.maps.process`.

Its input is a length in 8 bytes, then so many bytes from `pack`: vectors and first places. Its
output is lines with the share of the work that is done, a line `done`, and the places. It ends with
its parent, because that closes the input.
"""

from __future__ import annotations

import io
import os
import sys
import threading
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from gateway.maps.projection import refine

NICENESS = 15
"""The lower priority of the process, so that searches go first."""
DONE = b"done\n"
LENGTH_BYTES = 8


def main() -> None:
    """Makes the map."""
    os.nice(NICENESS)
    asked, answer = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # the prints of libraries must not mix with the answer
    vectors, start = unpack(asked.read(int.from_bytes(asked.read(LENGTH_BYTES), "big")))
    threading.Thread(target=_end_with, args=(asked,), daemon=True).start()

    def report(share: float) -> None:
        answer.write(f"{share:.3f}\n".encode())
        answer.flush()

    places = refine(vectors, start, report)
    answer.write(DONE + pack(places))
    answer.flush()


def pack(*arrays: NDArray[np.float32]) -> bytes:
    """The bytes of arrays in numpy's file format, one after the other."""
    packed = io.BytesIO()
    for array in arrays:
        np.lib.format.write_array(packed, array, allow_pickle=False)
    return packed.getvalue()


def unpack(packed: bytes) -> list[NDArray[np.float32]]:
    """The arrays that `pack` made the bytes of."""
    left, arrays = io.BytesIO(packed), []
    while left.tell() < len(packed):
        arrays.append(np.lib.format.read_array(left, allow_pickle=False))
    return arrays


def _end_with(parent: BinaryIO) -> None:
    parent.read(1)
    os._exit(1)


if __name__ == "__main__":
    main()
