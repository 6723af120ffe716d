"""/v1/libraries/{library}/clips: clips, uploads and imports."""

from __future__ import annotations

from collections.abc import AsyncIterator

from audiosearch.catalog.v1 import clip_pb2
from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch.gateway.v1 import clips_pb2
from fastapi import APIRouter, Request, Response
from google.longrunning.operations_pb2 import Operation
from google.protobuf.empty_pb2 import Empty

from gateway.rest.messages.json import answer, parse_body, parse_change
from gateway.rest.messages.openapi import AUDIO, document
from gateway.rest.messages.query import Query, refuse_others
from gateway.rest.messages.sound import Sound, display_name, read_sound
from gateway.rest.parts import Parts
from serving.names import last_part

_LIST = Query(
    clip_pb2.ListClipsRequest,
    "pageSize",
    "pageToken",
    "orderBy",
    "filter.state",
    "filter.label",
    "filter.speaker",
    "filter.displayNamePrefix",
    "filter.createTimeFrom",
    "filter.createTimeBefore",
    "filter.updateTimeBefore",
    "filter.importJob",
    "filter.enrolledSpeaker",
    "filter.conditions",
)
_COUNT = Query(
    clip_pb2.CountValuesRequest,
    "field",
    "pageSize",
    *(path for path in _LIST.fields if path.startswith("filter.")),
)
_TAG = Query(clips_pb2.TagClipRequest, "maxTags", "model")
_UPDATE = Query(clip_pb2.UpdateClipRequest, "updateMask")
_DELETE = Query(clip_pb2.DeleteClipRequest, "permanent")
_UPLOAD = Query(
    clips_pb2.UploadClipConfig,
    "duplicates",
    "requestId",
    displayName="clip.displayName",
    label="clip.label",
    speaker="clip.speaker",
    channel="clip.channel",
    uri="clip.uri",
)
_REFERENCES = Query(clip_pb2.ListReferencesRequest, "uri", "pageSize", "pageToken")


def router(parts: Parts) -> APIRouter:
    """The routes of clips, except their audio."""
    api = APIRouter(tags=["clips"])
    _add_collection(api, parts)
    _add_clip(api, parts)
    return api


def _add_collection(api: APIRouter, parts: Parts) -> None:
    @api.get(
        "/v1/libraries/{library}/clips",
        **document(_LIST, answer=clip_pb2.ListClipsResponse),
    )
    async def list_clips(request: Request, library: str) -> Response:
        """Lists clips in the order asked for, else the oldest first."""
        message = clip_pb2.ListClipsRequest(parent=f"libraries/{library}")
        return answer(await parts.ask(request, "ListClips", _LIST.read(request, message)))

    @api.get(
        "/v1/libraries/{library}/clips:countValues",
        **document(_COUNT, answer=clip_pb2.CountValuesResponse),
    )
    async def count_values(request: Request, library: str) -> Response:
        """Counts clips by the value of a field, the most frequent value first."""
        message = clip_pb2.CountValuesRequest(parent=f"libraries/{library}")
        return answer(await parts.ask(request, "CountValues", _COUNT.read(request, message)))

    @api.post(
        "/v1/libraries/{library}/clips",
        **document(_UPLOAD, body=AUDIO, answer=clips_pb2.UploadClipResponse),
    )
    async def upload_clip(request: Request, library: str) -> Response:
        """Stores a recording and makes it searchable.

        The body is the file itself, or a form with the file in its field `audio`. Parameters of the
        query can also be fields of the form, before the file. A field `config` may hold a JSON
        object `UploadClipConfig`. With a `uri` the body is empty: the audio stays there.
        """
        sound = await read_sound(request, _UPLOAD)
        config = clips_pb2.UploadClipConfig()
        sound.configure(config)
        if not config.clip.display_name:
            name = sound.file_name or last_part(config.clip.uri)
            config.clip.display_name = display_name(name)
        config.parent = f"libraries/{library}"
        return answer(await parts.ask(request, "UploadClip", _upload(config, sound)))

    @api.post(
        "/v1/libraries/{library}/clips:uploadVectors",
        **document(body=clips_pb2.UploadVectorsRequest, answer=clips_pb2.UploadVectorsResponse),
    )
    async def upload_vectors(request: Request, library: str) -> Response:
        """Stores vectors that were made elsewhere, up to 1,000, in a library for vectors."""
        refuse_others(request)
        message = await parse_body(request, clips_pb2.UploadVectorsRequest())
        message.parent = f"libraries/{library}"
        return answer(await parts.ask(request, "UploadVectors", message))

    @api.get(
        "/v1/libraries/{library}/clips:listReferences",
        **document(_REFERENCES, answer=clip_pb2.ListReferencesResponse),
    )
    async def list_references(request: Request, library: str) -> Response:
        """Lists audio files that clips can refer to by `uri`."""
        message = clip_pb2.ListReferencesRequest(parent=f"libraries/{library}")
        asked = _REFERENCES.read(request, message)
        return answer(await parts.ask(request, "ListReferences", asked))

    @api.post(
        "/v1/libraries/{library}/clips:import",
        **document(body=clips_pb2.ImportClipsRequest, answer=Operation),
    )
    async def import_clips(request: Request, library: str) -> Response:
        """Starts the import of a folder of the server, and answers at once with an operation."""
        refuse_others(request)
        message = await parse_body(request, clips_pb2.ImportClipsRequest())
        message.parent = f"libraries/{library}"
        return answer(await parts.ask(request, "ImportClips", message))


def _add_clip(api: APIRouter, parts: Parts) -> None:
    path = "/v1/libraries/{library}/clips/{clip:id}"

    @api.get(
        path + ":tag",
        **document(_TAG, answer=clips_pb2.TagClipResponse),
    )
    async def tag_clip(request: Request, library: str, clip: str) -> Response:
        """Names the kinds of sound that a model hears in a clip, the surest first."""
        message = clips_pb2.TagClipRequest(name=f"libraries/{library}/clips/{clip}")
        return answer(await parts.ask(request, "TagClip", _TAG.read(request, message)))

    @api.get(path, **document(answer=Clip))
    async def get_clip(request: Request, library: str, clip: str) -> Response:
        """Reads a clip in any state."""
        refuse_others(request)
        message = clip_pb2.GetClipRequest(name=f"libraries/{library}/clips/{clip}")
        return answer(await parts.ask(request, "GetClip", message))

    @api.get(path + "/peaks", **document(answer=clip_pb2.Peaks))
    async def get_peaks(request: Request, library: str, clip: str) -> Response:
        """Reads the outline of a clip's audio, to draw its waveform from."""
        refuse_others(request)
        message = clip_pb2.GetPeaksRequest(name=f"libraries/{library}/clips/{clip}")
        return answer(await parts.ask(request, "GetPeaks", message))

    @api.patch(path, **document(_UPDATE, body=Clip, answer=Clip))
    async def update_clip(request: Request, library: str, clip: str) -> Response:
        """Changes the fields in the mask, or without a mask the fields in the body."""
        message = _UPDATE.read(request, clip_pb2.UpdateClipRequest())
        await parse_change(request, message.clip, message.update_mask)
        message.clip.name = f"libraries/{library}/clips/{clip}"
        if not message.update_mask.paths:
            read = clip_pb2.GetClipRequest(name=message.clip.name)
            return answer(await parts.ask(request, "GetClip", read))
        return answer(await parts.ask(request, "UpdateClip", message))

    @api.delete(path, **document(_DELETE, answer=Empty))
    async def delete_clip(request: Request, library: str, clip: str) -> Response:
        """Moves a clip to the trash, or deletes it for good with `permanent`."""
        message = clip_pb2.DeleteClipRequest(name=f"libraries/{library}/clips/{clip}")
        return answer(await parts.ask(request, "DeleteClip", _DELETE.read(request, message)))

    @api.post(path + ":restore", **document(answer=Clip))
    async def restore_clip(request: Request, library: str, clip: str) -> Response:
        """Brings a clip back from the trash."""
        refuse_others(request)
        message = clip_pb2.RestoreClipRequest(name=f"libraries/{library}/clips/{clip}")
        return answer(await parts.ask(request, "RestoreClip", message))


async def _upload(
    config: clips_pb2.UploadClipConfig, sound: Sound
) -> AsyncIterator[clips_pb2.UploadClipRequest]:
    yield clips_pb2.UploadClipRequest(config=config)
    async for chunk in sound.chunks:
        yield clips_pb2.UploadClipRequest(audio_chunk=chunk)
