"""Chooses the effort of searches in a collection, and measures what its own searches need.

The table in recall.json holds for the hardest vectors that were measured. Most collections need far
less. So the last queries are searched again in the background, with growing effort, and compared
with a search that finds nearly all. Each filter that is often used has its own measurement, as it
may let through what is near its queries, or drop it. Until then the table counts.
"""

from __future__ import annotations

import math
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
from index_service.recall import COMPARED, Curve, effort, exact_effort, in_halves, smallest
from index_service.settings import IndexSettings
from index_service.store import Among, Vectors
from serving.errors import ServiceError

log = structlog.get_logger()

_COUNT_SECONDS = 30.0  # a count that only chooses search parameters may be this old
_WAIT_SECONDS = 600.0  # from this age on, a search waits for a new one
_REMEMBERED = 10_000
_KINDS = 128  # of searches, by collection and filter, whose queries are kept: 100 vectors each
_QUERIES = 100
_OF_CALL = 10  # queries of one call that are kept: they may be parts of one recording
_MEASURE_SECONDS = 600.0  # between two measurements of a collection that is searched
_ALIKE = 1.25  # a measurement holds until the rows have become so many times more, or fewer
_RESTS = 9.0  # times as long as it measured, the background does nothing after it
_AT_ONCE = 10  # queries of one call, so that others come in between
_EFS = {
    12: (12, 16, 24, 32, 48, 72, 104, 144, 208, 304, 448, 640, 912, 1296),
    24: (24, 32, 48, 72, 104, 144, 208, 304, 448, 640, 912, 1296),
    100: (100, 144, 208, 304, 448, 640, 912, 1296, 1824),
}
"""By the neighbors that are compared: the efforts to try. Greater ones are left to the table."""

_ENOUGH = 0.9995
_SHOWN = 200  # characters of a filter in the log


@dataclass(frozen=True)
class _Kind:
    """Searches in one collection with one filter. Their queries are measured together."""

    collection: str
    kept: str
    """The filter, in Milvus' words; empty for none."""


@dataclass
class _Measured:
    """The last queries of a kind, each once, and how well they were answered."""

    queries: dict[bytes, None] = field(default_factory=dict)
    due: float = 0.0
    counts: Sequence[int] = (0, 0)
    """Rows of the collection then, and those that fit the filter."""

    curves: Mapping[int, Curve] = field(default_factory=dict)

    def holds(self, counts: Sequence[int]) -> bool:
        """Returns True if the collection is still much the same."""
        pairs = zip(self.counts, counts, strict=True)
        return all(then / _ALIKE <= now <= then * _ALIKE for then, now in pairs)


class Efforts:
    """Chooses `ef`, with what is remembered of each collection. Safe to use from several threads.

    The work in the background has one thread, for all collections. Milvus Lite, whose indexes are
    FLAT, has none: no two calls may use a collection of it at a time.
    """

    def __init__(
        self, commands: Commands, settings: IndexSettings, *, lite: bool, rests: float = _RESTS
    ) -> None:
        """Takes the commands. `lite` is True for Milvus Lite; for `rests` see `_RESTS`."""
        self._commands = commands
        self._settings = settings
        self._exact = lite and plan(0, "", settings).index_type == FLAT
        self._background = None if lite else ThreadPoolExecutor(1, "efforts")
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, int], tuple[int, float]] = {}
        self._measured: OrderedDict[_Kind, _Measured] = OrderedDict()
        self._rests = rests
        self._rested = 0.0

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
        rows, deep = max(self._count(name), 1), k + len(among.except_clip_ids)
        if not self._background:
            return effort(rows, deep, limit, recall), False
        narrowed = Among(clip_ids=among.clip_ids, conditions=among.conditions)
        kind = _Kind(name, filters.expression(narrowed, lite=False))
        fit = self._count(name, kind.kept) if kind.kept else rows
        share = fit / rows
        ef = effort(rows, deep, limit, recall, share)
        if plan(rows, "", self._settings).index_type != HNSW:
            return ef, False
        if not among.ids and share > COMPARED:
            curve = self._own(kind, (rows, fit), queries, deep)
            ef = _by(curve, limit, recall, ef)
        if not kind.kept or not in_halves(rows, share, ef):
            return ef, False
        half = self._count(name, filters.halves(kind.kept)[0]) / rows
        return ef, max(half, share - half) <= COMPARED

    def _own(self, kind: _Kind, counts: Sequence[int], queries: Vectors, k: int) -> Curve | None:
        """Returns the curve of searches of this kind for k neighbors; None while it has none."""
        mine = self._seen(kind, counts, queries)
        if not mine.holds(counts):
            return None
        return next((each for most, each in sorted(mine.curves.items()) if k <= most), None)

    def _seen(self, kind: _Kind, counts: Sequence[int], queries: Vectors) -> _Measured:
        """Keeps some of the queries, and begins a measurement when it is due."""
        now = time.monotonic()
        with self._lock:
            mine = self._measured.pop(kind, None) or _Measured()
            self._measured[kind] = mine
            if len(self._measured) > _KINDS:
                self._measured.popitem(last=False)
            for query in queries[:: -(-len(queries) // _OF_CALL)]:
                mine.queries[query.tobytes()] = None
            while len(mine.queries) > _QUERIES:
                del mine.queries[next(iter(mine.queries))]
            if now < max(mine.due, self._rested) or len(mine.queries) < _QUERIES:
                return mine
            mine.due, self._rested = now + _MEASURE_SECONDS, math.inf
            kept = np.stack([np.frombuffer(each, queries.dtype) for each in mine.queries])
        self._later(kind.collection, lambda: self._measure(kind, mine, counts, kept))
        return mine

    def _measure(
        self, kind: _Kind, mine: _Measured, counts: Sequence[int], queries: Vectors
    ) -> None:
        """Searches with the last queries, and keeps the recall by effort."""
        start = time.monotonic()
        try:
            mine.curves = self._curves(kind, counts[1] / counts[0], queries)
            mine.counts = counts
        finally:
            seconds = time.monotonic() - start
            self._rested = time.monotonic() + self._rests * seconds
        log.info(
            "recall.measured",
            collection=kind.collection,
            rows=counts[0],
            filter=kind.kept[:_SHOWN],
            fit=counts[1],
            curves=mine.curves,
            seconds=round(seconds, 1),
        )

    def _curves(self, kind: _Kind, share: float, queries: Vectors) -> dict[int, Curve]:
        exact = self._found(kind, share, queries, max(_EFS), exact_effort(share))
        curves: dict[int, Curve] = {}
        for k, efs in _EFS.items():
            curves[k] = {}
            for ef in efs:
                curves[k][ef] = certain_recall(self._found(kind, share, queries, k, ef), exact, k)
                if curves[k][ef] >= _ENOUGH:
                    break
        return curves

    def _found(
        self, kind: _Kind, share: float, queries: Vectors, k: int, ef: int
    ) -> list[list[str]]:
        at_once = max(1, int(_AT_ONCE * share))
        return [
            [vector_id for vector_id, _ in each]
            for start in range(0, len(queries), at_once)
            for each in self._commands.search(
                kind.collection, queries[start : start + at_once], k, kind.kept, {"ef": ef}
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


def _by(curve: Curve | None, limit: int, recall: float, by_table: int) -> int:
    """Returns the effort by a curve of measurements, or by the table if there is none."""
    if curve is None:
        return by_table
    ef = smallest(curve, recall)
    return max(by_table, *curve) if ef is None else max(ef, limit)


def certain_recall(found: Sequence[Sequence[str]], exact: Sequence[Sequence[str]], k: int) -> float:
    """Returns the mean recall over queries, less its standard error.

    Args:
        found: Ids for each query, k or fewer.
        exact: The nearest ids for each query, in order, as many or more.
        k: Neighbors that were asked for.
    """
    shares = [
        len(set(ids) & set(truth[:k])) / max(len(truth[:k]), 1)
        for ids, truth in zip(found, exact, strict=True)
    ]
    return round(float(np.mean(shares) - np.std(shares) / np.sqrt(len(shares))), 4)
