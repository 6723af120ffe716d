"""Chooses the type of an index by its number of vectors, and estimates its memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from index_service.settings import IndexSettings

FLAT, HNSW = "FLAT", "HNSW"
_LINKS = {"M": "16", "efConstruction": "200"}
_ROW_BYTES = 100  # id, its entry in the table of keys, time stamp; see `make bench-index`
_MIRROR_BYTES = 700  # a clip and its attributes, of usual lengths
_LINK_BYTES = 4
_UPPER_LAYERS = 1.07  # at each layer, one of M vectors has M more links


@dataclass(frozen=True)
class Plan:
    """An index type in Milvus' words, and its build parameters."""

    index_type: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def plan(rows: int, present: str, settings: IndexSettings) -> Plan:
    """Returns the type and parameters that an index of `rows` vectors should have.

    Milvus builds an index for each segment of a collection. A segment holds at most some 650,000
    vectors of 192 values, so the parameters of HNSW need not change with the rows. An HNSW index
    becomes FLAT again at half the limit, so that one near the limit is not rebuilt repeatedly.

    Args:
        rows: Number of vectors.
        present: Milvus' type of the index now; empty if there is none yet.
        settings: Settings of the service.
    """
    limit = settings.flat_rows / 2 if present == HNSW else settings.flat_rows
    small = settings.milvus_host is None or rows <= limit
    kind: str = settings.index_type or (FLAT if small else HNSW)
    return Plan(kind, _LINKS if kind == HNSW else {})


def memory_bytes(
    index_type: str,
    parameters: Mapping[str, str],
    rows: int,
    dimension: int,
    *,
    windows: bool = False,
) -> int:
    """Estimates the memory of the vectors, their links and ids in Milvus, in bytes."""
    row = 4 * dimension + _ROW_BYTES + (_MIRROR_BYTES if windows else 0)
    if index_type == HNSW:
        row += round(2 * int(parameters.get("M", 16)) * _LINK_BYTES * _UPPER_LAYERS)
    return rows * row
