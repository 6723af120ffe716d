"""A stack with the services behind its gateway, to look into its indexes and make old libraries."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from audiosearch.catalog.v1 import clip_pb2, library_pb2
from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch.catalog.v1.library_pb2 import IndexState, Library
from audiosearch.embedding.v1 import embedding_service_pb2
from audiosearch.filter.v1.filter_pb2 import Condition
from audiosearch.gateway.v1.migration_pb2 import MigrateLibraryRequest
from audiosearch.index.v1 import index_service_pb2 as index_pb2
from audiosearch.index.v1.index_service_pb2_grpc import IndexServiceStub
from google.protobuf.duration_pb2 import Duration

from deploy import example_sounds
from tests.end_to_end.conftest import Running
from tools.servers.catalog_stubs import CatalogStubs
from tools.servers.processes import until

_numbers = itertools.count(1)
KINDS = tuple(example_sounds.KINDS)


@dataclass(frozen=True)
class Indexed:
    """A stack, with stubs of its catalog and its index."""

    running: Running
    catalog: CatalogStubs
    index: IndexServiceStub

    @property
    def client(self) -> Any:
        """The client of its gateway."""
        return self.running.client

    def old_library(self) -> str:
        """A library as it was made before there were windows; its short name."""
        name = f"old-{next(_numbers)}"
        request = embedding_service_pb2.GetModelRequest(name="models/default")
        model = self.client.call(self.client.stubs.models.GetModel, request)
        made = library_pb2.CreateLibraryRequest(library_id=name, library=Library(model=model.name))
        assert self.catalog.libraries.CreateLibrary(made).generation == 0
        return name

    def library(self, name: str) -> Library:
        """A library as it is now."""
        request = library_pb2.GetLibraryRequest(name=f"libraries/{name}")
        return self.catalog.libraries.GetLibrary(request, timeout=30)

    def migrate(self, name: str, *, review: bool = False) -> Library:
        """Begins a migration."""
        return self.client.call(
            self.client.stubs.libraries.MigrateLibrary,
            MigrateLibraryRequest(name=f"libraries/{name}", review=review),
        )

    def tell_lost(self, name: str, indexed: int, expected: int) -> None:
        """Tells that an index lacks vectors, as the worker that fills it for the next minute.

        Told once without a worker, a library is due at once, unless it is incomplete already.
        """
        library, minute = f"libraries/{name}", Duration(seconds=60)
        state = IndexState(indexed_count=indexed, expected_count=expected)
        claim = library_pb2.ClaimIndexChecksRequest(worker="a-test", lease=minute, limit=100)
        report = library_pb2.ReportIndexStateRequest
        lost = report(name=library, index_state=state)
        held = report(name=library, worker="a-test", lease=minute, index_state=state)

        def claimed() -> bool:
            self.catalog.libraries.ReportIndexState(lost)
            answer = self.catalog.libraries.ClaimIndexChecks(claim)
            return library in {each.name for each in answer.libraries}

        until(claimed)
        self.catalog.libraries.ReportIndexState(held)

    def tell_filled(self, name: str) -> None:
        """Tells that the index has all vectors."""
        request = library_pb2.ReportIndexStateRequest(
            name=f"libraries/{name}", worker="a-test", lease=Duration(seconds=1)
        )
        self.catalog.libraries.ReportIndexState(request)

    def clips(self, name: str) -> dict[str, Clip]:
        """The ACTIVE clips of a library by id."""
        request = clip_pb2.ListClipsRequest(parent=f"libraries/{name}", page_size=1000)
        page = self.catalog.clips.ListClips(request, timeout=30)
        return {clip.name.rpartition("/")[2]: clip for clip in page.clips}

    def vectors(self, index_id: str) -> dict[str, int]:
        """The ids in an index, with the revisions of their attributes."""
        request = index_pb2.ListVectorsRequest(index_id=index_id, page_size=10_000)
        page = self.index.ListVectors(request, timeout=30)
        return dict(zip(page.ids, page.revisions or itertools.repeat(0), strict=False))

    def has_index(self, index_id: str) -> bool:
        """True if there is such an index."""
        try:
            self.index.GetIndexStats(index_pb2.GetIndexStatsRequest(index_id=index_id), timeout=30)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return False
            raise
        return True

    def drop_index(self, index_id: str) -> None:
        """Loses an index, as a store may."""
        self.index.DropIndex(index_pb2.DropIndexRequest(index_id=index_id), timeout=30)

    def fitting(self, library: Library, **values: str) -> set[str]:
        """Ids of the clips that the index of windows finds by attributes of these values."""
        query = index_pb2.SearchVectorsRequest.Query(values=[1.0, *[0.0] * 191])
        request = index_pb2.SearchVectorsRequest(
            index_id=f"{library.uid}_w{library.generation}",
            model=library.model,
            k=1000,
            queries=[query],
            conditions=[
                Condition(field=field.replace("__", "."), any_of=Condition.Values(values=[value]))
                for field, value in values.items()
            ],
        )
        (result,) = self.index.SearchVectors(request, timeout=30).results
        return {each.id.partition(":")[0] for each in result.neighbors}

    def differences(self, name: str) -> list[str]:
        """The differences between the rows of a library and its indexes; none if all is well.

        Those that it keeps of an earlier model are compared, too, but for the numbers of windows.
        """
        library = self.library(name)
        wrong = self._differences(library, library.generation, counted=True)
        if library.migration.kept:
            kept = self._differences(library, library.migration.generation, counted=False)
            wrong += [f"kept: {each}" for each in kept]
        return wrong

    def _differences(self, library: Library, generation: int, *, counted: bool) -> list[str]:
        clips = self.clips(library.name.removeprefix("libraries/"))
        windows = self.vectors(f"{library.uid}_w{generation}")
        wholes = self.vectors(f"{library.uid}_c{generation}")
        counts: dict[str, int] = dict.fromkeys(clips, 0)
        wrong, numbered = list[str](), set[str]()
        for id_, revision in windows.items():
            clip_id, numbers, _start = id_.partition(":")
            if clip_id not in clips:
                wrong.append(f"{id_} is of no clip")
                continue
            counts[clip_id] += 1
            if numbers:  # also of one window, the only one of a long recording that is not silent
                numbered.add(clip_id)
            if revision != clips[clip_id].revision:
                wrong.append(f"{id_} has revision {revision}, not {clips[clip_id].revision}")
        for clip_id, count in counts.items():
            if not count or (counted and count != clips[clip_id].window_count):
                wrong.append(f"{clip_id}: {count} of {clips[clip_id].window_count}")
            if (clip_id in wholes) != (clip_id in numbered):
                wrong.append(f"{clip_id}: whole {clip_id in wholes}, windows {count}")
        wrong += [f"{id_} is of no clip" for id_ in wholes.keys() - clips.keys()]
        return wrong


@contextmanager
def opened(running: Running) -> Iterator[Indexed]:
    """Opens the services behind the gateway of a stack."""
    target = running.stack.addresses.target
    with (
        grpc.insecure_channel(target("catalog")) as catalog,
        grpc.insecure_channel(target("index")) as index,
    ):
        yield Indexed(running, CatalogStubs(catalog), IndexServiceStub(index))


def short(folder: Path, number: int) -> Path:
    """A recording of one window."""
    kind = KINDS[number % len(KINDS)]
    return example_sounds.write(
        folder / f"short {number}.wav", example_sounds.make(kind, 100 + number)
    )


def long(folder: Path, number: int, seconds: float = 12.0) -> Path:
    """A recording of several windows."""
    parts, count = list[Any](), 0
    while sum(map(len, parts)) < seconds * example_sounds.RATE:
        parts.append(
            example_sounds.make(KINDS[(number + count) % len(KINDS)], 500 + number + count)
        )
        count += 1
    whole = np.concatenate(parts)[: round(seconds * example_sounds.RATE)]
    return example_sounds.write(folder / f"long {number}.wav", whole)
