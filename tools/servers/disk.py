"""Disks of a chosen size, which fill up."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import shutil
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import grpc
import pytest

from serving.errors import Reason, from_rpc_error

T = TypeVar("T")
_PIECE = 64 * 1024
_LIMIT = 30.0


@contextlib.contextmanager
def disk(folder: Path, size: str) -> Iterator[Path]:
    """Mounts a disk of a size such as `600k` for the time of the block. Returns its folder."""
    folder.mkdir()
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if not mount or not umount:
        pytest.skip("a disk that fills up needs mount and umount")
    mounted = subprocess.run(
        [mount, "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)],
        check=False,
        capture_output=True,
    )
    if mounted.returncode:
        pytest.skip("a disk that fills up needs the right to mount one")
    try:
        yield folder
    finally:
        subprocess.run([umount, "-l", str(folder)], check=True)


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Makes a mounted disk read-only for the time of the block."""
    mount = shutil.which("mount") or "mount"
    subprocess.run([mount, "-o", "remount,ro", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run([mount, "-o", "remount,rw", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Fills the disk of a folder to its last byte. Returns the file that does it."""
    filler = folder / "filler"
    for piece in (_PIECE, 1):
        try:
            with filler.open("ab", buffering=0) as file:
                while True:
                    file.write(bytes(piece))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
    return filler


async def with_room(call: Callable[[], Awaitable[T]]) -> T:
    """Repeats a call until the service has noticed that there is room."""
    limit = time.monotonic() + _LIMIT
    while True:
        try:
            return await call()
        except grpc.aio.AioRpcError as error:
            told = from_rpc_error(error)
            full = told is not None and told.reason is Reason.STORAGE_FULL
            if not full or time.monotonic() > limit:
                raise
        await asyncio.sleep(0.1)
