"""Helpers for started services, and for processes in Linux' /proc."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def read(path: str | Path) -> bytes:
    """Reads a file of /proc. Returns nothing when its process or thread is gone."""
    try:
        return Path(path).read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def until(condition: Callable[[], object], seconds: float = 120) -> None:
    """Waits until a condition holds. Fails if it does not within `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)


def send_signal(pid: int, number: signal.Signals) -> None:
    """Sends a signal. After a SIGSTOP, waits until no thread of the process runs any more."""
    os.kill(pid, number)
    if number == signal.SIGSTOP:
        until(lambda: all(b") T " in read(each / "stat") for each in _threads(pid)))


def _threads(pid: int) -> list[Path]:
    return list(Path(f"/proc/{pid}/task").iterdir())


def children(pid: int | str, word: bytes) -> list[int]:
    """Returns the ids of the children of a process whose command line holds a word.

    The process may be `self`, which is this one. One that has ended has none.
    """
    try:
        files = [thread / "children" for thread in Path(f"/proc/{pid}/task").iterdir()]
    except FileNotFoundError:
        return []
    found = [int(child) for file in files for child in read(file).split()]
    return [child for child in found if word in read(f"/proc/{child}/cmdline")]


def wait_for_port(process: subprocess.Popen[Any], log: Path) -> int:
    """Reads the log until it names the port that the service listens on. Returns the port."""
    with log.open(encoding="utf-8") as lines:
        while process.poll() is None:
            line = lines.readline()
            if '"listening"' in line:
                return int(json.loads(line)["port"])
            if not line:
                time.sleep(0.05)  # until the log grows
    raise AssertionError(log.read_text())
