"""Audio on its way stays in memory while it is small, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from embedding_service.decoding.decoding import INLINE_BYTES
from embedding_service.decoding.spool import Spools
from serving.errors import Reason, ServiceError


@pytest.fixture
def spools() -> Iterator[Spools]:
    """A folder for audio."""
    with Spools() as made:
        yield made


async def test_a_little(spools: Spools) -> None:
    """Up to INLINE_BYTES there is no file."""
    with spools.open() as spool:
        for _ in range(4):
            await spool.write(b"x" * (INLINE_BYTES // 4))
        await spool.finish()
        assert spool.inline == b"x" * INLINE_BYTES
        assert not list(spools.folder.iterdir())


async def test_much(spools: Spools) -> None:
    """Beyond it all bytes are in a private file, which is gone afterwards."""
    with spools.open() as spool:
        for part in (b"a" * INLINE_BYTES, b"b", b"c"):
            await spool.write(part)
        await spool.finish()
        assert spool.inline is None
        assert spool.path.read_bytes() == b"a" * INLINE_BYTES + b"bc"
        assert spool.size == INLINE_BYTES + 2
        assert stat.S_IMODE(spool.path.stat().st_mode) == 0o600
    assert not list(spools.folder.iterdir())


async def test_a_write_that_comes_late(spools: Spools) -> None:
    """A write that still runs when a call is cancelled leaves no file."""
    with spools.open() as spool:
        writing = asyncio.create_task(spool.write(b"x" * (INLINE_BYTES + 1)))
        await asyncio.sleep(0)
    await writing
    await spool.write(b"x" * (INLINE_BYTES + 1))
    assert not list(spools.folder.iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
async def test_a_full_disk(spools: Spools) -> None:
    """The error says which folder is full and what to do."""

    async def fill() -> None:
        with spools.open() as spool:
            spool.path.symlink_to("/dev/full")
            await spool.write(b"x" * (INLINE_BYTES + 1))

    with pytest.raises(ServiceError, match=r"no room for audio in .*TMPDIR") as failure:
        await fill()
    assert failure.value.reason is Reason.STORAGE_FULL
