"""Room for deletions: the reserve is made, let go and made again, and growth waits for it."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from serving.disk.room import Disk, Room
from serving.errors import Reason, ServiceError

MIB = 2**20


class Fullness:
    """A disk of 800 MiB that is as full as a test wants, apart from the reserve."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, reserve: Path) -> None:
        """Takes the place of the system's answer."""
        self.free = 400 * MIB
        self._reserve = reserve
        monkeypatch.setattr(os, "statvfs", self._answer)

    def _answer(self, _folder: Path) -> SimpleNamespace:
        held = self._reserve.stat().st_size if self._reserve.exists() else 0
        return SimpleNamespace(f_frsize=1, f_blocks=800 * MIB, f_bavail=max(0, self.free - held))


@pytest.fixture
def fullness(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Fullness:
    """The disk of `tmp_path`."""
    return Fullness(monkeypatch, tmp_path / "reserve")


def refused(room: Room) -> bool:
    """True if growth is refused."""
    try:
        room.require()
    except ServiceError as error:
        return error.reason is Reason.STORAGE_FULL
    return False


def test_a_reserve_is_held_and_let_go(fullness: Fullness, tmp_path: Path) -> None:
    """Growth waits until there is room for the reserve again and for more."""
    room = Room(tmp_path, 16 * MIB, "x")
    room.keep()
    assert (tmp_path / "reserve").stat().st_size == 16 * MIB
    assert not refused(room)
    room.let_go()
    assert (tmp_path / "reserve").exists(), "a deletion with room enough needs none of it"
    fullness.free = 16 * MIB + 1
    assert refused(room)
    room.let_go()
    assert not (tmp_path / "reserve").exists()
    room.keep()
    assert refused(room)
    fullness.free = 23 * MIB
    room.keep()
    assert refused(room)
    fullness.free = 24 * MIB
    room.keep()
    assert not refused(room)


def test_the_reserve_fits_the_disk(fullness: Fullness, tmp_path: Path) -> None:
    """It takes an eighth of the disk at most, and audio ends before rows do."""
    assert Disk.of(tmp_path, 2**40).reserve == 100 * MIB
    fullness.free = 49 * MIB
    disk = Disk.of(tmp_path, 2**40)
    assert (disk.tight, disk.scarce) == (True, False)


def test_without_a_reserve_nothing_is_refused(fullness: Fullness, tmp_path: Path) -> None:
    """A setting of 0 keeps no room."""
    fullness.free = 0
    room = Room(tmp_path, 0, "x")
    room.keep()
    assert not refused(room)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_takes_no_reserve_has_the_floor_alone(
    fullness: Fullness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Growth is refused near the end of the disk, and not before."""
    folder = tmp_path / "folder"
    folder.mkdir()
    room = Room(folder, 16 * MIB, "x")

    def forbidden(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "open", forbidden)
    room.keep()
    assert not refused(room)
    fullness.free = 3 * MIB
    assert refused(room)
