"""Fills an index of a library that lacks vectors with those that are kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from audiosearch.catalog.v1.clip_pb2 import Clip, LookupClipsRequest
from audiosearch.catalog.v1.kept_vectors_pb2 import KeptVectors
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.index.v1.index_pb2 import Vector
from audiosearch.index.v1.index_service_pb2 import UpsertVectorsRequest

from gateway.clips.keeping import vectors_of
from gateway.clips.vectors import Vectors
from gateway.libraries import indexes
from gateway.libraries.indexes import Generation
from gateway.upstream import Upstream

AT_ONCE = 500
"""Vectors in one call to the index."""


class Refill:
    """Writes kept vectors of some clips into an index that lacks them.

    Each step can be repeated, and may overlap with other calls: the vectors are those that are
    there, and clips that are deleted meanwhile are removed at the end.
    """

    def __init__(
        self, upstream: Upstream, vectors: Vectors, library: Library, generation: Generation
    ) -> None:
        """Fills the indexes of a generation of a library."""
        self._upstream = upstream
        self._vectors = vectors
        self._library = library
        self._generation = generation
        self._waiting: dict[str, list[Vector]] = {index_id: [] for index_id in generation.kinds}
        self._next_part: dict[str, int] = {}
        self._windows: Counter[str] = Counter()

    async def fill(self, clips: Mapping[str, Clip]) -> set[str]:
        """Writes the kept vectors of ACTIVE clips, by their ids. Returns those that were kept."""
        kept = await self.write(clips)
        if kept:
            await self._follow({clip_id: clips[clip_id] for clip_id in kept})
        return kept

    async def write(self, clips: Mapping[str, Clip]) -> set[str]:
        """Writes kept vectors as `fill` does, of clips that nobody else changes meanwhile."""
        kept = set[str]()
        parts = self._vectors.keeping.read(self._library, self._generation, clips.keys())
        async for clip_id, part in parts:
            if part.part != self._next_part.get(clip_id, 0):
                continue  # a part is missing: the clip is embedded
            self._next_part[clip_id] = part.part + 1
            await self._add(clips[clip_id], clip_id, part)
            # Of other numbers the row is right: such a clip is embedded.
            if part.part_count and self._windows[clip_id] == (clips[clip_id].window_count or 1):
                kept.add(clip_id)
        for index_id in self._waiting:
            await self._flush(index_id)
        return kept

    async def _add(self, clip: Clip, clip_id: str, part: KeptVectors) -> None:
        windows, wholes = self._generation.windows, self._generation.wholes
        alone = not part.part and len(part.starts_ms) == 1  # the one window of a short clip
        attributes = indexes.attributes(clip)
        for start, values in vectors_of(part):
            vector = Vector(id=indexes.window_id(clip_id, start), values=values.tolist())
            if wholes and start is None and not alone:
                index_id = wholes
            else:
                index_id = windows
                self._windows[clip_id] += 1
                if wholes:
                    vector.clip_id = clip_id
                    vector.attributes.CopyFrom(attributes)
            self._waiting[index_id].append(vector)
            if len(self._waiting[index_id]) >= AT_ONCE:
                await self._flush(index_id)

    async def _flush(self, index_id: str) -> None:
        if not self._waiting[index_id]:
            return
        await self._upstream.index.UpsertVectors(
            UpsertVectorsRequest(
                index_id=index_id, model=self._generation.model, vectors=self._waiting[index_id]
            )
        )
        self._waiting[index_id].clear()

    async def _follow(self, clips: Mapping[str, Clip]) -> None:
        """Does for clips that were deleted or changed meanwhile what their own calls did before."""
        now = await self._upstream.clips.LookupClips(
            LookupClipsRequest(parent=self._library.name, clip_ids=sorted(clips))
        )
        if gone := sorted(clips.keys() - now.clips.keys()):
            await self._vectors.remove_from(self._generation, gone)
        changed = [clip for id_, clip in now.clips.items() if clip.revision != clips[id_].revision]
        await self._vectors.mirror_in(self._generation, changed)
