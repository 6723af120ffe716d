"""Checks requests about clips, and translates them for the domain."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any, TypeVar

from audiosearch.catalog.v1.clip_pb2 import (
    ActivateClipRequest,
    BatchActivateClipsRequest,
    BatchCreateClipsRequest,
    BatchPutAudioRequest,
    Clip,
    ClipAudio,
    ClipFilter,
    ClipTags,
    CountOwnedRequest,
    CreateClipRequest,
    FindClipsRequest,
    LookupClipsRequest,
    PutAudioRequest,
    Quota,
)
from audiosearch.catalog.v1.import_job_pb2 import CreateImportJobRequest
from audiosearch.embedding.v1.embedding_pb2 import (
    AUDIO_REMARK_UNSPECIFIED,
    AudioProperties,
    AudioRemark,
)

from catalog_service import fields, names
from catalog_service.audio.audio_store import Reference
from catalog_service.audio.short_audio import ShortAudio
from catalog_service.clips.batches import Activation, Heard, NewClip
from catalog_service.clips.clips import CHANGEABLE
from catalog_service.clips.filter import ClipQuery
from catalog_service.clips.finding import Term
from catalog_service.clips.order import COLUMNS, Order
from catalog_service.clips.quotas import NO_QUOTA
from catalog_service.clips.quotas import Quota as OwnQuota
from catalog_service.clips.tags import Tag
from catalog_service.database.states import ClipState
from catalog_service.names import ClipName
from catalog_service.vectors.requests import of_clip
from serving import conditions, limits
from serving.conditions import thousandths
from serving.errors import ServiceError

RequestT = TypeVar("RequestT")
PartT = TypeVar("PartT")
_MAX_SAMPLE_RATE = 10_000_000
_MAX_CHANNELS = 65_535
_MAX_LEVEL = 1_000
_MAX_WINDOWS = 2**31 - 1


def new_clip(request: CreateClipRequest) -> NewClip:
    """Reads CreateClip."""
    clip, audio = request.clip, request.audio_object
    known = request.HasField("audio_object") and not clip.uri
    return NewClip(
        display_name=fields.text("clip.display_name", clip),
        label=fields.text("clip.label", clip),
        speaker=fields.text("clip.speaker", clip),
        metadata=fields.metadata("clip.metadata", clip),
        source=fields.path("clip.source", clip),
        import_job=names.check_import_job("clip.import_job", clip.import_job)
        if clip.import_job
        else "",
        request_id=fields.request_id(request),
        content_sha256=fields.sha256("audio_object.sha256", audio.sha256) if known else None,
        size_bytes=fields.count("audio_object.size_bytes", audio.size_bytes) if known else None,
        channel=fields.channel("clip.channel", clip),
        quota=quota(request),
        reference=Reference(fields.text("clip.uri", clip), "", 0) if clip.uri else None,
    )


def quota(
    request: CreateClipRequest | PutAudioRequest | ClipAudio | CreateImportJobRequest,
) -> OwnQuota:
    """Reads the quota of new clips; none if it is not set."""
    if not request.HasField("quota"):
        return NO_QUOTA
    value: Quota = request.quota
    return OwnQuota(
        owner=fields.text("quota.owner", value).rstrip(" "),  # which MySQL ignores there
        max_clips=fields.count("quota.max_clips", value.max_clips),
        max_bytes=fields.count("quota.max_bytes", value.max_bytes),
    )


def owners(request: CountOwnedRequest) -> list[str]:
    """Returns the owners whose clips are to be counted."""
    fields.batch("owners", request)
    fields.texts("owners", request)
    return list(request.owners)


def activation(request: ActivateClipRequest) -> Activation:
    """Reads ActivateClip."""
    name = names.parse_clip("name", request.name)
    fields.entries("vectors", request)
    known = request.HasField("tags")
    return Activation(
        name,
        heard(request),
        of_clip(name, request.vectors),
        _tags(request.tags) if known else None,
        _peaks(request),
    )


def parent_of(request: ActivateClipRequest | ClipAudio) -> str:
    """Returns the part of a name before `/clips/`, without any check."""
    return request.name.partition("/clips/")[0]


def batch(
    whole: BatchCreateClipsRequest | BatchPutAudioRequest | BatchActivateClipsRequest,
    requests: Sequence[RequestT],
    parent_of: Callable[[RequestT], str],
    read: Callable[[RequestT], PartT],
) -> list[PartT | ServiceError]:
    """Returns the parts of a batch, with the error in the place of a bad part.

    Raises:
        ServiceError: FIELD_INVALID for too many parts, or none.
    """
    fields.batch("requests", whole)

    def part(request: RequestT) -> PartT | ServiceError:
        try:
            if parent_of(request) not in {"", whole.parent}:
                rule = f"must be {whole.parent}, as above"
                raise fields.invalid("parent", parent_of(request), rule)
            return read(request)
        except ServiceError as error:
            return error

    return [part(request) for request in requests]


def clip_changes(clip: Clip, changed: Iterable[str]) -> dict[str, Any]:
    """Returns the new values of the fields that a mask names."""
    values: dict[str, Any] = {}
    for name in CHANGEABLE:
        if name in changed:
            check = fields.metadata if name == "metadata" else fields.text
            values[name] = check(f"clip.{name}", clip)
    return values


def heard(request: ActivateClipRequest) -> Heard:
    """Returns the properties of audio that the embedding service measured."""
    audio = request.audio
    window_count = fields.count("window_count", request.window_count, _MAX_WINDOWS)
    if not request.HasField("audio"):
        return Heard(None, None, None, None, None, None, None, window_count)
    if not math.isfinite(audio.level_dbfs) or abs(audio.level_dbfs) > _MAX_LEVEL:
        raise fields.invalid("audio.level_dbfs", audio.level_dbfs, "must be a level in dB")
    return Heard(
        duration_ns=fields.nanoseconds("audio.duration", audio.duration),
        active_duration_ns=fields.nanoseconds("audio.active_duration", audio.active_duration),
        sample_rate=fields.count("audio.sample_rate", audio.sample_rate, _MAX_SAMPLE_RATE),
        channels=fields.count("audio.channels", audio.channels, _MAX_CHANNELS),
        format=fields.text("audio.format", audio),
        level_dbfs=audio.level_dbfs,
        remarks=_remarks(audio),
        window_count=window_count,
    )


def _tags(value: ClipTags) -> list[Tag]:
    """Returns the tags of a clip, the surest first."""
    fields.entries("tags.tags", value)
    found: dict[str, int] = {}
    for number, each in enumerate(value.tags):
        field = f"tags.tags[{number}]"
        name = fields.text(f"{field}.name", each)
        if not name.strip(" ") or name.strip(" ") != name or name in found:
            rule = "must be a name without blanks around it, each once"
            raise fields.invalid(f"{field}.name", name, rule)
        found[name] = thousandths(fields.within(f"{field}.score", each))
    return [Tag(name, score) for name, score in sorted(found.items(), key=_surest_first)]


def _peaks(request: ActivateClipRequest) -> bytes:
    most = limits.of(request, "peaks").max_length
    if len(request.peaks) > most:
        raise fields.invalid("peaks", f"{len(request.peaks)} bytes", f"must be at most {most}")
    return request.peaks


def _surest_first(tag: tuple[str, int]) -> tuple[int, str]:
    return -tag[1], tag[0]


def terms(request: FindClipsRequest) -> list[Term]:
    """Returns the parts of a question."""
    fields.batch("terms", request)
    found = []
    for number, term in enumerate(request.terms):
        field = f"terms[{number}]"
        for name in ("tags", "texts"):
            fields.texts(f"{field}.{name}", term)
        if not (term.tags or term.texts):
            raise fields.invalid(field, "nothing", "must have a tag or a text")
        found.append(Term(list(term.tags), list(term.texts)))
    return found


def active_query(parent: str, value: ClipFilter) -> ClipQuery:
    """Reads a filter of ACTIVE clips."""
    query = clip_query(parent, value)
    if query.state != ClipState.ACTIVE:
        raise fields.invalid("filter.state", query.state.name, "must be ACTIVE or not set")
    return query


def _remarks(audio: AudioProperties) -> list[int] | None:
    """Returns the numbers of the remarks, each once, in order; None if there are none."""
    fields.entries("audio.remarks", audio)
    known = set(AudioRemark.values()) - {AUDIO_REMARK_UNSPECIFIED}
    return sorted({fields.choice("audio.remarks", it, known) for it in audio.remarks}) or None


def clip_query(parent: str, value: ClipFilter) -> ClipQuery:
    """Reads the filter of a list of the library's clips."""
    conditions.check("filter.conditions", value)
    times: dict[str, Any] = {
        name: fields.time(f"filter.{name}", getattr(value, name)) if value.HasField(name) else None
        for name in ("create_time_from", "create_time_before", "update_time_before")
    }
    return ClipQuery(
        state=ClipState(fields.choice("filter.state", value.state or ClipState.ACTIVE, ClipState)),
        label=fields.text("filter.label", value) if value.HasField("label") else None,
        speaker=fields.text("filter.speaker", value) if value.HasField("speaker") else None,
        display_name_prefix=fields.text("filter.display_name_prefix", value),
        import_job=names.parse_import_job("filter.import_job", value.import_job)
        if value.import_job
        else None,
        enrolled_as=_of_library(parent, "filter.enrolled_speaker", value.enrolled_speaker)
        if value.enrolled_speaker
        else None,
        **times,
    ).narrowed(value.conditions)


def clip_order(value: str) -> Order | None:
    """Reads the order of a list; None for that of the filter."""
    if not value.strip():
        return None
    name, *how = value.split()
    if name not in COLUMNS or how not in ([], ["desc"]):
        rule = f"must be one of {', '.join(COLUMNS)}, with or without ` desc`"
        raise fields.invalid("order_by", value, rule)
    return Order(COLUMNS[name], bool(how))


def _of_library(parent: str, field: str, text: str) -> str:
    """Returns the {speaker} part of the name of a speaker of the library."""
    name = names.parse_speaker(field, text)
    if name.library != parent:
        raise fields.invalid(field, text, f"must be a speaker of {names.library_name(parent)}")
    return name.speaker


def clip_state(value: int) -> ClipState | None:
    """Returns the state that a clip must have; None for any."""
    return ClipState(fields.choice("only_state", value, ClipState)) if value else None


def clip_speaker(library: str, text: str) -> str | None:
    """Returns the {speaker} part of the only speaker that a clip may enroll; None for any."""
    return _of_library(library, "only_speaker", text) if text else None


def clip_ids(request: LookupClipsRequest) -> list[str]:
    """Returns the ids to look up, 1 to 1,000."""
    wanted = list(request.clip_ids)
    fields.lookup("clip_ids", len(wanted), request)
    return wanted


def short_audio(request: ClipAudio) -> ShortAudio:
    """Returns the audio of one clip of a batch."""
    return ShortAudio(names.parse_clip("name", request.name), request.content, quota(request))


async def audio_name(stream: AsyncIterator[PutAudioRequest]) -> tuple[ClipName, OwnQuota]:
    """Returns the clip that the first message of a PutAudio stream names, and its quota."""
    async for message in stream:
        if message.WhichOneof("request") != "name":
            break
        return names.parse_clip("name", message.name), quota(message)
    raise fields.invalid("name", "", "must come first, alone in the first message of the stream")


async def audio_chunks(stream: AsyncIterator[PutAudioRequest]) -> AsyncIterator[bytes]:
    """Yields the bytes of all later messages."""
    async for message in stream:
        if message.WhichOneof("request") != "chunk":
            raise fields.invalid("chunk", "no bytes", "must be set in every message but the first")
        yield message.chunk
