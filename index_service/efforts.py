"""Chooses the effort of searches in a collection, and measures what its own searches need.

The table in recall.json holds for the hardest vectors that were measured. Most collections need far
less. So the last queries are searched again in the background, with growing effort, and compared
with a search that finds nearly all. Until then, and with a filter, the table counts.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
import structlog

from index_service import filters, mirror
from index_service.commands import Commands
from index_service.connection import NoCollectionError, NotLoadedError
from index_service.plan import FLAT, HNSW, plan
from index_service.recall import COMPARED, Curve, effort, in_halves, smallest
from index_service.settings import IndexSettings
from index_service.store import Among, Vectors
from serving.errors import ServiceError

log = structlog.get_logger()

_COUNT_SECONDS = 30.0  # a count that only chooses search parameters may be this old
_WAIT_SECONDS = 600.0  # from this age on, a search waits for a new one
_REMEMBERED = 10_000
_COLLECTIONS = 64  # whose queries are kept: 100 vectors each
_QUERIES = 100
_OF_CALL = 10  # queries of one call that are kept: they may be parts of one recording
_MEASURE_SECONDS = 600.0  # between two measurements of a collection that is searched
_ALIKE = 1.25  # a measurement holds until the rows have become so many times more, or fewer
_AT_ONCE = 10  # queries of one call, so that others come in between
_EFS = {
    12: (12, 16, 24, 32, 48, 72, 104, 144, 208, 304, 448),
    24: (24, 32, 48, 72, 104, 144, 208, 304, 448, 640),
    100: (100, 144, 208, 304, 448, 640, 912, 1296),
}
"""By the neighbors that are compared: the efforts to try. Greater ones are left to the table."""

_EXACT = 2048  # finds 0.996 of the 100 nearest, and more of fewer, in the hardest measured vectors
_ENOUGH = 0.9995


@dataclass
class _Measured:
    """The last queries of a collection, each once, and how well they were answered."""

    queries: dict[bytes, None] = field(default_factory=dict)
    due: float = 0.0
    rows: int = 0
    curves: Mapping[int, Curve] = field(default_factory=dict)


class Efforts:
    """Chooses `ef`, with what is remembered of each collection. Safe to use from several threads.

    The work in the background has one thread, for all collections. Milvus Lite, whose indexes are
    FLAT, has none: no two calls may use a collection of it at a time.
    """

    def __init__(self, commands: Commands, settings: IndexSettings, *, lite: bool) -> None:
        """Takes the commands. `lite` is True for Milvus Lite."""
        self._commands = commands
        self._settings = settings
        self._exact = lite and plan(0, "", settings).index_type == FLAT
        self._background = None if lite else ThreadPoolExecutor(1, "efforts")
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, int], tuple[int, float]] = {}
        self._measured: OrderedDict[str, _Measured] = OrderedDict()

    def close(self) -> None:
        """Drops what waits, and lets what runs end."""
        if self._background:
            self._background.shutdown(wait=True, cancel_futures=True)

    def choose(
        self, name: str, queries: Vectors, k: int, limit: int, among: Among, recall: float
    ) -> tuple[int, bool]:
        """Returns the `ef` of a search, and True if it is better made in halves of its filter.

        The more rows the filter drops, the greater is `ef`. Clips are left out because they were
        found, so they are as near as what is searched now.
        """
        if self._exact:
            return limit, False
        rows, deep = self._count(name), k + len(among.except_clip_ids)
        narrowed = among.conditions or among.clip_ids
        if self._background and not narrowed and not among.ids:
            return self._own(name, rows, queries, deep, limit, recall), False
        if not self._background or not narrowed:
            return effort(rows, deep, limit, recall), False
        kept = filters.expression(
            Among(clip_ids=among.clip_ids, conditions=among.conditions), lite=False
        )
        share = self._count(name, kept) / max(rows, 1)
        ef = effort(rows, deep, limit, recall, share)
        if plan(rows, "", self._settings).index_type != HNSW or not in_halves(rows, share, ef):
            return ef, False
        half = self._count(name, filters.halves(kept)[0]) / rows
        return ef, max(half, share - half) <= COMPARED

    def _own(
        self, name: str, rows: int, queries: Vectors, k: int, limit: int, recall: float
    ) -> int:
        """The effort by this collection's own curve, by the table while it has none."""
        by_table = effort(rows, k, limit, recall)
        if plan(rows, "", self._settings).index_type != HNSW:
            return by_table
        mine = self._seen(name, queries)
        alike = mine.rows / _ALIKE <= rows <= mine.rows * _ALIKE
        curve = next((each for most, each in sorted(mine.curves.items()) if k <= most), None)
        if curve is None or not alike:
            return by_table
        ef = smallest(curve, recall)
        return max(by_table, *curve) if ef is None else max(ef, limit)

    def _seen(self, name: str, queries: Vectors) -> _Measured:
        """Keeps some of the queries, and begins a measurement when it is due."""
        now = time.monotonic()
        with self._lock:
            mine = self._measured.pop(name, None) or _Measured()
            self._measured[name] = mine
            if len(self._measured) > _COLLECTIONS:
                self._measured.popitem(last=False)
            for query in queries[:: -(-len(queries) // _OF_CALL)]:
                mine.queries[query.tobytes()] = None
            while len(mine.queries) > _QUERIES:
                del mine.queries[next(iter(mine.queries))]
            if now < mine.due or len(mine.queries) < _QUERIES:
                return mine
            mine.due = now + _MEASURE_SECONDS
            kept = np.stack([np.frombuffer(each, queries.dtype) for each in mine.queries])
        self._later(name, lambda: self._measure(name, mine, kept))
        return mine

    def _measure(self, name: str, mine: _Measured, queries: Vectors) -> None:
        """Searches with the last queries, and keeps the recall by effort."""
        start, rows = time.monotonic(), self._commands.count(name)
        exact = self._found(name, queries, max(_EFS), _EXACT)
        curves: dict[int, Curve] = {}
        for k, efs in _EFS.items():
            curves[k] = {}
            for ef in efs:
                curves[k][ef] = certain_recall(self._found(name, queries, k, ef), exact)
                if curves[k][ef] >= _ENOUGH:
                    break
        mine.rows, mine.curves = rows, curves
        seconds = round(time.monotonic() - start, 1)
        log.info("recall.measured", collection=name, rows=rows, curves=curves, seconds=seconds)

    def _found(self, name: str, queries: Vectors, k: int, ef: int) -> list[list[str]]:
        return [
            [vector_id for vector_id, _ in each]
            for start in range(0, len(queries), _AT_ONCE)
            for each in self._commands.search(
                name, queries[start : start + _AT_ONCE], k, "", {"ef": ef}
            )
        ]

    def _count(self, name: str, among: str = "") -> int:
        """Returns the number of a collection's vectors that fit a filter, a while ago.

        Only the first search with a filter waits for it, and one after a long time without any.
        """
        key, now = (name, mirror.hashed(among)), time.monotonic()
        count, due = self._counts.get(key, (0, -_WAIT_SECONDS))
        if now <= due:
            return count
        if self._background is None or now > due + _WAIT_SECONDS:
            return self._counted(key, among)
        self._counts[key] = count, now + _COUNT_SECONDS  # no other call counts meanwhile
        self._later(name, lambda: self._counted(key, among))
        return count

    def _counted(self, key: tuple[str, int], among: str) -> int:
        count = self._commands.count(key[0], among)
        if len(self._counts) >= _REMEMBERED:
            self._counts.clear()
        self._counts[key] = count, time.monotonic() + _COUNT_SECONDS
        return count

    def _later(self, name: str, work: Callable[[], object]) -> None:
        def run() -> None:
            try:
                work()
            except (NoCollectionError, NotLoadedError, ServiceError) as error:
                log.info("recall.postponed", collection=name, why=str(error))

        if self._background:
            with suppress(RuntimeError):  # the service is ending
                self._background.submit(run)


def certain_recall(found: Sequence[Sequence[str]], exact: Sequence[Sequence[str]]) -> float:
    """Returns the mean recall over queries, less its standard error.

    Args:
        found: Ids for each query, k or fewer.
        exact: The nearest ids for each query, in order, as many or more.
    """
    shares = [
        len(set(ids) & set(truth[: len(ids)])) / max(len(ids), 1)
        for ids, truth in zip(found, exact, strict=True)
    ]
    return round(float(np.mean(shares) - np.std(shares) / np.sqrt(len(shares))), 4)
