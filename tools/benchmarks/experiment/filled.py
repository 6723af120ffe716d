"""A library of the stack that is filled with many rows and vectors, past the encoder."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import grpc
import numpy as np
from audiosearch.catalog.v1 import clip_pb2, library_pb2
from audiosearch.catalog.v1.clip_pb2 import AudioObject, Clip
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.index.v1.index_pb2 import Attributes, IndexStats, Vector
from audiosearch.index.v1.index_service_pb2 import GetIndexStatsRequest, UpsertVectorsRequest

from gateway.libraries.indexes import attributes, present
from index_service import mirror
from index_service.collection_names import alias
from index_service.plan import HNSW
from tools.benchmarks.catalog_database import make_active, size_of
from tools.benchmarks.clustered import clustered, speakers_of
from tools.benchmarks.experiment.results import LeftOutError
from tools.benchmarks.experiment.stack import Stack
from tools.benchmarks.index_recall import STEADY_SECONDS, say, settle
from tools.servers.milvus_bulk import Columns, bulk_insert

NAME = "benchmark"
ROWS, VECTORS = 1000, 2000
"""Rows and vectors of one call."""

GROUPS = 100
"""Labels, and groups of speakers. Each has as many clips, nearly."""

WRITERS = 2
INDEX_SECONDS = 3600.0
"""Longest wait for an index."""

AGAIN = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)
AnswerT = TypeVar("AnswerT")


class Filled:
    """A full library, with vectors that resemble embeddings of speakers (see clustered.py)."""

    def __init__(self, stack: Stack, library: Library, rows: int, ids: Sequence[str] = ()) -> None:
        """Takes the library, the number of its clips, and their ids unless it is empty yet."""
        self.stack = stack
        self.library = library
        self.stored = clustered(rows, seed=0)
        self.ids = list(ids)
        """Ids of the clips, in the order of `stored`."""
        self._speakers = speakers_of(rows, seed=0)
        self.groups = {
            "label": np.random.default_rng(5).integers(GROUPS, size=rows),
            "speaker": self._speakers % GROUPS,
        }
        """By field, the group of each clip. A label has nothing to do with the vectors. A group of
        speakers has: the nearest vectors are all of one group."""

    @classmethod
    def made(cls, stack: Stack, rows: int) -> Filled:
        """Creates a library and fills it."""
        stubs, request = stack.client.stubs, library_pb2.CreateLibraryRequest(library_id=NAME)
        filled = cls(stack, stack.client.call(stubs.libraries.CreateLibrary, request), rows)
        filled.ids = filled._created(range(rows))
        if servers := stack.servers:
            start = time.monotonic()
            bulk_insert(
                servers.milvus, servers.folder, filled.collection_name(), rows, filled._columns
            )
            say(f"bulk insert: {rows / (time.monotonic() - start):,.0f} rows a second")
        else:
            filled._put(filled.ids, range(rows))
        # Only now: the gateway would miss the vectors of ACTIVE clips, and mend them.
        make_active(stack.catalog_settings(), filled.library.uid, failed=False)
        filled._wait(STEADY_SECONDS)
        return filled

    @classmethod
    def found(cls, stack: Stack, rows: int, ids: Sequence[str]) -> Filled:
        """Waits for a library that was filled on an earlier stack."""
        stubs, request = stack.client.stubs, library_pb2.GetLibraryRequest(name=f"libraries/{NAME}")
        filled = cls(stack, stack.client.call(stubs.libraries.GetLibrary, request), rows, ids)
        filled._wait(STEADY_SECONDS / 4)
        return filled

    def delete(self) -> None:
        """Deletes the library."""
        request = library_pb2.DeleteLibraryRequest(name=self.library.name, force=True)
        self.stack.client.call(self.stack.client.stubs.libraries.DeleteLibrary, request)

    @property
    def collection(self) -> str:
        """Milvus' name of the collection with the vectors."""
        return alias(self.index_id)

    def collection_name(self) -> str:
        """Returns Milvus' own name of that collection; `collection` is an alias."""
        assert self.stack.servers
        found = self.stack.servers.client().describe_collection(self.collection)
        return str(found["collection_name"])

    @property
    def index_id(self) -> str:
        """Id of the index that is searched."""
        return present(self.library).windows

    def row_of(self) -> dict[str, int]:
        """Returns the row of `stored` of each id."""
        return {clip_id: row for row, clip_id in enumerate(self.ids)}

    def rates(self, count: int) -> dict[str, float]:
        """Adds more rows and vectors as a user would. Returns how many of each go in a second.

        The library is another one then.
        """
        rows = len(self.ids)
        more = range(rows, rows + count)
        start = time.monotonic()
        ids = self._created(more)
        rows_in = time.monotonic()
        self._put(ids, more)
        return {
            "rows_a_second": count / (rows_in - start),
            "vectors_a_second": count / (time.monotonic() - rows_in),
        }

    def _wait(self, steady_seconds: float) -> None:
        """Waits until searches see all vectors, and use the index for nearly all if it is HNSW.

        Raises:
            LeftOutError: They do not after `INDEX_SECONDS`.
        """
        if not self.stack.servers:
            return
        client, name, rows = self.stack.servers.client(), self.collection_name(), len(self.ids)
        until = time.monotonic() + INDEX_SECONDS
        while (
            found := client.query(name, filter="", output_fields=["count(*)"])[0]["count(*)"]
        ) < rows:
            if time.monotonic() > until:
                raise LeftOutError(f"searches see {found:,} of {rows:,} vectors")
            time.sleep(1)
        if self.index_type().startswith(HNSW):
            try:
                took = settle(client, name, rows, steady_seconds, INDEX_SECONDS)
            except TimeoutError as error:
                raise LeftOutError(f"HNSW: {error}") from error
            say(f"{name}: {rows:,} rows are in their index after {took:.0f} s")

    def sizes(self) -> dict[str, float]:
        """Returns the size of the database on disk and of the index in memory, MiB."""
        stats = self._stats()
        return {
            "database_mib": size_of(self.stack.catalog_settings()) / 2**20,
            "index_estimate_mib": stats.memory_bytes / 2**20,
        }

    def vectors(self) -> int:
        """Returns the number of vectors in the index."""
        return self._stats().vector_count

    def index_type(self) -> str:
        """Returns Milvus' name of the present type of index, with its parameters."""
        stats = self._stats()
        return " ".join([stats.index_type, *(f"{k}={v}" for k, v in stats.parameters.items())])

    def _stats(self) -> IndexStats:
        request = GetIndexStatsRequest(index_id=self.index_id)
        return self.stack.index.GetIndexStats(request, timeout=300)

    def _created(self, numbers: range) -> list[str]:
        """Creates rows of clips. Returns their ids, in the order of the numbers."""
        return [clip_id for part in in_parts(numbers, ROWS, self._create) for clip_id in part]

    def _create(self, numbers: Sequence[int]) -> list[str]:
        """Creates rows of clips. A repeated batch returns the ids of rows that exist already."""
        requests = [self._new(number) for number in numbers]
        request = clip_pb2.BatchCreateClipsRequest(parent=self.library.name, requests=requests)
        answer = patiently(lambda: self.stack.catalog.clips.BatchCreateClips(request, timeout=300))
        assert {each.failure.reason for each in answer.outcomes} <= {"", "CLIP_EXISTS"}
        return [each.clip.name.rpartition("/")[2] for each in answer.outcomes]

    def _new(self, number: int) -> clip_pb2.CreateClipRequest:
        row = number % len(self.stored)
        speaker = f"s{self._speakers[row]}"
        name = f"{speaker}-{number}.wav"
        digest = hashlib.sha256(name.encode()).hexdigest()
        return clip_pb2.CreateClipRequest(
            clip=Clip(
                display_name=name,
                source=f"{speaker}/{name}",
                **{field: str(groups[row]) for field, groups in self.groups.items()},
            ),
            audio_object=AudioObject(sha256=digest, size_bytes=160_044),
        )

    def _attributes(self, number: int) -> Attributes:
        """Returns what the index mirrors of a clip, of the revision that a row has at first."""
        mirrored = attributes(self._new(number).clip)
        mirrored.revision = 1
        return mirrored

    def _put(self, ids: Sequence[str], numbers: range) -> None:
        """Puts the vectors of clips into the index by calls of its service."""
        id_of = dict(zip(numbers, ids, strict=True))

        def upsert(part: Sequence[int]) -> None:
            vectors = [
                Vector(
                    id=id_of[number],
                    clip_id=id_of[number],
                    values=self.stored[number % len(self.stored)].tolist(),
                    attributes=self._attributes(number),
                )
                for number in part
            ]
            request = UpsertVectorsRequest(
                index_id=self.index_id, model=self.library.model, vectors=vectors
            )
            patiently(lambda: self.stack.index.UpsertVectors(request, timeout=300))

        in_parts(numbers, VECTORS, upsert)

    def _columns(self, numbers: range) -> Columns:
        """Returns the columns of vectors as the index service would write them."""
        ids = self.ids[numbers.start : numbers.stop]
        rows = [
            mirror.columns(clip_id, self._attributes(number), lite=False)
            for number, clip_id in zip(numbers, ids, strict=True)
        ]
        vectors = self.stored[numbers.start : numbers.stop]
        return {"id": ids, "vector": vectors} | {
            name: [row[name] for row in rows] for name in rows[0]
        }


def in_parts(numbers: range, size: int, send: Callable[[Sequence[int]], AnswerT]) -> list[AnswerT]:
    """Sends numbers in parts of `size`, a few parts at a time, and prints the progress."""
    starts = range(numbers.start, numbers.stop, size)
    parts = [range(start, min(start + size, numbers.stop)) for start in starts]
    begun, answers = time.monotonic(), []
    with ThreadPoolExecutor(WRITERS) as writers:
        for answer in writers.map(send, parts):
            answers.append(answer)
            done = min(len(answers) * size, len(numbers))
            if done % 50_000 == 0 or len(answers) == len(parts):
                rate = done / (time.monotonic() - begun)
                say(f"{send.__name__.strip('_')}: {numbers.start + done:,}, {rate:,.0f} a second")
    return answers


def patiently(call: Callable[[], AnswerT]) -> AnswerT:
    """Calls again, for about a minute, while a service says that it is busy or gone."""
    for _ in range(60):
        try:
            return call()
        except grpc.RpcError as error:
            if error.code() not in AGAIN:
                raise
            say(f"again, because {error.details()}")
            time.sleep(1)
    return call()
