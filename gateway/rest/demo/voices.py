"""The voiceprint routes of PaddleSpeech's audio_searching demo.

A table is a library, and a spk_id is a speaker in it. Unlike in the demo, another enrollment adds
to a speaker, a stranger is not recognised, and failures have a status of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from audiosearch.catalog.v1 import clip_pb2, library_pb2, speaker_pb2
from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch.gateway.v1 import speakers_pb2
from fastapi import APIRouter, Request, Response

from gateway.listing import pages
from gateway.rest.demo import contract
from gateway.rest.demo.contract import answer, needed, table
from gateway.rest.demo.links import link, voice_link
from gateway.rest.demo.recordings import Recording, read_server_file, read_upload
from gateway.rest.demo.spk_ids import new_speaker, speaker_id, spk_id_of
from gateway.rest.demo.tables import ensure, library_of
from gateway.rest.messages.json import parse_model, read_body
from gateway.rest.messages.multipart import Allowed, Form, read_form
from gateway.rest.messages.openapi import document_audio
from gateway.rest.messages.query import pairs
from gateway.rest.messages.sound import misplaced, read_files
from gateway.rest.parts import Parts
from gateway.rest.routes.audio import send_audio
from serving import limits
from serving.errors import Reason, ServiceError

ENROLLED = "Successfully enroll data!"
DELETED = "Successfully delete data!"
DROPPED = "Successfully drop tables!"
MOST = int(limits.of(speakers_pb2.IdentifySpeakerConfig, "k").maximum)
"""Speakers in an answer at most, as IdentifySpeaker returns no more."""

PAGE = 1000


def router(parts: Parts) -> APIRouter:
    """The routes under the paths and with the answers of that demo."""
    api = APIRouter(tags=["earlier demo"])
    _add_enrollment(api, parts)
    _add_recognition(api, parts)
    _add_lists(api, parts)
    _add_removal(api, parts)
    _add_audio(api, parts)
    return api


def _add_enrollment(api: APIRouter, parts: Parts) -> None:
    @api.post(
        "/vpr/enroll",
        **contract.documented(
            contract.DONE, contract.CHANNEL, contract.TABLE, body=contract.VOICE_FORM_BODY
        ),
    )
    async def enroll_upload(request: Request) -> Response:
        """Enrolls a speaker with an uploaded recording, or adds it to its enrollments.

        A missing library is created. `spk_id` must come before the file.
        """
        library = library_of(table(request, "spk_id", "channel"), parts)
        heard = contract.channel(request)
        kind = request.headers.get("content-type", "")
        form = await read_form(kind, request.stream(), Allowed(["spk_id"], others=True))
        recording = Recording(library, form.first.name, _chunks(form), heard)
        return await _enroll(parts, request, _enrollee(request, form), recording)

    @api.post(
        "/vpr/enroll/local",
        **contract.documented(
            contract.DONE, contract.SPEAKER, contract.VOICE_PATH, contract.CHANNEL, contract.TABLE
        ),
    )
    async def enroll_file(request: Request) -> Response:
        """Enrolls a speaker with a file of the server. It needs the right to import."""
        recording = await read_server_file(parts, request, "audio_path", "spk_id")
        return await _enroll(parts, request, needed(request, "spk_id"), recording)


def _add_recognition(api: APIRouter, parts: Parts) -> None:
    @api.post(
        "/vpr/recog",
        **contract.documented(
            contract.VOICE_MATCHES, contract.CHANNEL, contract.TABLE, body=contract.FORM_BODY
        ),
    )
    async def recognize_upload(request: Request) -> Response:
        """Finds the speakers of an uploaded recording; none if no score is high enough."""
        return await _identify(parts, request, await read_upload(parts, request))

    @api.post(
        "/vpr/recog/local",
        **contract.documented(
            contract.VOICE_MATCHES, contract.VOICE_PATH, contract.CHANNEL, contract.TABLE
        ),
    )
    async def recognize_file(request: Request) -> Response:
        """Finds the speakers of a file of the server. It needs the right to import."""
        return await _identify(parts, request, await read_server_file(parts, request, "audio_path"))


def _add_lists(api: APIRouter, parts: Parts) -> None:
    @api.get("/vpr/list", **contract.documented(contract.VOICES, contract.TABLE))
    async def list_voices(request: Request) -> Response:
        """Lists the speakers of a library by name, with the address of a recording of each."""
        library = library_of(table(request), parts)
        ids = [spk_id_of(each) async for each in _speakers(parts, request, library)]
        named, public = library.removeprefix("libraries/"), parts.settings.public_url
        links = [voice_link(request, public, named, each) for each in ids]
        return await asyncio.to_thread(answer, [ids, links])

    @api.get("/vpr/count", **contract.documented(contract.SPEAKER_COUNT, contract.TABLE))
    async def count_voices(request: Request) -> Response:
        """Counts the speakers of a library."""
        library, count = library_of(table(request), parts), 0
        async for _ in _speakers(parts, request, library):
            count += 1
        return answer(count)


def _add_removal(api: APIRouter, parts: Parts) -> None:
    @api.post(
        "/vpr/del",
        **contract.documented(contract.DONE, contract.TABLE, body=contract.VOICE_BODY),
    )
    async def delete_voice(request: Request) -> Response:
        """Deletes a speaker with its enrolled recordings."""
        library = library_of(table(request), parts)
        asked = parse_model(await read_body(request), contract.Voice)
        name = f"{library}/speakers/{speaker_id(asked.spk_id)}"
        message = speaker_pb2.DeleteSpeakerRequest(name=name, delete_clips=True)
        await parts.ask(request, "DeleteSpeaker", message)
        return answer({"status": True, "msg": DELETED})

    @api.post("/vpr/drop", **contract.documented(contract.DONE, contract.TABLE))
    async def drop_voices(request: Request) -> Response:
        """Deletes a library with its contents."""
        name = library_of(table(request), parts)
        message = library_pb2.DeleteLibraryRequest(name=name, force=True)
        await parts.ask(request, "DeleteLibrary", message)
        return answer({"status": True, "msg": DROPPED})


def _add_audio(api: APIRouter, parts: Parts) -> None:
    described = contract.with_parameters(document_audio(), contract.SPEAKER, contract.TABLE)

    @api.get("/vpr/data", **described)
    async def get_voice(request: Request) -> Response:
        """Sends the first enrolled recording of a speaker, or a range of it.

        `spk_id` may also come in a JSON body, because the demo's clients send it so.
        """
        library = library_of(table(request, "spk_id"), parts)
        name = f"{library}/speakers/{speaker_id(await _named(request))}"
        clip = await _first_clip(parts, request, name)
        if not clip:
            await parts.ask(request, "GetSpeaker", speaker_pb2.GetSpeakerRequest(name=name))
            raise ServiceError(
                Reason.SPEAKER_NOT_ENROLLED,
                f"{name} has no enrollments; enroll it with a recording",
                {"speaker": name},
            )
        return await send_audio(parts, request, clip)


def _enrollee(request: Request, form: Form) -> str:
    (given,) = form.fields.get("spk_id", [pairs(request).get("spk_id", "")])
    if "spk_id" in form.fields and "spk_id" in pairs(request):
        raise misplaced("spk_id", "comes in the query and in the form")
    if not given:
        raise misplaced("spk_id", "is missing; it must stand before the file in the form")
    return given


async def _chunks(form: Form) -> AsyncIterator[bytes]:
    async for piece in read_files(form):
        if isinstance(piece, bytes):
            yield piece


async def _named(request: Request) -> str:
    body = await read_body(request)
    if not body:
        return needed(request, "spk_id")
    if "spk_id" in pairs(request):
        raise misplaced("spk_id", "comes in the query and in the body")
    return parse_model(body, contract.Voice).spk_id


async def _enroll(parts: Parts, request: Request, spk_id: str, recording: Recording) -> Response:
    config = speakers_pb2.EnrollSpeakerConfig(
        parent=recording.library,
        speaker_id=speaker_id(spk_id),
        speaker=new_speaker(spk_id),
        channel=recording.channel,
    )

    async def requests() -> AsyncIterator[speakers_pb2.EnrollSpeakerRequest]:
        described = speakers_pb2.Recording(
            display_name=limits.cut(Clip, "display_name", recording.file_name)
        )
        yield speakers_pb2.EnrollSpeakerRequest(config=config)
        yield speakers_pb2.EnrollSpeakerRequest(recording=described)
        async for chunk in recording.chunks:
            yield speakers_pb2.EnrollSpeakerRequest(audio_chunk=chunk)

    await ensure(parts, request, recording.library)
    await parts.ask(request, "EnrollSpeaker", requests())
    return answer({"status": True, "msg": ENROLLED})


async def _identify(parts: Parts, request: Request, recording: Recording) -> Response:
    async def requests() -> AsyncIterator[speakers_pb2.IdentifySpeakerRequest]:
        config = speakers_pb2.IdentifySpeakerConfig(
            parent=recording.library, k=MOST, channel=recording.channel
        )
        yield speakers_pb2.IdentifySpeakerRequest(config=config)
        async for chunk in recording.chunks:
            yield speakers_pb2.IdentifySpeakerRequest(audio_chunk=chunk)

    found = await parts.ask(request, "IdentifySpeaker", requests())
    rows = []
    for match in found.matches:
        # A speaker that has just lost its last recording is not recognised any more.
        if clip := await _first_clip(parts, request, match.speaker.name):
            where = link(request, parts.settings.public_url, clip)
            rows.append([spk_id_of(match.speaker), [where, match.score.cosine * 100]])
    return answer(rows)


async def _first_clip(parts: Parts, request: Request, speaker: str) -> str:
    """Name of the oldest clip that a speaker is enrolled with; empty if there is none."""
    message = clip_pb2.ListClipsRequest(
        parent=speaker.partition("/speakers/")[0],
        page_size=1,
        filter=clip_pb2.ClipFilter(enrolled_speaker=speaker),
    )
    page = await parts.ask(request, "ListClips", message)
    return str(page.clips[0].name) if page.clips else ""


async def _speakers(
    parts: Parts, request: Request, library: str
) -> AsyncIterator[speaker_pb2.Speaker]:
    """The speakers of a library that have a recording, by name."""

    async def ask(message: speaker_pb2.ListSpeakersRequest) -> speaker_pb2.ListSpeakersResponse:
        page: speaker_pb2.ListSpeakersResponse = await parts.ask(request, "ListSpeakers", message)
        return page

    message = speaker_pb2.ListSpeakersRequest(parent=library, page_size=PAGE)
    async for page in pages(ask, message):
        for each in page.speakers:
            if each.enrollment_count:
                yield each
