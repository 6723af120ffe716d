"""Indexes in this process, without a server: the lower limit of the time of a search."""

from __future__ import annotations

import importlib
import os
import time
from typing import Any

import numpy as np

from tools.benchmarks.experiment.results import LeftOutError
from tools.benchmarks.experiment.search import EFS, Ask, Route
from tools.benchmarks.experiment.settings import K
from tools.benchmarks.index_recall import HNSW, say

PROBES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
LISTS = 4096
CORES = os.cpu_count() or 1


def package(name: str) -> Any:
    """Imports a package. Raises LeftOutError if it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise LeftOutError(f"{name} is not installed: run pip install '.[bench]'") from None


def _threads(queries: np.ndarray) -> int:
    """Returns one thread for one query, all cores for many."""
    return 1 if len(queries) == 1 else CORES


def _hnswlib(hnswlib: Any, stored: np.ndarray) -> Route:
    """Builds the same type of index as the server's."""
    index = hnswlib.Index(space="ip", dim=stored.shape[1])
    index.init_index(len(stored), M=HNSW["M"], ef_construction=HNSW["efConstruction"])
    start = time.monotonic()
    for first in range(0, len(stored), 50_000):
        part = stored[first : first + 50_000]
        index.add_items(part, np.arange(first, first + len(part)))
        rate = (first + len(part)) / (time.monotonic() - start)
        say(f"hnswlib: {first + len(part):,} rows, {rate:,.0f} a second")

    def at(ef: int) -> Ask:
        index.set_ef(ef)

        def ask(queries: np.ndarray) -> list[list[int]]:
            found, _ = index.knn_query(queries, k=K, num_threads=_threads(queries))
            return found.tolist()

        return ask

    return Route("hnswlib, in process", "ef", EFS, at)


def _faiss(faiss: Any, stored: np.ndarray) -> Route:
    """Builds an index of inverted lists."""
    lists = min(LISTS, max(1, len(stored) // 40))
    index = faiss.index_factory(stored.shape[1], f"IVF{lists},Flat", faiss.METRIC_INNER_PRODUCT)
    start = time.monotonic()
    faiss.omp_set_num_threads(CORES)
    index.train(stored[: 40 * lists])
    index.add(stored)
    say(f"faiss: {len(stored) / (time.monotonic() - start):,.0f} rows a second")

    def at(probes: int) -> Ask:
        index.nprobe = probes

        def ask(queries: np.ndarray) -> list[list[int]]:
            faiss.omp_set_num_threads(_threads(queries))
            return index.search(queries, K)[1].tolist()

        return ask

    return Route(f"faiss IVF{lists}, in process", "nprobe", PROBES, at)


ROUTES = {"hnswlib": _hnswlib, "faiss": _faiss}
"""Functions that build an index from a package and the vectors, by the name of the package."""
