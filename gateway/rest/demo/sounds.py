"""The routes of PaddleSpeech's audio_searching demo, so that its clients keep working.

A table is a library, and `/data` serves clips by their names. Unlike in the demo, failures have a
status of their own, and paths of the server must be below the folders that the operator allows.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from audiosearch.catalog.v1 import library_pb2
from audiosearch.catalog.v1.import_job_pb2 import ImportJob, ImportProgress
from audiosearch.gateway.v1 import clips_pb2, search_pb2
from fastapi import APIRouter, Request, Response

from gateway.rest.demo import contract
from gateway.rest.demo.contract import answer, needed, table
from gateway.rest.demo.links import link
from gateway.rest.demo.recordings import Recording, read_server_file, read_upload
from gateway.rest.demo.tables import library_of, load, newest_import
from gateway.rest.messages.json import parse_model, read_body
from gateway.rest.messages.openapi import document_audio
from gateway.rest.messages.query import refuse_others
from gateway.rest.parts import Parts
from gateway.rest.routes.audio import send_audio
from gateway.upstream import passing_over
from serving import channels
from serving.errors import Reason, ServiceError
from serving.names import split_clip

LOADED = "Successfully loaded data!"
NO_TABLE = "Collection is not exist"


def router(parts: Parts) -> APIRouter:
    """The routes under the paths and with the answers of that demo."""
    api = APIRouter(tags=["earlier demo"])
    _add_loading(api, parts)
    _add_tables(api, parts)
    _add_searches(api, parts)
    _add_audio(api, parts)
    return api


def _add_loading(api: APIRouter, parts: Parts) -> None:
    @api.post("/audio/load", **contract.documented(contract.DONE, body=contract.LOAD_BODY))
    async def load_folder(request: Request) -> Response:
        """Imports every audio file below a folder of the server, and answers at the end.

        Files that can't be imported do not affect the others. `msg` lists them.
        """
        refuse_others(request)
        asked = parse_model(await read_body(request), contract.Load)
        wanted = clips_pb2.ImportClipsRequest(
            parent=library_of(asked.table or "", parts, "Table"),
            folder=asked.file,
            channel=channels.number_of(asked.channel),
        )
        job = await load(parts, request, wanted)
        return answer({"status": True, "msg": _told(job)})

    @api.get("/progress", **contract.documented(contract.TEXT, contract.TABLE))
    async def tell_progress(request: Request) -> Response:
        """Reads the progress of the newest import, of all or of a library."""
        named = table(request)
        job = await newest_import(parts, request, library_of(named, parts) if named else "")
        done = job.progress if job else ImportProgress()
        current = done.imported + done.existing + done.failed
        failed = f", failed: {done.failed}" if done.failed else ""
        return answer(f"current: {current}, total: {done.total}{failed}")


def _add_tables(api: APIRouter, parts: Parts) -> None:
    @api.get("/audio/count", **contract.documented(contract.COUNT, contract.TABLE))
    async def count_clips(request: Request) -> Response:
        """Counts the clips of a library; null if there is no such library."""
        message = library_pb2.GetLibraryRequest(name=library_of(table(request), parts))
        count = None
        with passing_over(Reason.LIBRARY_NOT_FOUND):
            count = (await parts.ask(request, "GetLibrary", message)).clip_count
        return answer(count)

    @api.post(
        "/audio/drop",
        **contract.documented(contract.TEXT, contract.TABLE, missing=contract.TEXT),
    )
    async def drop_library(request: Request) -> Response:
        """Deletes a library with its contents."""
        name = library_of(table(request), parts)
        message = library_pb2.DeleteLibraryRequest(name=name, force=True)
        with passing_over(Reason.LIBRARY_NOT_FOUND):
            await parts.ask(request, "DeleteLibrary", message)
            return answer("ok")
        return answer(NO_TABLE, 404)


def _add_searches(api: APIRouter, parts: Parts) -> None:
    @api.post(
        "/audio/search",
        **contract.documented(
            contract.MATCHES, contract.CHANNEL, contract.TABLE, body=contract.FORM_BODY
        ),
    )
    async def search_upload(request: Request) -> Response:
        """Finds the clips most like an uploaded sound, at most TOP_K."""
        return await _search(parts, request, await read_upload(parts, request))

    @api.post(
        "/audio/search/local",
        **contract.documented(
            contract.MATCHES, contract.QUERY_PATH, contract.CHANNEL, contract.TABLE
        ),
    )
    async def search_file(request: Request) -> Response:
        """Finds the clips most like a file of the server. It needs the right to import."""
        recording = await read_server_file(parts, request, "query_audio_path")
        return await _search(parts, request, recording)


def _add_audio(api: APIRouter, parts: Parts) -> None:
    @api.get("/data", **contract.with_parameters(document_audio(), contract.CLIP))
    async def get_data(request: Request) -> Response:
        """Sends the audio of a clip, or the requested range of it."""
        refuse_others(request, ["audio_path"])
        name = needed(request, "audio_path")
        split_clip(name, "audio_path")
        return await send_audio(parts, request, name)


def _told(job: ImportJob) -> str:
    """The message about a finished import. An import without any clip is an error."""
    done = job.progress
    named = "; ".join(f"{each.path}: {each.failure.message}" for each in job.failures)
    told = f"{done.failed} of {done.total} files could not be loaded: {named}"
    if done.imported or done.existing:
        return told if done.failed else LOADED
    if not done.failed:
        raise ServiceError(Reason.PATH_NOT_FOUND, f"there is no audio file below {job.folder}")
    reason = job.failures[0].failure.reason
    raise ServiceError(Reason.named(reason) or Reason.INTERNAL, told)


async def _search(parts: Parts, request: Request, recording: Recording) -> Response:
    async def requests() -> AsyncIterator[search_pb2.StreamSearchClipsRequest]:
        search = search_pb2.SearchConfig(parent=recording.library)
        config = search_pb2.StreamSearchClipsConfig(search=search, channel=recording.channel)
        yield search_pb2.StreamSearchClipsRequest(config=config)
        async for chunk in recording.chunks:
            yield search_pb2.StreamSearchClipsRequest(audio_chunk=chunk)

    responses = parts.stream(request, "StreamSearchClips", requests())
    async with contextlib.aclosing(responses):
        matches = [each.match async for each in responses if each.HasField("match")]
    public = parts.settings.public_url
    return answer(
        [
            [
                link(request, public, match.clip.name),
                [match.clip.display_name, percent(match.score)],
            ]
            for match in matches
        ]
    )


def percent(score: float) -> float:
    """The demo's score, (1 - |a - b|^2) * 100 of unit vectors a and b; 100 for the same sound."""
    return (2 * score - 1) * 100
