"""What the service needs of a vector store, whichever it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from serving.errors import Reason, ServiceError

Vectors = NDArray[np.float32]
"""Unit vectors, one a row."""

Found = list[tuple[str, float]]
"""Ids with their cosine, in no promised order."""


@dataclass(frozen=True)
class IndexInfo:
    """What an index was made for."""

    model: str
    dimension: int


@dataclass(frozen=True)
class Stats:
    """The present state of an index: rows counted now, its Milvus type, and the store behind it.

    `memory_bytes` is an estimate; `pending` are rows still to be built into the index, which are
    searched by comparing with each.
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
    returned before they were called. They raise ServiceError: INDEX_UNAVAILABLE when the store is
    gone or too slow, INDEX_NOT_FOUND for an index that is not there.
    """

    def create(self, index_id: str, info: IndexInfo) -> IndexInfo:
        """Makes an index if it is not there; returns what the one there was made for."""
        ...

    def drop(self, index_id: str) -> None:
        """Removes an index, if it is there."""
        ...

    def describe(self, index_id: str, *, remembered: bool = False) -> IndexInfo:
        """Says what an index was made for.

        For a search that follows it may be `remembered`: that notices if it is no longer so.
        """
        ...

    def upsert(self, index_id: str, ids: Sequence[str], vectors: Vectors) -> None:
        """Stores one vector, a row of `vectors` (n, dimension), under each of n different ids."""
        ...

    def delete(self, index_id: str, ids: Sequence[str]) -> None:
        """Removes vectors; ids that are not there are passed over."""
        ...

    def get(self, index_id: str, ids: Sequence[str]) -> dict[str, Sequence[float]]:
        """Reads vectors by id; ids that are not there are left out."""
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
        """Finds the `k + spare` nearest for each row of `queries` (n, dimension).

        Looks only among `only_ids`, unless that is empty. `recall` is the share of the exact k
        nearest that should be among them. INDEX_UNAVAILABLE if the index is no longer what `info`
        says, because it was made anew.
        """
        ...

    def stats(self, index_id: str) -> Stats:
        """Describes an index and counts its vectors."""
        ...

    def product(self) -> str:
        """Name and version of what keeps the vectors."""
        ...

    def check(self) -> None:
        """Asks the store for a sign of life."""
        ...

    def lost(self) -> ServiceError | None:
        """The error of all calls while the store is known to be gone; asks nothing, never waits."""
        ...

    def close(self) -> None:
        """Lets go of the store. Nothing may be called after."""
        ...


def not_found(index_id: str) -> ServiceError:
    """The error for an index that is not there."""
    return ServiceError(
        Reason.INDEX_NOT_FOUND,
        f"there is no index '{index_id}': create it first",
        {"index_id": index_id},
    )


def unavailable(why: str) -> ServiceError:
    """The error for a store that is gone or too slow."""
    return ServiceError(Reason.INDEX_UNAVAILABLE, f"{why}; try again later")
