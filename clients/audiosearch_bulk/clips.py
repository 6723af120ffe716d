"""Clips of recordings with vectors: one at a time, or many short ones in shared calls."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Iterator, Mapping
from typing import TypeVar

import grpc
from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch.catalog.v1.library_pb2 import Library

from audiosearch_bulk.recordings import Embedded, Recording
from gateway.clips.batches import Batches
from gateway.clips.life import SHORT_BYTES, Clips
from gateway.upstream import Upstream
from serving.errors import Reason, ServiceError
from serving.retry import Retry

FILES = 250
"""Recordings of a batch at most: a quarter of a shard, as there are two batches at a time."""
BYTES = 16 * 2**20
"""Bytes of a batch at most; they are in memory."""
WINDOWS = 2000
"""Windows of a batch at most."""
READS = 64
"""Files of a batch that are read at a time."""
CONFLICTS = 8
"""Tries of a file while another clip with its bytes is being made or removed."""
T = TypeVar("T")


def cut(recordings: Iterable[Recording]) -> Iterator[list[Recording]]:
    """Batches of recordings. A long one is a batch of its own, so the order changes."""
    some: list[Recording] = []
    size = windows = 0
    for each in recordings:
        its_size, its_windows = each.file.size_bytes, len(each.vectors.starts_ns)
        if its_size > SHORT_BYTES or its_windows > WINDOWS:
            yield [each]
            continue
        size, windows = size + its_size, windows + its_windows
        if some and (len(some) == FILES or size > BYTES or windows > WINDOWS):
            yield some
            some, size, windows = [], its_size, its_windows
        some.append(each)
    if some:
        yield some


class ClipMaker:
    """Makes clips of recordings in one library."""

    def __init__(self, upstream: Upstream, library: Library) -> None:
        """Works on the services of `upstream`."""
        self._upstream = upstream
        self._library = library
        self._clips = Clips(upstream, Embedded)
        self._batches = Batches(upstream)
        self._reads = asyncio.Semaphore(READS)

    async def settle(self) -> None:
        """Waits for all running clean-ups."""
        await self._clips.cleanups.settle()

    async def make(self, recording: Recording) -> bool:
        """Makes a clip. Returns False if the library has its bytes already.

        Raises:
            ServiceError: of the file, and of the services, once it was tried for some minutes.
        """
        request, retry = recording.request, Retry({Reason.STATE_CONFLICT}, CONFLICTS)
        while True:
            try:
                _, created = await self._clips.ingest(
                    self._library,
                    request.clip,
                    recording,
                    request.request_id,
                    request.audio_object,
                    id_names_audio=True,
                    hurry=False,
                )
            except ServiceError as error:
                await asyncio.sleep(retry.pause(error))
            else:
                return created

    async def make_new(self, recordings: list[Recording]) -> list[Recording]:
        """Makes clips of those short recordings that are plainly new. Returns all others.

        Left are those that fail at a step, and clips that are there or that an earlier load has
        begun, which may have left vectors. `make` finishes them or tells why not.
        """
        library = self._library
        audio = await _fine({each: self._read(each) for each in recordings})
        rows = await _fine({each: self._batches.create(library, each.request) for each in audio})
        new = {each: row for each, row in rows.items() if _is_new(row)}
        stored = await _fine(
            {each: self._batches.put(row.name, audio[each]) for each, row in new.items()}
        )
        made = await _fine({each: self._finish(new[each], each) for each in stored})
        return [each for each in recordings if each not in made]

    async def _read(self, recording: Recording) -> bytes:
        async with self._reads:
            return b"".join([chunk async for chunk in recording])

    async def _finish(self, row: Clip, recording: Recording) -> None:
        """Makes a clip with stored audio searchable."""
        source = Embedded(self._upstream, row.name, recording)
        try:
            await self._clips.make_searchable(self._library, row, fresh=True, source=source)
        except ServiceError as error:
            await self._clips.cleanups.finish(self._clips.undo(self._library, row, error))
            raise


def _is_new(row: Clip) -> bool:
    return row.state == Clip.STATE_CREATING and row.update_time == row.create_time


async def _fine(work: Mapping[Recording, Awaitable[T]]) -> dict[Recording, T]:
    """Results of work for recordings, without those that a service, or the file, has refused."""
    outcomes = await asyncio.gather(*work.values(), return_exceptions=True)
    found = {}
    for recording, outcome in zip(work, outcomes, strict=True):
        if not isinstance(outcome, BaseException):
            found[recording] = outcome
        elif not isinstance(outcome, ServiceError) and not _is_unknown(outcome):
            raise outcome
    return found


def _is_unknown(error: BaseException) -> bool:
    """True if the catalog is of the version before, which has no call for audio of many clips."""
    unimplemented = grpc.StatusCode.UNIMPLEMENTED
    return isinstance(error, grpc.aio.AioRpcError) and error.code() is unimplemented
