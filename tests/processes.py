"""Processes as Linux' /proc shows them; what ends while it is looked at is passed over."""

from __future__ import annotations

from pathlib import Path


def read(path: str | Path) -> bytes:
    """A file of /proc; empty when its process or thread is gone."""
    try:
        return Path(path).read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def children(pid: int | str, word: bytes) -> list[int]:
    """Ids of the children of a process (`self` for this one) whose command line holds a word."""
    files = [thread / "children" for thread in Path(f"/proc/{pid}/task").iterdir()]
    found = [int(child) for file in files for child in read(file).split()]
    return [child for child in found if word in read(f"/proc/{child}/cmdline")]
