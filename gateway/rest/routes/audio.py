"""/v1/libraries/{library}/clips/{clip}/audio: the stored bytes, or a range of them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from urllib.parse import quote

from audiosearch.catalog.v1 import clip_pb2
from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch.gateway.v1 import clips_pb2
from fastapi import APIRouter, Request, Response

from gateway.rest.http.ranges import Range, unchanged, wanted
from gateway.rest.http.streaming import HEAD, Streaming
from gateway.rest.messages.openapi import document_audio
from gateway.rest.messages.query import refuse_others
from gateway.rest.parts import Parts

_PLAYABLE = ("audio/", "video/webm", "video/mp4")
"""Media types that browsers may play. Other stored bytes must not be shown as a page."""


def router(parts: Parts) -> APIRouter:
    """The route of stored audio."""
    api = APIRouter(tags=["clips"])

    @api.get("/v1/libraries/{library}/clips/{clip}/audio", **document_audio())
    async def get_audio(request: Request, library: str, clip: str) -> Response:
        """Sends the audio of a clip as it was uploaded, or the requested range of it.

        The entity tag is the SHA-256 of the bytes.
        """
        refuse_others(request)
        return await send_audio(parts, request, f"libraries/{library}/clips/{clip}")

    return api


async def send_audio(parts: Parts, request: Request, name: str) -> Response:
    """The answer to a request for the audio of a clip, `libraries/{library}/clips/{clip}`.

    Raises:
        ServiceError: CLIP_NOT_FOUND, AUDIO_NOT_FOUND, RANGE_INVALID, RIGHT_MISSING.
    """
    clip = await parts.ask(request, "GetClip", clip_pb2.GetClipRequest(name=name))
    stored, tag = clip.audio_object, f'"{clip.audio_object.sha256}"'
    headers = {**_described(clip), "etag": tag}
    if not stored.sha256:  # the catalog raises the reason
        return Streaming(_chunks(parts, request, name, Range(0, -1, partial=False)))
    if unchanged(request.headers, tag):
        return Response(status_code=304, headers=headers)
    part = wanted(request.headers, tag, stored.size_bytes)
    headers["content-length"] = str(part.length)
    if part.partial:
        headers["content-range"] = f"bytes {part.first}-{part.last}/{stored.size_bytes}"
    chunks = _chunks(parts, request, name, part)
    if request.scope["state"][HEAD]:
        chunks = _nothing()
    return Streaming(chunks, 206 if part.partial else 200, headers)


def _described(clip: Clip) -> dict[str, str]:
    kind = clip.audio_object.content_type
    name = clip.display_name or clip.name.rpartition("/")[2]
    shown = "inline" if kind.startswith(_PLAYABLE) else "attachment"
    return {
        "content-type": kind if shown == "inline" else "application/octet-stream",
        "content-disposition": f"{shown}; filename*=UTF-8''{quote(name, safe='')}",
        "accept-ranges": "bytes",
        # The bytes never change, but the clip may be deleted and the right may be revoked.
        "cache-control": "private, no-cache",
    }


async def _chunks(parts: Parts, request: Request, name: str, part: Range) -> AsyncIterator[bytes]:
    message = clips_pb2.DownloadAudioRequest(name=name, offset=part.first, limit=part.length)
    async with contextlib.aclosing(parts.stream(request, "DownloadAudio", message)) as responses:
        async for response in responses:
            if response.chunk:
                yield response.chunk


async def _nothing() -> AsyncIterator[bytes]:
    yield b""
