"""/v1/libraries/{library}/clips/{clip}/audio: the stored bytes, or a range of them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from urllib.parse import quote

from audiosearch.catalog.v1 import clip_pb2
from audiosearch.catalog.v1.clip_pb2 import AudioObject
from audiosearch.gateway.v1 import clips_pb2
from fastapi import APIRouter, Request, Response

from gateway.rest.http.ranges import Range, unchanged, wanted
from gateway.rest.http.streaming import HEAD, Streaming
from gateway.rest.messages.openapi import document_audio
from gateway.rest.messages.query import Query
from gateway.rest.parts import Parts

_PLAYABLE = ("audio/", "video/webm", "video/mp4")
"""Media types that browsers may play. Other stored bytes must not be shown as a page."""

_GET = Query(clips_pb2.DownloadAudioRequest, "link")


def router(parts: Parts) -> APIRouter:
    """The route of stored audio."""
    api = APIRouter(tags=["clips"])

    @api.get("/v1/libraries/{library}/clips/{clip}/audio", **document_audio(_GET))
    async def get_audio(request: Request, library: str, clip: str) -> Response:
        """Sends the audio of a clip as it was uploaded, or the requested range of it.

        The entity tag is the SHA-256 of the bytes. With `link`, the answer leads to the object
        store that has them, if the operator allows it.
        """
        asked = _GET.read(request, clips_pb2.DownloadAudioRequest())
        name = f"libraries/{library}/clips/{clip}"
        return await send_audio(parts, request, name, link=asked.link)

    return api


async def send_audio(parts: Parts, request: Request, name: str, *, link: bool = False) -> Response:
    """The answer to a request for the audio of a clip, `libraries/{library}/clips/{clip}`.

    Raises:
        ServiceError: CLIP_NOT_FOUND, AUDIO_NOT_FOUND, RANGE_INVALID, RIGHT_MISSING.
    """
    clip = await parts.ask(request, "GetClip", clip_pb2.GetClipRequest(name=name))
    stored, tag = clip.audio_object, f'"{clip.audio_object.sha256}"'
    name_of = clip.display_name or clip.name.rpartition("/")[2]
    headers = {**described(stored, name_of), "etag": tag, "accept-ranges": "bytes"}
    if not stored.sha256:  # the catalog raises the reason
        return Streaming(_chunks(parts, request, name, Range(0, -1, partial=False)))
    if unchanged(request.headers, tag):
        return Response(status_code=304, headers=headers)
    if link and (address := await _address(parts, request, name)):
        return Response(status_code=307, headers={"location": address, "cache-control": "no-store"})
    part = wanted(request.headers, tag, stored.size_bytes)
    headers["content-length"] = str(part.length)
    if part.partial:
        headers["content-range"] = f"bytes {part.first}-{part.last}/{stored.size_bytes}"
    chunks = _chunks(parts, request, name, part)
    if request.scope["state"][HEAD]:
        chunks = _nothing()
    return Streaming(chunks, 206 if part.partial else 200, headers)


def described(stored: AudioObject, name: str) -> dict[str, str]:
    """Headers that tell browsers of stored bytes, and not to show them as a page."""
    kind = stored.content_type
    shown = "inline" if kind.startswith(_PLAYABLE) else "attachment"
    return {
        "content-type": kind if shown == "inline" else "application/octet-stream",
        "content-disposition": f"{shown}; filename*=UTF-8''{quote(name, safe='')}",
        # The bytes never change, but the clip may be deleted and the right may be revoked.
        "cache-control": "private, no-cache",
    }


async def _address(parts: Parts, request: Request, name: str) -> str:
    """An address of the audio in its object store; empty if the operator allows none."""
    if not parts.settings.link_seconds or request.scope["state"][HEAD]:
        return ""
    message = clips_pb2.DownloadAudioRequest(name=name, limit=1, link=True)
    async with contextlib.aclosing(parts.stream(request, "DownloadAudio", message)) as responses:
        return next(iter([each.link async for each in responses if each.link]), "")


async def _chunks(parts: Parts, request: Request, name: str, part: Range) -> AsyncIterator[bytes]:
    message = clips_pb2.DownloadAudioRequest(name=name, offset=part.first, limit=part.length)
    async with contextlib.aclosing(parts.stream(request, "DownloadAudio", message)) as responses:
        async for response in responses:
            if response.chunk:
                yield response.chunk


async def _nothing() -> AsyncIterator[bytes]:
    yield b""
