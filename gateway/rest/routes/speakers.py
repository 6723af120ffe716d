"""/v1/libraries/{library}/speakers: enrollment, verification and identification."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from audiosearch.catalog.v1 import speaker_pb2
from audiosearch.catalog.v1.speaker_pb2 import Speaker
from audiosearch.gateway.v1 import speakers_pb2
from fastapi import APIRouter, Request, Response
from google.protobuf.empty_pb2 import Empty
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from gateway.rest.messages.json import answer, parse_body, parse_change, parse_model, read_body
from gateway.rest.messages.multipart import File
from gateway.rest.messages.openapi import AUDIO, BINARY, document, sounds
from gateway.rest.messages.query import Query, refuse_others
from gateway.rest.messages.schemas import CLIP_NAME, Schema
from gateway.rest.messages.sound import Sound, display_name, read_sound
from gateway.rest.parts import Parts
from serving.limits import MAX_RECORDINGS

_LIST = Query(speaker_pb2.ListSpeakersRequest, "pageSize", "pageToken", "state", "updateTimeBefore")
_UPDATE = Query(speaker_pb2.UpdateSpeakerRequest, "updateMask")
_DELETE = Query(speaker_pb2.DeleteSpeakerRequest, "deleteClips")
_ENROLL = Query(
    speakers_pb2.EnrollSpeakerConfig,
    "existing",
    "allowOtherVoice",
    "channel",
    displayName="speaker.displayName",
)
_VERIFY = Query(speakers_pb2.VerifySpeakerConfig, "clip", "channel")
_IDENTIFY = Query(speakers_pb2.IdentifySpeakerConfig, "k", "candidates", "clip", "channel")


class Clips(BaseModel):
    """Clips of the library to enroll with."""

    model_config = ConfigDict(extra="forbid")

    clips: list[Annotated[str, StringConstraints(pattern=CLIP_NAME)]] = Field(
        min_length=1, max_length=MAX_RECORDINGS
    )


def router(parts: Parts) -> APIRouter:
    """The routes of speakers."""
    api = APIRouter(tags=["speakers"])
    _add_collection(api, parts)
    _add_enrollment(api, parts)
    _add_verification(api, parts)
    _add_speaker(api, parts)
    return api


def _add_collection(api: APIRouter, parts: Parts) -> None:
    path = "/v1/libraries/{library}/speakers"

    @api.get(path, **document(_LIST, answer=speaker_pb2.ListSpeakersResponse))
    async def list_speakers(request: Request, library: str) -> Response:
        """Lists speakers by name. Their enrollments are in the list of clips."""
        message = speaker_pb2.ListSpeakersRequest(parent=f"libraries/{library}")
        return answer(await parts.ask(request, "ListSpeakers", _LIST.read(request, message)))

    @api.post(
        path + ":identify",
        **document(_IDENTIFY, body=AUDIO, answer=speakers_pb2.IdentifySpeakerResponse),
    )
    async def identify_speaker(request: Request, library: str) -> Response:
        """Finds the speaker of a recording, or of a clip of the library, if any.

        The body is the recording itself, or a form with it in its field `audio`. With `clip` there
        is no body.
        """
        sound = await read_sound(request, _IDENTIFY)
        config = speakers_pb2.IdentifySpeakerConfig()
        sound.configure(config)
        config.parent = f"libraries/{library}"
        return answer(await parts.ask(request, "IdentifySpeaker", _identification(config, sound)))


def _add_enrollment(api: APIRouter, parts: Parts) -> None:
    path = "/v1/libraries/{library}/speakers/{speaker:id}"

    @api.post(
        path + ":enroll",
        **document(_ENROLL, body=_recordings(), answer=speakers_pb2.EnrollSpeakerResponse),
    )
    async def enroll_speaker(request: Request, library: str, speaker: str) -> Response:
        """Enrolls a speaker, or adds to its enrollments.

        The body is a recording itself, or a form with recordings in fields `audio`. Parameters of
        the query can also be fields of the form, before the first file. A field `config` may hold a
        JSON object `EnrollSpeakerConfig`. A body in JSON names clips of the library instead.
        """
        config = speakers_pb2.EnrollSpeakerConfig()
        recordings = await _read_recordings(request, config)
        config.parent, config.speaker_id = f"libraries/{library}", speaker
        return answer(await parts.ask(request, "EnrollSpeaker", _enrollment(config, recordings)))

    @api.post(
        path + ":removeEnrollments",
        **document(body=speaker_pb2.RemoveEnrollmentsRequest, answer=Speaker),
    )
    async def remove_enrollments(request: Request, library: str, speaker: str) -> Response:
        """Removes `clips` from a speaker's enrollments. They stay in the library."""
        refuse_others(request)
        message = await parse_body(request, speaker_pb2.RemoveEnrollmentsRequest())
        message.name = f"libraries/{library}/speakers/{speaker}"
        return answer(await parts.ask(request, "RemoveEnrollments", message))


def _add_verification(api: APIRouter, parts: Parts) -> None:
    @api.post(
        "/v1/libraries/{library}/speakers/{speaker:id}:verify",
        **document(_VERIFY, body=AUDIO, answer=speakers_pb2.VerifySpeakerResponse),
    )
    async def verify_speaker(request: Request, library: str, speaker: str) -> Response:
        """Decides if a recording, or a clip of the library, is the voice of a speaker.

        The body is the recording itself, or a form with it in its field `audio`. With `clip` there
        is no body.
        """
        sound = await read_sound(request, _VERIFY)
        config = speakers_pb2.VerifySpeakerConfig()
        sound.configure(config)
        config.name = f"libraries/{library}/speakers/{speaker}"
        return answer(await parts.ask(request, "VerifySpeaker", _verification(config, sound)))


def _add_speaker(api: APIRouter, parts: Parts) -> None:
    path = "/v1/libraries/{library}/speakers/{speaker:id}"

    @api.get(path, **document(answer=Speaker))
    async def get_speaker(request: Request, library: str, speaker: str) -> Response:
        """Reads a speaker in any state."""
        refuse_others(request)
        message = speaker_pb2.GetSpeakerRequest(name=f"libraries/{library}/speakers/{speaker}")
        return answer(await parts.ask(request, "GetSpeaker", message))

    @api.patch(path, **document(_UPDATE, body=Speaker, answer=Speaker))
    async def update_speaker(request: Request, library: str, speaker: str) -> Response:
        """Changes the fields in the mask, or without a mask the fields in the body."""
        message = _UPDATE.read(request, speaker_pb2.UpdateSpeakerRequest())
        await parse_change(request, message.speaker, message.update_mask)
        message.speaker.name = f"libraries/{library}/speakers/{speaker}"
        if not message.update_mask.paths:
            read = speaker_pb2.GetSpeakerRequest(name=message.speaker.name)
            return answer(await parts.ask(request, "GetSpeaker", read))
        return answer(await parts.ask(request, "UpdateSpeaker", message))

    @api.delete(path, **document(_DELETE, answer=Empty))
    async def delete_speaker(request: Request, library: str, speaker: str) -> Response:
        """Deletes a speaker, and with `deleteClips=true` also the clips of its enrollments."""
        message = speaker_pb2.DeleteSpeakerRequest(name=f"libraries/{library}/speakers/{speaker}")
        return answer(await parts.ask(request, "DeleteSpeaker", _DELETE.read(request, message)))


def _recordings() -> Schema:
    """The body of an enrollment: any number of files, or names of clips."""
    files = {"type": "array", "items": BINARY, "minItems": 1, "maxItems": MAX_RECORDINGS}
    return {
        **sounds(_ENROLL, files),
        "application/json": {"schema": Clips.model_json_schema()},
    }


def _is_json(request: Request) -> bool:
    kind = request.headers.get("content-type", "")
    return kind.partition(";")[0].strip().lower() == "application/json"


async def _read_recordings(
    request: Request, config: speakers_pb2.EnrollSpeakerConfig
) -> AsyncIterator[speakers_pb2.EnrollSpeakerRequest]:
    """Reads parameters into `config`. Returns the messages after it, as they arrive."""
    if _is_json(request):
        _ENROLL.read(request, config)
        return _of_clips(parse_model(await read_body(request), Clips))
    sound = await read_sound(request, _ENROLL, MAX_RECORDINGS)
    sound.configure(config)
    return _of_sound(sound)


async def _of_clips(named: Clips) -> AsyncIterator[speakers_pb2.EnrollSpeakerRequest]:
    for clip in named.clips:
        recording = speakers_pb2.Recording(clip=clip)
        yield speakers_pb2.EnrollSpeakerRequest(recording=recording)


async def _of_sound(sound: Sound) -> AsyncIterator[speakers_pb2.EnrollSpeakerRequest]:
    async for piece in sound.pieces:
        if isinstance(piece, File):
            recording = speakers_pb2.Recording(display_name=display_name(piece.name))
            yield speakers_pb2.EnrollSpeakerRequest(recording=recording)
        else:
            yield speakers_pb2.EnrollSpeakerRequest(audio_chunk=piece)


async def _enrollment(
    config: speakers_pb2.EnrollSpeakerConfig,
    recordings: AsyncIterator[speakers_pb2.EnrollSpeakerRequest],
) -> AsyncIterator[speakers_pb2.EnrollSpeakerRequest]:
    yield speakers_pb2.EnrollSpeakerRequest(config=config)
    async for each in recordings:
        yield each


async def _verification(
    config: speakers_pb2.VerifySpeakerConfig, sound: Sound
) -> AsyncIterator[speakers_pb2.VerifySpeakerRequest]:
    yield speakers_pb2.VerifySpeakerRequest(config=config)
    async for chunk in sound.chunks:
        yield speakers_pb2.VerifySpeakerRequest(audio_chunk=chunk)


async def _identification(
    config: speakers_pb2.IdentifySpeakerConfig, sound: Sound
) -> AsyncIterator[speakers_pb2.IdentifySpeakerRequest]:
    yield speakers_pb2.IdentifySpeakerRequest(config=config)
    async for chunk in sound.chunks:
        yield speakers_pb2.IdentifySpeakerRequest(audio_chunk=chunk)
