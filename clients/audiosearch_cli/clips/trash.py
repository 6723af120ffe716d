"""`audiosearch trash ...`: deleted clips that can be restored for a time."""

from __future__ import annotations

import itertools
from datetime import datetime, timezone
from typing import Annotated

import typer
from audiosearch.catalog.v1 import clip_pb2
from audiosearch.catalog.v1.clip_pb2 import Clip, ClipFilter
from audiosearch_client.client import AudiosearchClient

from audiosearch_cli.clips.selection import (
    All,
    Batch,
    InLibrary,
    Names,
    Yes,
    chosen,
    confirm,
    get_clip,
)
from audiosearch_cli.narrowing import narrowed
from audiosearch_cli.output import (
    DEFAULT_TARGET,
    Ca,
    Json,
    LibraryName,
    Target,
    clip_id,
    connect,
    print_json,
    print_table,
    say,
    seconds,
    size,
)
from serving.errors import Reason, ServiceError

app = typer.Typer(no_args_is_help=True, help="List, restore and empty the trash of a library.")


@app.command("list")
@narrowed
def list_trash(
    library: LibraryName,
    fit: ClipFilter,
    limit: Annotated[int, typer.Option(min=1, help="Number to show at most.")] = 100,
    target: Target = DEFAULT_TARGET,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """List the deleted clips that can be restored, the oldest first."""
    fit.state = Clip.STATE_TRASHED
    request = clip_pb2.ListClipsRequest(page_size=min(limit, 1000), filter=fit)
    with connect(target, ca) as client:
        clips = list(itertools.islice(client.clips(library, request), limit))
    if json:
        return print_json(clip_pb2.ListClipsResponse(clips=clips))
    rows = [
        (
            clip_id(clip),
            clip.display_name,
            seconds(clip),
            size(clip.audio_object.size_bytes),
            clip.label,
            clip.speaker,
            _moment(clip.update_time.ToDatetime(timezone.utc)),
            _moment(clip.purge_time.ToDatetime(timezone.utc)),
        )
        for clip in clips
    ]
    columns = ("clip", "name", "length", "size", "label", "speaker", "deleted", "kept until (UTC)")
    return print_table(columns, rows)


@app.command()
@narrowed
def restore(
    fit: ClipFilter,
    names: Names = None,
    library: InLibrary = "",
    every: All = False,
    target: Target = DEFAULT_TARGET,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Bring deleted clips back as they were. Enrollments come back as clips like any other."""

    def bring_back(name: str) -> Clip:
        request = clip_pb2.RestoreClipRequest(name=name)
        return client.call(client.stubs.clips.RestoreClip, request)

    with connect(target, ca) as client:
        found = chosen(client, names, library, fit, every=every, state=Clip.STATE_TRASHED)
        if names and len(found) == 1:
            clip = bring_back(found[0])
            return print_json(clip) if json else say(f"clip {names[0]} restored")
        batch = Batch("restoring", "restored", quiet=json)
        batch.run(found, bring_back)
    return batch.tell(as_json=json)


@app.command()
def empty(
    library: LibraryName,
    yes: Yes = False,
    target: Target = DEFAULT_TARGET,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Delete all clips in the trash of a library for good, and get the room back."""
    with connect(target, ca) as client:
        which = ClipFilter(state=Clip.STATE_TRASHED)
        request = clip_pb2.ListClipsRequest(page_size=1000, filter=which)
        found = [clip.name for clip in client.clips(library, request)]
        if found:
            confirm(f"This deletes {len(found):,} clips of {library} for good.", yes=yes)
        batch = Batch("deleting", "deleted for good", quiet=json)
        batch.run(found, lambda name: delete(client, name, permanent=True))
    return batch.tell(as_json=json)


def delete(client: AudiosearchClient, name: str, *, permanent: bool) -> None:
    """Deletes a clip."""
    request = clip_pb2.DeleteClipRequest(name=name, permanent=permanent)
    client.call(client.stubs.clips.DeleteClip, request)


def kept(client: AudiosearchClient, name: str) -> Clip | None:
    """A deleted clip as it is in the trash; None if it is gone for good."""
    try:
        clip = get_clip(client, name)
    except ServiceError as error:
        if error.reason is not Reason.CLIP_NOT_FOUND:
            raise
        return None
    return clip if clip.state == Clip.STATE_TRASHED else None


def way_back(clip: Clip | None, what: str) -> str:
    """A sentence that tells how deleted clips come back; empty if they don't."""
    if clip is None:
        return ""
    until = _moment(clip.purge_time.ToDatetime(timezone.utc))
    return f"until {until} UTC `audiosearch trash restore {what}` brings them back"


def _moment(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M}"
