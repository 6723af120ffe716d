"""Translates clips into messages of the contract."""

from __future__ import annotations

from collections.abc import Sequence

from audiosearch.catalog.v1.clip_pb2 import (
    AudioObject,
    AudioOutcome,
    Clip,
    ClipOutcome,
    CountValuesResponse,
    Failure,
    FindClipsResponse,
    ListReferencesResponse,
)

from catalog_service import answers
from catalog_service.audio.clip_audio import Stored
from catalog_service.audio.reference_readers import Listed
from catalog_service.audio.reference_uris import Place
from catalog_service.clips.batches import Outcome
from catalog_service.clips.counting import Counts
from catalog_service.clips.finding import Found, Term
from catalog_service.clips.rows import ClipRow
from catalog_service.database.states import ClipState
from catalog_service.names import clip_name, import_job_name, speaker_name
from serving.conditions import WHOLE_SCORE
from serving.errors import ServiceError


def clip(parent: str, row: ClipRow) -> Clip:
    """Returns a clip of a library.

    Its parts are given as mappings: a look-up builds hundreds of clips, and messages for the parts,
    above all for times, take several times as long.
    """
    has_audio = row.stored_sha256 is not None and row.state != ClipState.CREATING
    parts: answers.Parts = {
        "audio_object": {**_audio_object(row), "condition": row.audio_condition}
        if has_audio
        else None,
        "audio": _heard(row) if row.duration_ns is not None else None,
        "create_time": answers.time(row.create_time),
        "update_time": answers.time(row.update_time),
        "tags": [{"name": name, "score": score / WHOLE_SCORE} for name, score in row.tags or ()],
    }
    return Clip(
        name=clip_name(parent, row.id),
        display_name=row.display_name,
        label=row.label,
        speaker=row.speaker,
        metadata=row.metadata,
        state=Clip.State.ValueType(row.state),
        source=row.source,
        import_job=import_job_name(row.import_job) if row.import_job else "",
        enrolled_speaker=speaker_name(parent, row.enrolled_as) if row.enrolled_as else "",
        failure=answers.failure(row) if row.state == ClipState.FAILED else None,
        channel=row.channel,
        revision=row.revision,
        window_count=row.window_count,
        uri=row.referred.uri if row.referred else "",
        **parts,
    )


def outcome(parent: str, of: Outcome) -> ClipOutcome:
    """Returns the result for one clip of many."""
    return ClipOutcome(
        clip=clip(parent, of.row) if of.row else None,
        failure=_refused(of.error) if of.error else None,
    )


def found(parent: str, of: Sequence[Found], terms: Sequence[Term], token: str) -> FindClipsResponse:
    """Returns the clips that were found for terms."""
    most = WHOLE_SCORE * max(1, sum(bool(term.tags) for term in terms))
    return FindClipsResponse(
        clips=[
            FindClipsResponse.FoundClip(
                clip=clip(parent, each.row),
                score=each.total / most,
                named_count=each.named,
            )
            for each in of
        ],
        next_page_token=token,
    )


def counts(of: Counts) -> CountValuesResponse:
    """Returns the numbers of clips by value."""
    return CountValuesResponse(
        values=[
            CountValuesResponse.ValueCount(value=value, clip_count=clips)
            for value, clips in of.values
        ],
        value_count=of.value_count,
        clip_count=of.clip_count,
    )


def audio_object(stored: Stored) -> AudioObject:
    """Returns the stored audio object of a clip."""
    return AudioObject(**_audio_object(stored))


def audio_outcome(of: Stored | ServiceError) -> AudioOutcome:
    """Returns the result for the audio of one clip of many."""
    if isinstance(of, ServiceError):
        return AudioOutcome(failure=_refused(of), clip=of.metadata.get("clip", ""))
    return AudioOutcome(audio_object=audio_object(of))


def reference(place: Place, of: Listed) -> ListReferencesResponse.Reference:
    """Returns an audio file below a place, or the place itself."""
    uri = place.below(of.path).uri if of.path else place.uri
    path = of.path or place.path.rpartition("/")[2]
    if of.failure:
        return ListReferencesResponse.Reference(path=path, failure=_refused(of.failure))
    return ListReferencesResponse.Reference(
        uri=uri, path=path, size_bytes=of.size_bytes, version=of.version
    )


def _refused(error: ServiceError) -> Failure:
    return Failure(reason=error.reason.value, message=error.message)


def _audio_object(row: ClipRow | Stored) -> answers.Parts:
    return {
        "size_bytes": row.audio_bytes if isinstance(row, ClipRow) else row.size_bytes,
        "sha256": row.stored_sha256 if isinstance(row, ClipRow) else row.content_sha256,
        "content_type": row.content_type or "",
    }


def _heard(row: ClipRow) -> answers.Parts:
    return {
        "duration": answers.duration(row.duration_ns or 0),
        "active_duration": answers.duration(row.active_duration_ns or 0),
        "sample_rate": row.sample_rate,
        "channels": row.channels,
        "format": row.format,
        "level_dbfs": row.level_dbfs,
        "remarks": row.remarks,
    }
