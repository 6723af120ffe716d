"""Generated recordings in an index of windows, a catalog of them, and exact search over them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import grpc
import numpy as np
from audiosearch.catalog.v1.clip_pb2 import (
    Clip,
    GetClipRequest,
    LookupClipsRequest,
    LookupClipsResponse,
)
from audiosearch.catalog.v1.library_pb2 import GetLibraryRequest, Library
from audiosearch.embedding.v1.embedding_pb2 import AudioProperties, Tag, WindowRule
from audiosearch.gateway.v1.search_pb2 import SearchConfig
from audiosearch.index.v1.index_pb2 import INDEX_KIND_WINDOWS, Vector
from audiosearch.index.v1.index_service_pb2 import CreateIndexRequest, UpsertVectorsRequest
from audiosearch.index.v1.index_service_pb2_grpc import IndexServiceStub
from google.protobuf.duration_pb2 import Duration

from gateway.libraries.indexes import attributes, present, window_id
from gateway.libraries.libraries import Libraries
from gateway.search.record import SearchLog
from gateway.search.search import Search
from gateway.upstream import INDEX
from serving.errors import Reason, ServiceError
from serving.peers.peer import Peer
from serving.peers.stub import Limits, Stub
from tests.conformance.index.index_harness import DIMENSION, MODEL

NAME = "libraries/generated"
LABELS = ("", "bell", "dog", "knife", "rain", "train", "voice")
WINDOW_MS, HOP_MS = 3000, 1500
_COUNTS = [*[1] * 20, *range(2, 12), 40, 90, 150, 300, 300]
_BATCH = 1000


@dataclass(frozen=True)
class Recording:
    """A clip and the vectors of its windows, shape (windows, DIMENSION)."""

    clip: Clip
    vectors: np.ndarray
    gone: bool
    """True if the catalog knows it no more."""

    @property
    def id(self) -> str:
        """The {clip} part of its name."""
        return self.clip.name.rpartition("/")[2]

    @property
    def starts(self) -> list[int | None]:
        """Starts of the windows; None for the only one."""
        count = len(self.vectors)
        return [None] if count == 1 else [number * HOP_MS for number in range(count)]


class Catalog:
    """The calls of the catalog that a search makes, over rows in memory."""

    def __init__(self, library: Library, recordings: Sequence[Recording]) -> None:
        """Knows one library and those of the recordings that are not gone."""
        self.library = library
        self.clips = {one.id: one.clip for one in recordings if not one.gone}
        self.lookups = 0
        self.stale = 0
        """Times that the library is still read with the generation before."""

    async def GetLibrary(self, request: GetLibraryRequest) -> Library:
        """The library."""
        if not self.stale:
            return self.library
        self.stale -= 1
        before = Library()
        before.CopyFrom(self.library)
        before.generation += 1  # an index that is not there
        return before

    async def GetClip(self, request: GetClipRequest) -> Clip:
        """One clip."""
        clip = self.clips.get(request.name.rpartition("/")[2])
        if clip is None:
            raise ServiceError(Reason.CLIP_NOT_FOUND, request.name)
        return clip

    async def LookupClips(self, request: LookupClipsRequest) -> LookupClipsResponse:
        """The clips that are there."""
        self.lookups += 1
        known = {id_: self.clips[id_] for id_ in request.clip_ids if id_ in self.clips}
        return LookupClipsResponse(
            clips=known, library=self.library if request.with_library else None
        )


@dataclass(frozen=True)
class Generated:
    """The library, and a search over it."""

    recordings: Sequence[Recording]
    catalog: Catalog
    upstream: Any
    search: Search

    def gateway(self) -> Search:
        """The search of another gateway, which remembers nothing yet."""
        return Search(self.upstream, Libraries(self.upstream), 10, SearchLog())

    def best(
        self, queries: np.ndarray, fits: Callable[[Clip], bool] = lambda _: True
    ) -> list[tuple[str, float]]:
        """Exact search: names of clips and their scores, the best first."""
        found = [
            (one.clip.name, float((one.vectors @ queries.T).max()))
            for one in self.recordings
            if not one.gone and fits(one.clip)
        ]
        return sorted(found, key=lambda pair: -pair[1])

    def config(self, **fields: Any) -> SearchConfig:
        """The config of a search in the library."""
        return SearchConfig(parent=NAME, **fields)


def draw(seed: int = 15) -> list[Recording]:
    """Recordings of 1 to 300 windows; each has a direction of its own, and drifts."""
    rng, lot = np.random.default_rng(seed), random.Random(seed)
    recordings = []
    for number, count in enumerate(_COUNTS):
        drift = rng.normal(size=(count, DIMENSION)).cumsum(axis=0) * 0.2
        values = rng.normal(size=DIMENSION) + drift
        vectors = values / np.linalg.norm(values, axis=1, keepdims=True)
        seconds = 3 + 1.5 * (count - 1)
        clip = Clip(
            name=f"{NAME}/clips/{number:026d}",
            display_name=f"Recording {number}",
            label=lot.choice(LABELS),
            metadata={"take": str(number % 3)} if number % 4 else {},
            state=Clip.STATE_ACTIVE,
            audio=AudioProperties(duration=Duration(nanos=0, seconds=int(seconds))),
            revision=1,
            window_count=count,
            tags=[Tag(name="Dog", score=0.1 + number / 100)] if number % 3 else [],
        )
        clip.audio.duration.FromMilliseconds(round(seconds * 1000))
        recordings.append(Recording(clip, vectors.astype(np.float32), gone=number % 9 == 4))
    return recordings


async def fill(channel: grpc.aio.Channel) -> Generated:
    """Makes the index and writes all windows."""
    stub = IndexServiceStub(channel)
    rule = WindowRule()
    rule.window.FromMilliseconds(WINDOW_MS)
    rule.hop.FromMilliseconds(HOP_MS)
    rule.single.FromMilliseconds(2 * WINDOW_MS)
    library = Library(
        name=NAME,
        uid="generated",
        model=MODEL,
        state=Library.STATE_ACTIVE,
        generation=1,
        window_rule=rule,
    )
    index_id = present(library).windows
    await stub.CreateIndex(
        CreateIndexRequest(
            index_id=index_id, model=MODEL, dimension=DIMENSION, kind=INDEX_KIND_WINDOWS
        )
    )
    recordings = draw()
    rows = [
        Vector(
            id=window_id(one.id, start),
            values=vector.tolist(),
            clip_id=one.id,
            attributes=attributes(one.clip),
        )
        for one in recordings
        for start, vector in zip(one.starts, one.vectors, strict=True)
    ]
    for start in range(0, len(rows), _BATCH):
        await stub.UpsertVectors(
            UpsertVectorsRequest(
                index_id=index_id, model=MODEL, vectors=rows[start : start + _BATCH]
            )
        )
    catalog = Catalog(library, recordings)
    peer = Peer(channel, [INDEX], Reason.INDEX_UNAVAILABLE, 60)
    index = Stub(INDEX, peer, Limits(60, 60, 60))
    upstream: Any = SimpleNamespace(index=index, clips=catalog, libraries=catalog)
    search = Search(upstream, Libraries(upstream), 10, SearchLog())
    return Generated(recordings, catalog, upstream, search)
