"""The version of a file, to see that it was replaced while a process runs."""

from __future__ import annotations

from pathlib import Path

Version = tuple[int, int, int]


def version(path: Path | None) -> Version | None:
    """A value that differs after each change of the file; None while there is no file."""
    try:
        found = path.stat() if path else None
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino) if found else None
