"""The interface of a vector store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from audiosearch.filter.v1.filter_pb2 import Condition
from audiosearch.index.v1.index_pb2 import Attributes
from numpy.typing import NDArray

from serving.errors import Reason, ServiceError

Vectors = NDArray[np.float32]
"""Unit vectors, shape (n, dimension)."""

Found = list[tuple[str, float]]
"""Ids with their cosines, in any order."""


@dataclass(frozen=True)
class IndexInfo:
    """Model and dimension of the vectors of an index, and its kind.

    Attributes:
        model: Name of the model.
        dimension: Number of values of each vector.
        windows: True for an index of windows, whose vectors have a clip and its attributes.
    """

    model: str
    dimension: int
    windows: bool = False


@dataclass(frozen=True)
class Mirror:
    """The clip of a vector in an index of windows, and the clip's attributes."""

    clip_id: str
    attributes: Attributes


@dataclass(frozen=True)
class Stored:
    """A vector as a store returns it. `clip_id` is empty in a plain index."""

    values: Sequence[float]
    clip_id: str = ""


@dataclass(frozen=True)
class Among:
    """The vectors to search among. A list that is empty does not narrow the search.

    All but `ids` are for indexes of windows.

    Attributes:
        ids: Ids of the vectors.
        clip_ids: Their clips.
        except_clip_ids: Clips to leave out.
        conditions: Conditions that each vector's attributes fulfil. They have been checked.
    """

    ids: Sequence[str] = ()
    clip_ids: Sequence[str] = ()
    except_clip_ids: Sequence[str] = ()
    conditions: Sequence[Condition] = ()


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
    too slow, INDEX_NOT_FOUND for an index that does not exist, and what adds to it STORAGE_FULL
    when its disk is full.
    """

    def create(self, index_id: str, info: IndexInfo) -> IndexInfo:
        """Creates an index if it does not exist. Returns what it is."""
        ...

    def drop(self, index_id: str) -> None:
        """Removes an index if it exists."""
        ...

    def describe(self, index_id: str, *, remembered: bool = False) -> IndexInfo:
        """Returns model, dimension and kind of an index.

        With `remembered` the answer may be out of date: use it only for a search, which checks it.
        """
        ...

    def upsert(
        self, index_id: str, ids: Sequence[str], vectors: Vectors, mirrors: Sequence[Mirror]
    ) -> None:
        """Stores the rows of `vectors` (n, dimension) under n different ids.

        `mirrors` are the n clips of an index of windows; it is empty for a plain one.
        """
        ...

    def delete(self, index_id: str, ids: Sequence[str], clip_ids: Sequence[str]) -> None:
        """Removes vectors by id and by clip. Ignores what does not exist."""
        ...

    def update(self, index_id: str, attributes: Mapping[str, Attributes]) -> int:
        """Replaces attributes by clip, on vectors that have none of a later revision.

        No vector that another call of this process deletes meanwhile comes back. One that another
        process deletes may; see docs/design.md.

        Returns:
            The number of vectors that were given other attributes.
        """
        ...

    def get(self, index_id: str, ids: Sequence[str]) -> dict[str, Stored]:
        """Reads vectors by id. Leaves out ids that do not exist."""
        ...

    def list_ids(self, index_id: str, after: str, limit: int) -> list[tuple[str, int | None]]:
        """Reads the `limit` smallest ids greater than `after`, ascending, with their revisions.

        The revision of the attributes is None in a plain index.
        """
        ...

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
        """Finds the nearest vectors of each row of `queries`.

        Args:
            index_id: The index.
            info: Model, dimension and kind that the caller expects.
            queries: Unit vectors, shape (n, dimension).
            k: Neighbors to find with the recall asked for.
            spare: Further neighbors to return.
            among: Vectors to search among.
            recall: Share of the exact k nearest that should be found.

        Raises:
            ServiceError: Also INDEX_UNAVAILABLE if the index was created anew and differs from
                `info`.
        """
        ...

    def stats(self, index_id: str) -> Stats:
        """Returns the state of an index and counts its vectors."""
        ...

    def ids(self) -> list[str]:
        """Returns the ids of all indexes."""
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


def full() -> ServiceError:
    """Returns STORAGE_FULL."""
    return ServiceError(
        Reason.STORAGE_FULL,
        "the disk of the index is full; delete something or ask the operator for room",
    )


def unavailable(why: str) -> ServiceError:
    """Returns the error for a store that is gone or too slow."""
    return ServiceError(Reason.INDEX_UNAVAILABLE, f"{why}; try again later")
