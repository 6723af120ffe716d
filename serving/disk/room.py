"""Room on a disk for deletions, which need some before they give some back.

A file, the reserve, holds the room. A deletion on a full disk lets it go. Growth is refused while
the reserve is not held, or when the disk is nearly full, so that the room is left to deletions.
"""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import NamedTuple

import structlog

from serving.errors import Reason, ServiceError

RESERVE_BYTES = 16 * 2**20
_CHUNK_BYTES = 2**20
_SHARE = 8
"""The reserve takes at most one part in so many of the disk."""
log = structlog.get_logger()


class Disk(NamedTuple):
    """A disk as it is now, with the sizes that follow for it."""

    free: int
    reserve: int
    """Size of a reserve on this disk; 0 for none."""

    @classmethod
    def of(cls, folder: Path, most: int) -> Disk:
        """Looks at the disk of a folder, for a reserve of at most `most` bytes."""
        found = os.statvfs(folder)
        return cls(
            found.f_bavail * found.f_frsize, min(most, found.f_blocks * found.f_frsize // _SHARE)
        )

    @property
    def scarce(self) -> bool:
        """True if a deletion may lack room without the reserve."""
        return self.free < self.reserve // 4

    @property
    def tight(self) -> bool:
        """True if audio may take no more: rows and vectors still need some."""
        return self.free < self.reserve // 2


class Room:
    """Keeps room on the disk of one folder. All methods block, for as long as the disk does."""

    def __init__(self, folder: Path, most: int, what: str) -> None:
        """Takes the folder, the largest reserve in bytes (0 for none), and what the disk keeps."""
        self._folder = folder
        self._file = folder / "reserve"
        self._most = most
        self._what = what
        self._can_hold = True
        self._told = False

    @property
    def low(self) -> bool:
        """True while growth is refused."""
        disk = self._disk()
        return bool(disk.reserve) and (disk.scarce or (self._can_hold and not self._held()))

    def require(self) -> None:
        """Raises STORAGE_FULL while growth is refused."""
        if self.low:
            raise self.full()

    def full(self) -> ServiceError:
        """Returns STORAGE_FULL."""
        return ServiceError(
            Reason.STORAGE_FULL,
            f"the disk of {self._what} is full; delete something or ask the operator for room",
        )

    def let_go(self, *, now: bool = False) -> None:
        """Gives the reserve's room to a deletion if it may need it, or in any case with `now`."""
        if (now or self._disk().scarce) and self._held():
            with contextlib.suppress(OSError):
                self._file.unlink(missing_ok=True)
            log.warning("room.let_go", folder=str(self._folder))

    def keep(self) -> None:
        """Makes the reserve again once there is room for it and for some growth."""
        disk = self._disk()
        enough = disk.free >= disk.reserve + disk.reserve // 2
        if disk.reserve and enough and self._can_hold and not self._held():
            self._hold(disk.reserve)
        self._tell()

    def _disk(self) -> Disk:
        """The disk as it is now; one without a reserve if its folder is away, as others tell."""
        try:
            return Disk.of(self._folder, self._most)
        except OSError:
            return Disk(0, 0)

    def _held(self) -> bool:
        return self._file.exists()

    def _hold(self, size: int) -> None:
        """Makes the file under another name first: no part of a reserve counts as one."""
        part = self._file.with_suffix(".part")
        try:
            with part.open("wb") as file:
                for first in range(0, size, _CHUNK_BYTES):
                    file.write(bytes(min(_CHUNK_BYTES, size - first)))
            part.replace(self._file)
        except OSError as error:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
                self._can_hold = False
                log.warning("room.no_reserve", folder=str(self._folder), why=str(error))

    def _tell(self) -> None:
        """Logs each change between enough and too little."""
        low = self.low
        if low != self._told:
            self._told = low
            log.warning("room.low" if low else "room.enough", folder=str(self._folder))
