"""The steps that need the four services and a library of full size."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from audiosearch.embedding.v1.embedding_service_pb2 import ListModelsRequest

from tools.benchmarks import index_filtered, long_recordings, search_grouped
from tools.benchmarks.experiment import (
    demo,
    end_to_end,
    growth,
    ingest,
    search,
)
from tools.benchmarks.experiment.encoder import MISSING
from tools.benchmarks.experiment.filled import NAME, Filled
from tools.benchmarks.experiment.results import LeftOutError
from tools.benchmarks.experiment.run import Run
from tools.benchmarks.experiment.stack import Servers, Stack
from tools.benchmarks.vector_executor import PEER, installed, with_threads

if TYPE_CHECKING:
    from pymilvus import MilvusClient


NO_SERVERS = "Milvus Lite lets one process open a file, and that is the index service"
QUERIES = 16


class Measuring:
    """Measures on one stack, which is empty at first."""

    def __init__(self, run: Run, stack: Stack) -> None:
        """Takes the run and its stack."""
        self._run = run
        self._stack = stack
        self._wavs = ingest.queries(run.work / "queries", QUERIES)
        self._filled = Filled(stack, run.settings.rows)
        self._searches = end_to_end.Searches(stack, NAME, self._wavs)

    def run(self) -> None:
        """Measures all steps that are asked for."""
        step, settings = self._run.step, self._run.settings
        step("segments", lambda: long_recordings.measure(self._stack, settings))
        for size in settings.sizes if self._run.needs_a_library else ():
            if size == settings.rows or self._run.wanted(f"growth/{size}"):
                grown = self._filled.grow(size)
                step(
                    f"growth/{size}",
                    partial(growth.measure, self._filled, self._searches, grown, settings),
                )
        step("search/index service", lambda: self._run.curve(search.ours(self._filled)))
        step(
            "search/bare pymilvus", lambda: self._run.curve(search.bare(self._filled, self._milvus))
        )
        step("search/wrapping", self._wrapping)
        step("search/filtered", self._filtered)
        step("search/grouped", self._grouped)
        step("end-to-end", self._end_to_end)
        step("ingest", self._ingest)
        # Last: the demo's index takes Milvus half an hour, and memory that ours would lack.
        step("search/demo", lambda: self._run.curve(demo.route(self._demo, settings)))
        step("end-to-end/demo", self._beside_demo)

    @property
    def _servers(self) -> Servers:
        if self._stack.servers is None:
            raise LeftOutError(NO_SERVERS)
        return self._stack.servers

    @cached_property
    def _milvus(self) -> MilvusClient:
        return self._servers.client()

    @property
    def _demo(self) -> MilvusClient:
        """Milvus, after the demo's collection is made."""
        if why := self._demo_lacks:
            raise LeftOutError(why)
        return self._milvus

    @cached_property
    def _demo_lacks(self) -> str | None:
        """Makes the demo's collection. The reason if that failed, else None."""
        try:
            demo.fill_milvus(self._milvus, self._filled.stored, self._run.settings)
        except LeftOutError as error:
            return str(error)
        return None

    def _wrapping(self) -> dict[str, Any]:
        return search.wrapping(self._filled, self._milvus, self._run.data, self._run.settings)

    def _filtered(self) -> dict[str, Any]:
        return index_filtered.measure(self._filled, self._run.data, self._run.settings)

    def _grouped(self) -> dict[str, Any]:
        return search_grouped.measure(self._filled, self._run.data, self._run.settings)

    def _end_to_end(self) -> dict[str, Any]:
        (model,) = self._stack.embedding.ListModels(ListModelsRequest()).models
        measured = end_to_end.measure(self._searches, self._run.settings.searches)
        return {"model": model.display_name, "precision": model.precision, **measured}

    def _beside_demo(self) -> dict[str, Any]:
        servers, settings = self._servers, self._run.settings
        if not installed():
            raise LeftOutError(MISSING)
        checkpoint = self._run.official.made()
        with with_threads(checkpoint) as executors, self._table(servers) as table:
            pipeline = demo.Pipeline(executors[PEER], self._demo, table)
            pipeline.search(self._wavs[0])
            as_it_is = [pipeline.search(wav)["mysql"] for wav in self._wavs[:3]]
            table.add_index()
            pipeline.search(self._wavs[0])
            beside = end_to_end.beside(self._searches, pipeline, self._wavs, settings.searches // 2)
            many = end_to_end.embedding(executors.values(), self._wavs)
        return {
            **beside,
            "mysql_without_an_index_ms": sorted(as_it_is)[1],
            "embedding_all_cores_ms": many[-1],
        }

    @contextmanager
    def _table(self, servers: Servers) -> Iterator[demo.Table]:
        table = demo.Table(servers, self._run.settings.rows)
        try:
            yield table
        finally:
            table.close()

    def _ingest(self) -> dict[str, Any]:
        settings = self._run.settings
        return {
            "import": ingest.import_rate(self._stack, NAME, settings.clips),
            "upload": ingest.time_to_searchable(self._stack, NAME, 5 if settings.quick else 50),
        }
