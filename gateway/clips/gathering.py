"""Keeps vectors that an index has and the catalog does not: those of clips from earlier times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch.catalog.v1.kept_vectors_pb2 import KeptVectors
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.index.v1.index_service_pb2 import GetVectorsRequest

from gateway.clips.keeping import Packer
from gateway.clips.vectors import Vectors
from gateway.libraries import indexes
from gateway.libraries.indexes import Generation
from gateway.upstream import Upstream

_MOST_PARTS = 1000
_SEND_BYTES = 2**19


class _Open(NamedTuple):
    """The clip whose vectors come just now."""

    clip: Clip
    clip_id: str
    packer: Packer


class Gathering:
    """Reads the vectors of some clips from the index, in the order of ids, and keeps them."""

    def __init__(
        self, upstream: Upstream, vectors: Vectors, library: Library, generation: Generation
    ) -> None:
        """Reads the indexes of a generation of a library."""
        self._upstream = upstream
        self._vectors = vectors
        self._library = library
        self._generation = generation
        self._open: _Open | None = None
        self._parts: list[KeptVectors] = []
        self.count = 0
        """Clips that were kept."""

    async def add(self, ids: Sequence[str], clips: Mapping[str, Clip]) -> None:
        """Keeps the vectors of these clips among those with the next ids of the index."""
        wanted = [id_ for id_ in ids if indexes.split_window(id_)[0] in clips]
        index_id = self._generation.windows
        async for vector in indexes.read(self._upstream.index, index_id, wanted):
            clip_id, start_ms = indexes.split_window(vector.id)
            if self._open is None or self._open.clip_id != clip_id:
                await self._finish()
                clip = clips[clip_id]
                packer = Packer(self._generation, clip.name)
                self._open = _Open(clip, clip_id, packer)
            await self._send(self._open.packer.add(start_ms, vector.values))

    async def end(self) -> None:
        """Ends the last clip."""
        await self._finish()
        await self._vectors.keeping.keep(self._library, self._parts)
        self._parts = []

    async def _finish(self) -> None:
        if self._open is None:
            return
        (clip, clip_id, packer), self._open = self._open, None
        if packer.count != (clip.window_count or 1):
            return  # it has lost vectors since it was looked at, and is not kept by halves
        if packer.numbered and self._generation.wholes is not None:
            request = GetVectorsRequest(index_id=self._generation.wholes, ids=[clip_id])
            found = (await self._upstream.index.GetVectors(request)).vectors
            if not found:
                return
            await self._send(packer.add(None, found[0].values))
        await self._send(packer.last())
        self.count += 1

    async def _send(self, part: KeptVectors | None) -> None:
        """Sends parts once they fill a call."""
        if part is None:
            return
        self._parts.append(part)
        if (
            len(self._parts) >= _MOST_PARTS
            or sum(len(each.values) for each in self._parts) >= _SEND_BYTES
        ):
            parts, self._parts = self._parts, []
            await self._vectors.keeping.keep(self._library, parts)
