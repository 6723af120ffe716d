"""Calls to catalog and index for single clips, coalesced into batches."""

from __future__ import annotations

from collections.abc import Sequence

from audiosearch.catalog.v1.clip_pb2 import (
    ActivateClipRequest,
    AudioObject,
    BatchActivateClipsRequest,
    BatchCreateClipsRequest,
    BatchPutAudioRequest,
    Clip,
    ClipAudio,
    ClipOutcome,
    CreateClipRequest,
    Failure,
)
from audiosearch.catalog.v1.library_pb2 import LIBRARY_VIEW_BASIC, GetLibraryRequest, Library
from audiosearch.index.v1.index_pb2 import Vector
from audiosearch.index.v1.index_service_pb2 import UpsertVectorsRequest

from gateway.access.rights import quota
from gateway.clips.coalescing import ENOUGH, Coalescer
from gateway.upstream import Upstream
from serving import limits
from serving.errors import Reason, ServiceError

LANES = 4
"""Calls with audio of a library, or with many vectors of an index, that are under way: a store
takes its time for each."""
PAUSE = 1.0
"""Seconds that the vectors of an import wait for others."""
_VECTORS = limits.of(UpsertVectorsRequest, "vectors").max_items


class Batches:
    """Coalesced calls. Each answers for one clip and raises the ServiceError of the service."""

    def __init__(self, upstream: Upstream) -> None:
        """Works on the services of `upstream`."""
        self._upstream = upstream
        self._creations = Coalescer(self._create_all)
        self._audio = Coalescer(self._put_all)
        self._vectors = Coalescer(self._upsert_all)
        self._unhurried = Coalescer(self._upsert_all, PAUSE)
        self._activations = Coalescer(self._activate_all)
        self._reads = Coalescer(self._read_all)

    async def create(self, library: Library, request: CreateClipRequest) -> Clip:
        """Creates the row of a clip."""
        return await self._creations.add(library.name, request)

    async def put(self, name: str, content: bytes) -> None:
        """Stores the short audio of a clip.

        Raises:
            ServiceError: of PutAudio.
            AioRpcError: UNIMPLEMENTED by a catalog of the version before.
        """
        library = name.partition("/clips/")[0]
        audio = ClipAudio(name=name, content=content, quota=quota.get())
        await self._audio.add((library, ord(name[-1]) % LANES), audio)

    async def upsert(
        self, index_id: str, model: str, vectors: Sequence[Vector], *, hurry: bool = True
    ) -> None:
        """Stores vectors of a clip. The index takes as long for one vector as for many.

        Args:
            index_id: of the index.
            model: that made the vectors.
            vectors: of the clip or of windows of it.
            hurry: True if a caller waits for this one clip.
        """
        if not vectors:
            return
        many = len(vectors) >= ENOUGH
        lane = ord(vectors[0].clip_id[-1]) % LANES if many else 0
        waiting = self._vectors if hurry or many else self._unhurried
        await waiting.add((index_id, model, lane), UpsertVectorsRequest(vectors=vectors))

    async def library(self, library: Library) -> Library:
        """A library as it is now; LIBRARY_NOT_FOUND if it is gone."""
        name = library.name
        now = await self._reads.add(name, GetLibraryRequest(name=name, view=LIBRARY_VIEW_BASIC))
        if now.uid != library.uid:
            raise ServiceError(
                Reason.LIBRARY_NOT_FOUND, f"{name} was deleted, and another one was made"
            )
        return now

    async def activate(self, library: Library, request: ActivateClipRequest) -> Clip:
        """Makes a clip ACTIVE."""
        return await self._activations.add(library.name, request)

    async def _create_all(
        self, library: str, requests: list[CreateClipRequest]
    ) -> list[Clip | ServiceError]:
        answer = await self._upstream.clips.BatchCreateClips(
            BatchCreateClipsRequest(parent=library, requests=requests)
        )
        return _clips(answer.outcomes)

    async def _put_all(
        self, lane: tuple[str, int], requests: list[ClipAudio]
    ) -> list[AudioObject | ServiceError]:
        answer = await self._upstream.clips.BatchPutAudio(
            BatchPutAudioRequest(parent=lane[0], requests=requests)
        )
        return [
            _failed(each.failure, each.clip) if each.HasField("failure") else each.audio_object
            for each in answer.outcomes
        ]

    async def _upsert_all(
        self, lane: tuple[str, str, int], requests: list[UpsertVectorsRequest]
    ) -> list[None]:
        index_id, model, _ = lane
        vectors = [vector for request in requests for vector in request.vectors]
        for start in range(0, len(vectors), _VECTORS):
            await self._upstream.index.UpsertVectors(
                UpsertVectorsRequest(
                    index_id=index_id, model=model, vectors=vectors[start : start + _VECTORS]
                )
            )
        return [None] * len(requests)

    async def _read_all(self, _library: str, requests: list[GetLibraryRequest]) -> list[Library]:
        return [await self._upstream.libraries.GetLibrary(requests[0])] * len(requests)

    async def _activate_all(
        self, library: str, requests: list[ActivateClipRequest]
    ) -> list[Clip | ServiceError]:
        answer = await self._upstream.clips.BatchActivateClips(
            BatchActivateClipsRequest(parent=library, requests=requests)
        )
        return _clips(answer.outcomes)


def _clips(outcomes: Sequence[ClipOutcome]) -> list[Clip | ServiceError]:
    return [
        _failed(each.failure, each.clip.name) if each.HasField("failure") else each.clip
        for each in outcomes
    ]


def _failed(failure: Failure, clip: str) -> ServiceError:
    reason = Reason.named(failure.reason) or Reason.INTERNAL
    return ServiceError(reason, failure.message, {"clip": clip})
