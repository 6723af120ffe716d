"""Creates and activates many clips in one transaction, each with its own outcome."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, insert

from catalog_service.audio.audio_store import Reference
from catalog_service.clips import rows as clip_rows
from catalog_service.clips import tags
from catalog_service.clips.quotas import NO_QUOTA, Additions, Quota
from catalog_service.clips.rows import ALL, IN_LIBRARY, ClipRow, along
from catalog_service.clips.tags import Tag
from catalog_service.database.schema import clips
from catalog_service.database.states import AudioCondition, ClipState, LibraryState
from catalog_service.libraries import rows as library_rows
from catalog_service.names import ClipName, new_ids
from catalog_service.vectors import kept
from catalog_service.vectors.kept import Part
from serving.errors import Reason, ServiceError

_BY_REQUEST = along(
    ALL.where(IN_LIBRARY, clips.c.request_id.in_(bindparam("request_ids", expanding=True))),
    "uq_clips_request",
)
_BY_CONTENT = along(
    ALL.where(IN_LIBRARY, clips.c.content_sha256.in_(bindparam("hashes", expanding=True))),
    "uq_clips_content",
)
_INSERT = insert(clips)


@dataclass(frozen=True)
class NewClip:
    """The caller's fields of a new clip."""

    display_name: str
    label: str
    speaker: str
    metadata: dict[str, str]
    source: str
    import_job: str
    request_id: str | None
    content_sha256: str | None
    """Hash of the audio to come, if it is known. If so, the size is known too."""
    size_bytes: int | None
    channel: int
    """The channel that is heard, counted from 1; 0 for all, mixed to one."""
    quota: Quota = NO_QUOTA
    reference: Reference | None = None
    """The place of its audio if that stays elsewhere; only the URI is known then."""


@dataclass(frozen=True)
class Heard:
    """Properties of a clip's audio: durations in ns, sample rate in Hz, level in dBFS.

    All are None for a vector that was made elsewhere. `remarks` are numbers of AudioRemark; None
    for none.
    """

    duration_ns: int | None
    active_duration_ns: int | None
    sample_rate: int | None
    channels: int | None
    format: str | None
    level_dbfs: float | None
    remarks: list[int] | None
    window_count: int
    """Its vectors in the index of windows; 0 if that is not known."""


class Activation(NamedTuple):
    """A clip to activate: what was heard of it, and the parts of its vectors to keep."""

    name: ClipName
    heard: Heard
    vectors: Sequence[Part] = ()
    tags: Sequence[Tag] | None = None
    """Its tags, the surest first; None if they are not known."""
    peaks: bytes = b""
    """Its outline; empty if it is not known."""


class Locked(NamedTuple):
    """Locked rows of clips by id, and the ids of those CREATING ones whose audio is in place."""

    rows: Mapping[str, ClipRow]
    with_audio: Collection[str]


class Outcome(NamedTuple):
    """The result for one clip of many. With CLIP_EXISTS, the row is that of the other clip."""

    row: ClipRow | None
    error: ServiceError | None = None


def create(connection: Connection, library: str, new: Sequence[NewClip]) -> list[Outcome]:
    """Creates clips, except for those that exist by their request ids or hashes.

    Raises:
        ServiceError: LIBRARY_NOT_FOUND, STATE_CONFLICT (the library takes no clips).
        IntegrityError: Another call created one of them meanwhile. A repeat will find it.
    """
    # Locked until the clips are written, because a DELETING library must get no clips.
    parent = library_rows.get(connection, library, share=True)
    by_request, by_content = _made_before(connection, library, new)
    additions = Additions(connection, (clip.quota for clip in new))
    made: list[ClipRow] = []
    outcomes: list[Outcome] = []
    for clip, row in zip(new, _rows(parent.uid, new), strict=True):
        before = by_request.get(clip.request_id)
        other = by_content.get((clip.content_sha256, clip.channel))
        if before:
            outcomes.append(Outcome(before))
        elif other:
            outcomes.append(Outcome(other, exists(ClipName(library, other.id))))
        elif refusal := additions.refusal(clip.quota, 1, clip.size_bytes or 0):
            outcomes.append(Outcome(None, refusal))
        else:
            made.append(row)
            outcomes.append(Outcome(row))
            if clip.request_id is not None:
                by_request[clip.request_id] = row
            if clip.content_sha256 is not None:
                by_content[clip.content_sha256, clip.channel] = row
    if made:
        library_rows.require_state(parent, LibraryState.ACTIVE, LibraryState.LOADING)
        for some in clip_rows.batched(made):
            connection.execute(_INSERT, [row._asdict() for row in some])
        additions.keep()
    return outcomes


def activate(connection: Connection, locked: Locked, wanted: Sequence[Activation]) -> list[Outcome]:
    """CREATING -> ACTIVE for clips of one library that have their audio.

    ACTIVE ones stay as they are, but for the number of windows and the tags, if they are known now.
    """
    rows = dict(locked.rows)
    errors: dict[str, ServiceError] = {}
    ready: dict[str, Heard] = {}
    counts: dict[str, int] = {}
    tagged: dict[str, Sequence[Tag]] = {}
    uids: dict[str, str] = {}
    for name, heard, _, its_tags, _ in wanted:
        error = _unfit(rows.get(name.clip), name, locked)
        if error:
            errors[name.clip] = error
            continue
        uids[name.clip] = rows[name.clip].library_uid
        before = list(map(Tag._make, rows[name.clip].tags or ()))
        if its_tags is not None and (its_tags != before or rows[name.clip].is_restored):
            tagged[name.clip] = its_tags
        if rows[name.clip].state == ClipState.CREATING:
            ready[name.clip] = heard
        elif heard.window_count not in {0, rows[name.clip].window_count}:
            counts[name.clip] = heard.window_count
    changed = clip_rows.change_all(
        connection,
        [
            (
                rows[clip],
                {
                    "state": ClipState.ACTIVE,
                    "tags": tagged.get(clip) or None,
                    "trashed_sha256": None,
                    **vars(heard),
                },
            )
            for clip, heard in ready.items()
        ],
    )
    changed += clip_rows.count_windows(
        connection, [(rows[clip], count) for clip, count in counts.items()]
    )
    rows |= {row.id: row for row in changed}
    changed = clip_rows.change_all(
        connection,
        [
            (rows[clip], clip_rows.mirrored(rows[clip], {"tags": each or None}))
            for clip, each in tagged.items()
            if clip not in ready
        ],
    )
    rows |= {row.id: row for row in changed}
    tags.replace(connection, uids, tagged)
    parts = {  # one clip may stand there twice
        (part.clip_id, part.generation, part.part): part
        for name, _, vectors, _, _ in wanted
        for part in vectors
        if name.clip in uids
    }
    kept.keep(connection, uids, list(parts.values()))
    clip_rows.draw(
        connection, {each.name.clip: each.peaks for each in wanted if each.name.clip in uids}
    )
    return [Outcome(rows.get(each.name.clip), errors.get(each.name.clip)) for each in wanted]


def exists(other: ClipName) -> ServiceError:
    """Returns CLIP_EXISTS, which names the clip with the same bytes."""
    return ServiceError(
        Reason.CLIP_EXISTS, f"{other} has the same bytes; use that clip", {"clip": str(other)}
    )


def _made_before(
    connection: Connection, library: str, new: Sequence[NewClip]
) -> tuple[dict[str | None, ClipRow], dict[tuple[str | None, int], ClipRow]]:
    """Returns the clips that exist already: by request id; by hash of their bytes and channel."""
    request_ids = [clip.request_id for clip in new if clip.request_id is not None]
    hashes = [clip.content_sha256 for clip in new if clip.content_sha256 is not None]
    by_request = [
        row
        for some in clip_rows.batched(request_ids)
        for row in clip_rows.fetch(connection, _BY_REQUEST, library=library, request_ids=some)
    ]
    by_content = [
        row
        for some in clip_rows.batched(hashes)
        for row in clip_rows.fetch(connection, _BY_CONTENT, library=library, hashes=some)
    ]
    return (
        {row.request_id: row for row in by_request},
        {(row.content_sha256, row.channel): row for row in by_content},
    )


def _rows(library_uid: str, new: Sequence[NewClip]) -> Iterator[ClipRow]:
    time = clip_rows.now()
    empty = ClipRow._make([None] * len(ClipRow._fields))
    for clip, id_ in zip(new, new_ids(time, len(new)), strict=True):
        yield empty._replace(
            id=id_,
            library_uid=library_uid,
            state=ClipState.CREATING,
            create_time=time,
            update_time=time,
            enrolled_as="",
            revision=1,
            window_count=0,
            audio_condition=AudioCondition.WHOLE,
            owner=clip.quota.owner,
            **{name: value for name, value in vars(clip).items() if name != "quota"},
        )


def _unfit(row: ClipRow | None, name: ClipName, locked: Locked) -> ServiceError | None:
    """Returns the error of a clip that can't become ACTIVE; None if it can, or is ACTIVE."""
    if row is None:
        return clip_rows.not_found(name)
    if row.state == ClipState.ACTIVE:
        return None
    if row.state != ClipState.CREATING:
        return clip_rows.conflict(row, name, "CREATING or ACTIVE")
    # A clip that is restored comes back as it was, even if its audio was lost: the checks tell it.
    if row.id in locked.with_audio or row.is_restored:
        return None
    return clip_rows.conflict(row, name, "with its audio in place: call PutAudio first")
