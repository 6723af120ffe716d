"""The interface of a vector store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from serving.errors import Reason, ServiceError

Vectors = NDArray[np.float32]
"""Unit vectors, shape (n, dimension)."""

Found = list[tuple[str, float]]
"""Ids with their cosines, in any order."""


@dataclass(frozen=True)
class IndexInfo:
    """Model and dimension of the vectors of an index."""

    model: str
    dimension: int


@dataclass(frozen=True)
class Stats:
    """The present state of an index.

    Attributes:
        count: Number of vectors.
        index_type: Type of the index in Milvus' words.
        store: Name and version of the store.
        parameters: Build parameters of the index.
        memory_bytes: Estimate of its memory.
        pending: Vectors not yet built into the index; a search compares with each of them.
    """

    count: int
    index_type: str
    store: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    memory_bytes: int = 0
    pending: int = 0


class VectorStore(Protocol):
    """Indexes of unit vectors under string ids, compared by cosine.

    All methods block, may be called from several threads at a time, and see every write that
    returned before the call. They raise ServiceError: INDEX_UNAVAILABLE when the store is gone or
    too slow, INDEX_NOT_FOUND for an index that does not exist.
    """

    def create(self, index_id: str, info: IndexInfo) -> IndexInfo:
        """Creates an index if it does not exist. Returns its model and dimension."""
        ...

    def drop(self, index_id: str) -> None:
        """Removes an index if it exists."""
        ...

    def describe(self, index_id: str, *, remembered: bool = False) -> IndexInfo:
        """Returns model and dimension of an index.

        With `remembered` the answer may be out of date: use it only for a search, which checks it.
        """
        ...

    def upsert(self, index_id: str, ids: Sequence[str], vectors: Vectors) -> None:
        """Stores the rows of `vectors` (n, dimension) under n different ids."""
        ...

    def delete(self, index_id: str, ids: Sequence[str]) -> None:
        """Removes vectors. Ignores ids that do not exist."""
        ...

    def get(self, index_id: str, ids: Sequence[str]) -> dict[str, Sequence[float]]:
        """Reads vectors by id. Leaves out ids that do not exist."""
        ...

    def list_ids(self, index_id: str, after: str, limit: int) -> list[str]:
        """Reads the `limit` smallest ids greater than `after`, ascending."""
        ...

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
        """Finds the nearest vectors of each row of `queries`.

        Args:
            index_id: The index.
            info: Model and dimension that the caller expects.
            queries: Unit vectors, shape (n, dimension).
            k: Neighbors to find with the recall asked for.
            spare: Further neighbors to return.
            only_ids: Ids to search among; empty searches all.
            recall: Share of the exact k nearest that should be found.

        Raises:
            ServiceError: Also INDEX_UNAVAILABLE if the index was created anew and differs from
                `info`.
        """
        ...

    def stats(self, index_id: str) -> Stats:
        """Returns the state of an index and counts its vectors."""
        ...

    def product(self) -> str:
        """Returns name and version of the store."""
        ...

    def check(self) -> None:
        """Checks that the store answers."""
        ...

    def lost(self) -> ServiceError | None:
        """Returns the error of all calls while the store is known to be gone. Never waits."""
        ...

    def close(self) -> None:
        """Closes the store. No method may be called after."""
        ...


def not_found(index_id: str) -> ServiceError:
    """Returns the error for an index that does not exist."""
    return ServiceError(
        Reason.INDEX_NOT_FOUND,
        f"there is no index '{index_id}': create it first",
        {"index_id": index_id},
    )


def busy() -> ServiceError:
    """The error for a call that finds the queue in front of the store full."""
    return ServiceError(
        Reason.INDEX_BUSY, "too many calls wait for the store already; try again later"
    )


def unavailable(why: str) -> ServiceError:
    """Returns the error for a store that is gone or too slow."""
    return ServiceError(Reason.INDEX_UNAVAILABLE, f"{why}; try again later")
