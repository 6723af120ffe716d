"""Tags: the kinds of sound that a model hears in a clip."""

from __future__ import annotations

from audiosearch.catalog.v1.clip_pb2 import GetClipRequest
from audiosearch.catalog.v1.library_pb2 import LIBRARY_VIEW_BASIC, GetLibraryRequest
from audiosearch.embedding.v1.embedding_service_pb2 import GetModelRequest
from audiosearch.embedding.v1.model_pb2 import Model
from audiosearch.gateway.v1.clips_pb2 import TagClipRequest, TagClipResponse

from gateway.clips.audio import embed, mismatch, stored
from gateway.upstream import Upstream
from serving import limits
from serving.errors import Reason, ServiceError
from serving.names import split_clip

_DEFAULT = 10


async def tag(upstream: Upstream, request: TagClipRequest) -> TagClipResponse:
    """Names the kinds of sound in the stored audio of a clip.

    Raises:
        ServiceError: FIELD_INVALID, MODEL_NOT_FOUND, MODEL_MISMATCH, MODEL_WITHOUT_TAGS, and those
            of the services.
    """
    limit = limits.of(request, "max_tags")
    if not limit.minimum <= request.max_tags <= limit.maximum:
        raise ServiceError(
            Reason.FIELD_INVALID,
            f"max_tags: {request.max_tags} is not from 0 to {limit.maximum:,.0f}",
            {"field": "max_tags"},
        )
    clip = await upstream.clips.GetClip(GetClipRequest(name=request.name))
    model = await _model(upstream, request)
    if not model.tag_count:
        raise ServiceError(
            Reason.MODEL_WITHOUT_TAGS,
            f"{model.name} names no kinds of sound; set `model` to models/sounds, or to another "
            "model with tags",
            {"model": model.name},
        )
    heard = await embed(
        upstream,
        model.name,
        stored(upstream, clip.name),
        channel=clip.channel,
        max_tags=request.max_tags or _DEFAULT,
    )
    return TagClipResponse(tags=heard.tags, model=model.name)


async def _model(upstream: Upstream, request: TagClipRequest) -> Model:
    """The model that is asked for, or that of the clip's library."""
    if request.model:
        return await upstream.embedding.GetModel(GetModelRequest(name=request.model))
    parent, _ = split_clip(request.name)
    library = await upstream.libraries.GetLibrary(
        GetLibraryRequest(name=parent, view=LIBRARY_VIEW_BASIC)
    )
    try:
        return await upstream.embedding.GetModel(GetModelRequest(name=library.model))
    except ServiceError as error:
        if error.reason is not Reason.MODEL_NOT_FOUND:
            raise
        raise await mismatch(upstream, library.model) from error
