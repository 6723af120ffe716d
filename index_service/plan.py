"""Which kind of index a number of vectors asks for, and what it takes in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from index_service.settings import IndexSettings

FLAT, HNSW = "FLAT", "HNSW"
_LINKS = {"M": "16", "efConstruction": "200"}
_ROW_BYTES = 100  # id, its place in the table of keys, time stamp; `make bench-index` compares
_LINK_BYTES = 4
_UPPER_LAYERS = 1.07  # a vector has a further M links with chance 1/M at each layer


@dataclass(frozen=True)
class Plan:
    """An index type in Milvus' words, and its build parameters."""

    index_type: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def plan(rows: int, present: str, settings: IndexSettings) -> Plan:
    """The index that `rows` vectors should have.

    Milvus builds an index for each segment of a collection, and segments are bounded (some 650,000
    vectors of 192 values), so from HNSW on parameters need not change with the rows. Going back to
    FLAT takes half the rows, so that an index at the limit is not rebuilt again and again.
    """
    limit = settings.flat_rows / 2 if present == HNSW else settings.flat_rows
    small = settings.milvus_host is None or rows <= limit
    kind: str = settings.index_type or (FLAT if small else HNSW)
    return Plan(kind, _LINKS if kind == HNSW else {})


def memory_bytes(index_type: str, parameters: Mapping[str, str], rows: int, dimension: int) -> int:
    """An estimate of the memory that the vectors, their links and ids take in Milvus."""
    row = 4 * dimension + _ROW_BYTES
    if index_type == HNSW:
        row += round(2 * int(parameters.get("M", 16)) * _LINK_BYTES * _UPPER_LAYERS)
    return rows * row
