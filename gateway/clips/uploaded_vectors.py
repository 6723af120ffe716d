"""Uploads of vectors that were made elsewhere, many in a call."""

from __future__ import annotations

import asyncio
import hashlib

from audiosearch.catalog.v1.clip_pb2 import AudioObject, Clip, ClipOutcome, Failure
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.gateway.v1.clips_pb2 import NewVector, UploadVectorsRequest, UploadVectorsResponse

from gateway.clips.audio import split
from gateway.clips.life import Clips
from gateway.clips.stored_vectors import encode
from gateway.libraries.libraries import Libraries
from serving import limits
from serving.errors import Reason, ServiceError
from serving.names import check_library

AT_ONCE = 64
"""Vectors of a call that are stored at a time."""
_ITEMS = limits.of(UploadVectorsRequest, "vectors")
_FATAL = {Reason.LIBRARY_NOT_FOUND, Reason.INDEX_UNAVAILABLE, Reason.CATALOG_UNAVAILABLE}


async def upload(
    libraries: Libraries, clips: Clips, request: UploadVectorsRequest
) -> UploadVectorsResponse:
    """Stores vectors, each as a clip; errors and outcomes as in the contract."""
    library = await libraries.open(check_library(request.parent, "parent"))
    _check(library, request)
    turns = asyncio.Semaphore(AT_ONCE)

    async def store(item: NewVector) -> tuple[ClipOutcome, bool]:
        async with turns:
            try:
                clip, created = await _store(clips, library, item)
            except ServiceError as error:
                if error.reason in _FATAL:
                    raise
                failure = Failure(reason=error.reason.value, message=error.message)
                return ClipOutcome(failure=failure), False
            return ClipOutcome(clip=clip), created

    async with libraries.held(library):
        done = await asyncio.gather(*map(store, request.vectors))
    return UploadVectorsResponse(
        outcomes=[outcome for outcome, _ in done],
        created_count=sum(created for _, created in done),
    )


def _check(library: Library, request: UploadVectorsRequest) -> None:
    if not library.dimension:
        raise ServiceError(
            Reason.MODEL_MISMATCH,
            f"{library.name} is a library for audio; make one with a dimension for vectors",
            {"library_model": library.model},
        )
    if request.model != library.model:
        raise ServiceError(
            Reason.MODEL_MISMATCH,
            f"model: {request.model[:100]!r} made the vectors, but the library holds those of "
            f"{library.model}",
            {"library_model": library.model, "field": "model"},
        )
    if not _ITEMS.min_items <= len(request.vectors) <= _ITEMS.max_items:
        raise ServiceError(
            Reason.FIELD_INVALID,
            f"vectors: {len(request.vectors):,} vectors, which must be from {_ITEMS.min_items} to "
            f"{_ITEMS.max_items:,}",
            {"field": "vectors"},
        )


async def _store(clips: Clips, library: Library, item: NewVector) -> tuple[Clip, bool]:
    given = item.clip
    clip = Clip(
        display_name=given.display_name,
        label=given.label,
        speaker=given.speaker,
        metadata=given.metadata,
    )
    content = encode(clip.display_name, item.values, library.dimension)
    known = AudioObject(sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))
    return await clips.ingest(library, clip, split(content), item.request_id, known)
