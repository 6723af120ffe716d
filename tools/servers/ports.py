"""Finds ports that no other program takes before a server listens on them.

The kernel may give a port that was only looked up to another program before the server starts.
These ports are below the kernel's own range, and each process that starts servers has its own
thousand of them.
"""

from __future__ import annotations

import fcntl
import functools
import itertools
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

BLOCKS = range(12_000, 32_000, 1_000)
STEP = 7


@functools.cache
def _block() -> tuple[Iterator[int], IO[str]]:
    """Returns the ports of this process, in a cycle, and the lock on them, held until its end."""
    for first in BLOCKS:
        lock = (Path(tempfile.gettempdir()) / f"audiosearch-ports-{first}.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
        else:
            # Apart from each other: some tests want the ports beside one to be free.
            ports = [first + STEP * number % BLOCKS.step for number in range(BLOCKS.step)]
            return itertools.cycle(ports), lock
    raise RuntimeError(f"{len(BLOCKS)} processes start servers already: no ports are left")


def free_ports(count: int) -> list[int]:
    """Returns free ports of the loopback address, none again until the cycle repeats."""
    ports, _ = _block()
    return list(itertools.islice(filter(_is_free, ports), count))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
