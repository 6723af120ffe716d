"""Fills a library of the stack with many rows and vectors, past the encoder."""

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
from audiosearch.index.v1.index_pb2 import IndexStats, Vector
from audiosearch.index.v1.index_service_pb2 import GetIndexStatsRequest, UpsertVectorsRequest

from gateway.libraries.indexes import attributes, present
from index_service.collection_names import alias
from tools.benchmarks.catalog_database import make_active, size_of
from tools.benchmarks.clustered import clustered, speakers_of
from tools.benchmarks.experiment.results import LeftOutError
from tools.benchmarks.experiment.stack import Stack
from tools.benchmarks.index_recall import say, settle

NAME = "benchmark"
ROWS, VECTORS = 1000, 5000
"""Rows and vectors of one call."""

GROUPS = 100
"""Labels, and groups of speakers. Each has as many clips, nearly."""

WRITERS = 2
FLAT_ROWS = 20_000
"""Rows up to which an index is FLAT."""

INDEX_SECONDS = 3600.0
"""Longest wait for an index."""

AGAIN = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)
AnswerT = TypeVar("AnswerT")


class Filled:
    """A growing library, with vectors that resemble embeddings of speakers (see clustered.py)."""

    def __init__(self, stack: Stack, rows: int) -> None:
        """Creates the empty library, and makes the `rows` vectors that it will hold."""
        self.stack = stack
        self.stored = clustered(rows, seed=0)
        self.ids: list[str] = []
        """Ids of the clips, in the order of `stored`."""
        self._speakers = speakers_of(rows, seed=0)
        self.groups = {
            "label": np.random.default_rng(5).integers(GROUPS, size=rows),
            "speaker": self._speakers % GROUPS,
        }
        """By field, the group of each clip. A label has nothing to do with the vectors. A group of
        speakers has: the nearest vectors are all of one group."""
        self.library = stack.client.call(
            stack.client.stubs.libraries.CreateLibrary,
            library_pb2.CreateLibraryRequest(library_id=NAME),
        )

    @property
    def collection(self) -> str:
        """Milvus' name of the collection with the vectors."""
        return alias(self.index_id)

    @property
    def index_id(self) -> str:
        """Id of the index that is searched."""
        return present(self.library).windows

    def row_of(self) -> dict[str, int]:
        """Returns the row of `stored` of each id."""
        return {clip_id: row for row, clip_id in enumerate(self.ids)}

    def grow(self, rows: int) -> dict[str, float]:
        """Grows the library to `rows` and waits for its index. Returns the rates."""
        start, first = time.monotonic(), len(self.ids)
        made = in_parts(range(first, rows), ROWS, self._create)
        self.ids += [clip_id for part in made for clip_id in part]
        rows_in = time.monotonic()
        in_parts(range(first, rows), VECTORS, self._upsert)
        vectors_in = time.monotonic()
        new = min(self.ids[first:])
        make_active(self.stack.catalog_settings(), self.library.uid, new, failed=False)
        wait_for_index(self.stack, self.index_id, len(self.ids))
        return {
            "rows_a_second": (rows - first) / (rows_in - start),
            "vectors_a_second": (rows - first) / (vectors_in - rows_in),
            "index_built_after_seconds": time.monotonic() - vectors_in,
        }

    def sizes(self) -> dict[str, float]:
        """Returns the size of the database on disk and of the index in memory, MiB."""
        stats = self._stats()
        return {
            "database_mib": size_of(self.stack.catalog_settings()) / 2**20,
            "index_estimate_mib": stats.memory_bytes / 2**20,
        }

    def index_type(self) -> str:
        """Returns Milvus' name of the present type of index, with its parameters."""
        stats = self._stats()
        return " ".join([stats.index_type, *(f"{k}={v}" for k, v in stats.parameters.items())])

    def _stats(self) -> IndexStats:
        request = GetIndexStatsRequest(index_id=self.index_id)
        return self.stack.index.GetIndexStats(request, timeout=300)

    def _create(self, numbers: Sequence[int]) -> list[str]:
        """Creates rows of clips. A repeated batch returns the ids of rows that exist already."""
        requests = [self._new(number) for number in numbers]
        request = clip_pb2.BatchCreateClipsRequest(parent=self.library.name, requests=requests)
        answer = patiently(lambda: self.stack.catalog.clips.BatchCreateClips(request, timeout=300))
        assert {each.failure.reason for each in answer.outcomes} <= {"", "CLIP_EXISTS"}
        return [each.clip.name.rpartition("/")[2] for each in answer.outcomes]

    def _new(self, number: int) -> clip_pb2.CreateClipRequest:
        speaker = f"s{self._speakers[number]}"
        name = f"{speaker}-{number}.wav"
        digest = hashlib.sha256(name.encode()).hexdigest()
        return clip_pb2.CreateClipRequest(
            clip=Clip(
                display_name=name,
                source=f"{speaker}/{name}",
                **{field: str(groups[number]) for field, groups in self.groups.items()},
            ),
            audio_object=AudioObject(sha256=digest, size_bytes=160_044),
        )

    def _upsert(self, numbers: Sequence[int]) -> None:
        vectors = [
            Vector(
                id=self.ids[number],
                clip_id=self.ids[number],
                values=self.stored[number].tolist(),
                attributes=attributes(self._new(number).clip),
            )
            for number in numbers
        ]
        request = UpsertVectorsRequest(
            index_id=self.index_id, model=self.library.model, vectors=vectors
        )
        patiently(lambda: self.stack.index.UpsertVectors(request, timeout=300))


def wait_for_index(stack: Stack, index_id: str, rows: int) -> None:
    """Waits until an index has its final type and searches use it for nearly all vectors."""
    if not stack.servers or rows <= FLAT_ROWS:
        return
    until = time.monotonic() + INDEX_SECONDS
    while True:
        request = GetIndexStatsRequest(index_id=index_id)
        stats = stack.index.GetIndexStats(request, timeout=300)
        say(f"{stats.index_type}, {stats.vector_count:,} rows, {stats.pending_count:,} pending")
        if stats.index_type == "HNSW":
            break
        if time.monotonic() > until:
            raise LeftOutError(f"no HNSW after {INDEX_SECONDS / 60:.0f} minutes")
        time.sleep(5)
    client = stack.servers.client()
    name = client.describe_collection(alias(index_id))["collection_name"]
    try:
        took = settle(client, name, rows, longest_seconds=INDEX_SECONDS)
    except TimeoutError as error:
        raise LeftOutError(f"HNSW: {error}") from error
    say(f"built in {took:.0f} s")


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
