"""The simplest store that keeps the contract: exact search over arrays in memory."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np

from index_service.store import Found, IndexInfo, Stats, Vectors, not_found


class MemoryStore:
    """A VectorStore that forgets everything at its end."""

    def __init__(self) -> None:
        """Holds no index yet."""
        self._lock = threading.RLock()
        self._infos: dict[str, IndexInfo] = {}
        self._rows: dict[str, dict[str, Vectors]] = {}

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

    def upsert(self, index_id: str, ids: Sequence[str], vectors: Vectors) -> None:
        """See VectorStore."""
        with self._lock:
            self._there(index_id).update(zip(ids, vectors, strict=True))

    def delete(self, index_id: str, ids: Sequence[str]) -> None:
        """See VectorStore."""
        with self._lock:
            for vector_id in ids:
                self._there(index_id).pop(vector_id, None)

    def get(self, index_id: str, ids: Sequence[str]) -> dict[str, Sequence[float]]:
        """See VectorStore."""
        with self._lock:
            rows = self._there(index_id)
            return {vector_id: rows[vector_id].tolist() for vector_id in ids if vector_id in rows}

    def list_ids(self, index_id: str, after: str, limit: int) -> list[str]:
        """See VectorStore."""
        with self._lock:
            ids = sorted(vector_id for vector_id in self._there(index_id) if vector_id > after)
            return ids[:limit]

    def search(
        self,
        index_id: str,
        info: IndexInfo,
        queries: Vectors,
        k: int,
        spare: int,
        only_ids: Sequence[str],
        recall: float,
    ) -> list[Found]:
        """See VectorStore."""
        with self._lock:
            rows = self._there(index_id)
            ids = [vector_id for vector_id in (only_ids or rows) if vector_id in rows]
            if not ids:
                return [[] for _ in queries]
            stored = np.stack([rows[vector_id] for vector_id in ids]).astype(np.float64)
        stored /= np.linalg.norm(stored, axis=1, keepdims=True)
        scores = queries @ stored.T / np.linalg.norm(queries, axis=1, keepdims=True)
        return [
            sorted(zip(ids, row.tolist(), strict=True), key=lambda one: -one[1])[: k + spare]
            for row in scores
        ]

    def stats(self, index_id: str) -> Stats:
        """See VectorStore."""
        with self._lock:
            rows, size = len(self._there(index_id)), 4 * self._infos[index_id].dimension
            return Stats(rows, index_type="FLAT", store="memory", memory_bytes=rows * size)

    def product(self) -> str:
        """See VectorStore."""
        return "memory"

    def check(self) -> None:
        """See VectorStore."""

    def lost(self) -> None:
        """See VectorStore."""

    def close(self) -> None:
        """See VectorStore."""

    def _there(self, index_id: str) -> dict[str, Vectors]:
        if index_id not in self._rows:
            raise not_found(index_id)
        return self._rows[index_id]
