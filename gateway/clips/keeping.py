"""Vectors that the catalog keeps, so that a lost index is filled without embedding anything."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator, Sequence

import numpy as np
from audiosearch.catalog.v1.kept_vectors_pb2 import (
    KeepVectorsRequest,
    KeptVectors,
    LookupKeptVectorsRequest,
    ReadKeptVectorsRequest,
)
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.embedding.v1.embedding_pb2 import Tag
from numpy.typing import NDArray

from gateway.libraries.indexes import Generation
from gateway.upstream import Upstream
from serving import limits
from serving.names import split_clip

WHOLE = -1
"""Start of the vector of a whole clip."""
PART_BYTES = 256 * 1024
"""Numbers of one part."""
RIDE_BYTES = 64 * 1024
"""A last part of so many bytes comes with the activation of its clip, in one transaction."""
_CALL_BYTES = 2**20
_PAGE = limits.of(ReadKeptVectorsRequest, "clip_ids").max_items
_NUMBERS = np.dtype("<f4")


class Packer:
    """Packs the vectors of one clip in one generation of indexes into parts."""

    def __init__(self, generation: Generation, clip: str) -> None:
        """Starts with the first part of the clip of this name."""
        self._head = KeptVectors(
            clip=clip,
            generation=generation.number,
            model=generation.model,
            window_rule=generation.rule,
        )
        self._starts: list[int] = []
        self._values: list[bytes] = []
        self._part = 0
        self.count = 0
        """Vectors that were added."""
        self.numbered = False
        """True if one of them is of a window of a longer clip."""

    def add(self, start_ms: int | None, values: Sequence[float]) -> KeptVectors | None:
        """Adds the vector of a window, or of the whole clip. Returns a part that is full by it."""
        self._starts.append(WHOLE if start_ms is None else start_ms)
        self._values.append(np.asarray(values, _NUMBERS).tobytes())
        self.count += 1
        self.numbered |= start_ms is not None
        if len(self._values) * len(self._values[0]) < PART_BYTES:
            return None
        return self._take(0)

    def last(self, tags: Sequence[Tag] | None = None) -> KeptVectors:
        """Returns the last part, which makes the set whole, with the clip's tags if known."""
        part = self._take(self._part + 1)
        part.tags.extend(tags or ())
        part.tagged = tags is not None
        return part

    def _take(self, part_count: int) -> KeptVectors:
        part = KeptVectors()
        part.CopyFrom(self._head)
        part.part, part.part_count = self._part, part_count
        part.starts_ms.extend(self._starts)
        part.values = b"".join(self._values)
        self._starts.clear()
        self._values.clear()
        self._part += 1
        return part


class Keeping:
    """Keeps vectors in the catalog and reads them."""

    def __init__(self, upstream: Upstream) -> None:
        """Works on the catalog of `upstream`."""
        self._upstream = upstream

    async def keep(self, library: Library, parts: Sequence[KeptVectors]) -> None:
        """Keeps parts. Clips that are gone meanwhile are no error."""
        for some in _fitting(parts):
            await self._upstream.vectors.KeepVectors(
                KeepVectorsRequest(parent=library.name, vectors=some)
            )

    async def whole(
        self, library: Library, generation: Generation, clip_ids: Collection[str]
    ) -> set[str]:
        """Those of these clips whose vectors are kept whole."""
        found: set[str] = set()
        for ids in _pages(clip_ids):
            request = LookupKeptVectorsRequest(
                parent=library.name, generation=generation.number, clip_ids=ids
            )
            found |= set((await self._upstream.vectors.LookupKeptVectors(request)).clip_ids)
        return found

    async def read(
        self, library: Library, generation: Generation, clip_ids: Collection[str]
    ) -> AsyncIterator[tuple[str, KeptVectors]]:
        """The parts of those of these clips that are kept whole, by clip and part.

        Parts that another model has made, or another rule, are left out.
        """
        for ids in _pages(clip_ids):
            request = ReadKeptVectorsRequest(
                parent=library.name, generation=generation.number, clip_ids=ids
            )
            async for answer in self._upstream.vectors.ReadKeptVectors(request):
                part = answer.vectors
                rule = part.window_rule if part.HasField("window_rule") else None
                if part.model == generation.model and rule == generation.rule:
                    yield split_clip(part.clip)[1], part

    async def parts(
        self, library: Library, generation: Generation, clip_id: str
    ) -> list[KeptVectors]:
        """The parts of a clip that are kept in a generation; none if one is missing."""
        found = [part async for _, part in self.read(library, generation, [clip_id])]
        return found if found and found[-1].part_count == len(found) else []


def vectors_of(part: KeptVectors) -> Iterator[tuple[int | None, NDArray[np.float32]]]:
    """The vectors of a part with their starts; None for that of the whole clip."""
    if not part.starts_ms:
        return
    values = np.frombuffer(part.values, _NUMBERS).reshape(len(part.starts_ms), -1)
    for start, each in zip(part.starts_ms, values, strict=True):
        yield (None if start == WHOLE else start), each


def _pages(clip_ids: Collection[str]) -> Iterator[list[str]]:
    """Ids in order, cut into calls."""
    ids = sorted(clip_ids)
    return (ids[start : start + _PAGE] for start in range(0, len(ids), _PAGE))


def _fitting(parts: Sequence[KeptVectors]) -> Iterator[list[KeptVectors]]:
    """Cuts parts into calls."""
    some: list[KeptVectors] = []
    size = 0
    for part in parts:
        if some and (size + part.ByteSize() > _CALL_BYTES or len(some) == _PAGE):
            yield some
            some, size = [], 0
        some.append(part)
        size += part.ByteSize()
    if some:
        yield some
