"""Ports that nobody else takes before a server listens on them.

The kernel gives a free port to whoever asks next, so one that was only looked up may be gone when
its server starts. These lie below those that the kernel gives away, and each process that starts
servers has a thousand of its own.
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


@functools.cache
def _block() -> tuple[Iterator[int], IO[str]]:
    """The ports of this process, over and over, and the lock on them, which ends with it."""
    for first in BLOCKS:
        lock = (Path(tempfile.gettempdir()) / f"audiosearch-ports-{first}.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
        else:
            return itertools.cycle(range(first, first + BLOCKS.step)), lock
    raise RuntimeError(f"{len(BLOCKS)} processes start servers already: no ports are left")


def free_ports(count: int) -> list[int]:
    """Ports of the loopback address that are free, and stay so until they come round again."""
    ports, _ = _block()
    return list(itertools.islice(filter(_is_free, ports), count))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
