"""The simplest store that keeps the contract: exact search over arrays in memory."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch.embedding.v1.embedding_pb2 import AudioProperties
from audiosearch.index.v1.index_pb2 import Attributes

from index_service.store import (
    Among,
    Found,
    IndexInfo,
    Mirror,
    Stats,
    Stored,
    Vectors,
    not_found,
)
from serving.conditions import fits

_NONE = Mirror("", Attributes())


@dataclass(frozen=True)
class _Row:
    """A vector with its clip."""

    vector: Vectors
    mirror: Mirror


class MemoryStore:
    """A VectorStore that forgets everything at its end."""

    def __init__(self) -> None:
        """Holds no index yet."""
        self._lock = threading.RLock()
        self._infos: dict[str, IndexInfo] = {}
        self._rows: dict[str, dict[str, _Row]] = {}

    def create(self, index_id: str, info: IndexInfo) -> IndexInfo:
        """See VectorStore."""
        with self._lock:
            self._rows.setdefault(index_id, {})
            return self._infos.setdefault(index_id, info)

    def drop(self, index_id: str) -> None:
        """See VectorStore."""
        with self._lock:
            self._rows.pop(index_id, None)
            self._infos.pop(index_id, None)

    def describe(self, index_id: str, *, remembered: bool = False) -> IndexInfo:
        """See VectorStore."""
        with self._lock:
            if index_id not in self._infos:
                raise not_found(index_id)
            return self._infos[index_id]

    def upsert(
        self, index_id: str, ids: Sequence[str], vectors: Vectors, mirrors: Sequence[Mirror]
    ) -> None:
        """See VectorStore."""
        with self._lock:
            there = self._there(index_id)
            for vector_id, vector, mirror in zip(
                ids, vectors, mirrors or [_NONE] * len(ids), strict=True
            ):
                there[vector_id] = _Row(vector, mirror)

    def delete(self, index_id: str, ids: Sequence[str], clip_ids: Sequence[str]) -> None:
        """See VectorStore."""
        with self._lock:
            rows = self._there(index_id)
            of_clips = [one for one, row in rows.items() if row.mirror.clip_id in clip_ids]
            for vector_id in (*ids, *of_clips):
                rows.pop(vector_id, None)

    def update(self, index_id: str, attributes: Mapping[str, Attributes]) -> int:
        """See VectorStore."""
        with self._lock:
            rows, updated = self._there(index_id), 0
            for vector_id, row in rows.items():
                clip_id, old = row.mirror.clip_id, row.mirror.attributes
                new = attributes.get(clip_id, old)
                if new.revision >= old.revision and new != old:
                    rows[vector_id] = _Row(row.vector, Mirror(clip_id, new))
                    updated += 1
            return updated

    def get(self, index_id: str, ids: Sequence[str]) -> dict[str, Stored]:
        """See VectorStore."""
        with self._lock:
            rows = self._there(index_id)
            return {
                vector_id: Stored(rows[vector_id].vector.tolist(), rows[vector_id].mirror.clip_id)
                for vector_id in ids
                if vector_id in rows
            }

    def list_ids(self, index_id: str, after: str, limit: int) -> list[tuple[str, int | None]]:
        """See VectorStore."""
        with self._lock:
            rows, windows = self._there(index_id), self._infos[index_id].windows
            ids = sorted(vector_id for vector_id in rows if vector_id > after)[:limit]
            return [(one, rows[one].mirror.attributes.revision if windows else None) for one in ids]

    def search(
        self,
        index_id: str,
        info: IndexInfo,
        queries: Vectors,
        k: int,
        spare: int,
        among: Among,
        recall: float,
    ) -> list[Found]:
        """See VectorStore."""
        with self._lock:
            rows = {
                one: row for one, row in self._there(index_id).items() if _fits(one, row, among)
            }
        if not rows:
            return [[] for _ in queries]
        stored = np.stack([row.vector for row in rows.values()]).astype(np.float64)
        stored /= np.linalg.norm(stored, axis=1, keepdims=True)
        scores = queries @ stored.T / np.linalg.norm(queries, axis=1, keepdims=True)
        return [
            sorted(zip(rows, row.tolist(), strict=True), key=lambda one: -one[1])[: k + spare]
            for row in scores
        ]

    def stats(self, index_id: str) -> Stats:
        """See VectorStore."""
        with self._lock:
            rows, size = len(self._there(index_id)), 4 * self._infos[index_id].dimension
            return Stats(rows, index_type="FLAT", store="memory", memory_bytes=rows * size)

    def ids(self) -> list[str]:
        """See VectorStore."""
        with self._lock:
            return sorted(self._infos)

    def product(self) -> str:
        """See VectorStore."""
        return "memory"

    def check(self) -> None:
        """See VectorStore."""

    def lost(self) -> None:
        """See VectorStore."""

    def close(self) -> None:
        """See VectorStore."""

    def _there(self, index_id: str) -> dict[str, _Row]:
        if index_id not in self._rows:
            raise not_found(index_id)
        return self._rows[index_id]


def _fits(vector_id: str, row: _Row, among: Among) -> bool:
    clip_id = row.mirror.clip_id
    return (
        (not among.ids or vector_id in among.ids)
        and (not among.clip_ids or clip_id in among.clip_ids)
        and clip_id not in among.except_clip_ids
        and fits(clip_of(row.mirror.attributes), among.conditions)
    )


def clip_of(attributes: Attributes) -> Clip:
    """Returns the clip that has these attributes."""
    clip = Clip(
        display_name=attributes.display_name,
        label=attributes.label,
        speaker=attributes.speaker,
        source=attributes.source,
        enrolled_speaker=f"libraries/l/speakers/{attributes.enrolled_speaker}",
        metadata=attributes.metadata,
        tags=attributes.tags,
        create_time=attributes.create_time,
    )
    if attributes.HasField("duration"):
        clip.audio.CopyFrom(AudioProperties(duration=attributes.duration))
    return clip
