"""`audiosearch clip update`, `delete`, `move` and `enroll`: one clip, or many at once."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from audiosearch.catalog.v1 import clip_pb2
from audiosearch.catalog.v1.clip_pb2 import Clip, ClipFilter
from audiosearch_client.client import AudiosearchClient
from audiosearch_client.corpora.additions import complete
from google.protobuf.empty_pb2 import Empty
from google.protobuf.field_mask_pb2 import FieldMask

from audiosearch_cli.clips import trash
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
    Target,
    connect,
    pair,
    print_json,
    say,
)
from serving.errors import Reason, ServiceError
from serving.limits import MAX_RECORDINGS

Permanent = Annotated[
    bool, typer.Option("--permanent", help="Delete for good at once, also out of the trash.")
]


@narrowed
def update(
    fit: ClipFilter,
    names: Names = None,
    library: InLibrary = "",
    every: All = False,
    set_name: Annotated[str | None, typer.Option(help="New display name; of one clip.")] = None,
    set_label: Annotated[str | None, typer.Option(help="New label; '' for none.")] = None,
    set_speaker: Annotated[str | None, typer.Option(help="New speaker; '' for none.")] = None,
    set_metadata: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="New value of a key; '' removes it; repeatable."),
    ] = None,
    target: Target = DEFAULT_TARGET,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Change the name, label, speaker or metadata of clips."""
    given = {"display_name": set_name, "label": set_label, "speaker": set_speaker}
    new = Clip(display_name=set_name or "", label=set_label or "", speaker=set_speaker or "")
    mask = [field for field, value in given.items() if value is not None]
    noted = dict(map(pair, set_metadata or ()))
    if not mask and not noted:
        raise typer.BadParameter("name what to change", param_hint="--set-label")

    def change(name: str) -> Clip:
        wanted, fields = Clip(), list(mask)
        wanted.CopyFrom(new)
        wanted.name = name
        if noted:  # metadata is replaced as a whole
            fields.append("metadata")
            wanted.metadata.update(get_clip(client, name).metadata)
            wanted.metadata.update(noted)
            for key in [key for key, value in wanted.metadata.items() if not value]:
                del wanted.metadata[key]
        request = clip_pb2.UpdateClipRequest(clip=wanted, update_mask=FieldMask(paths=fields))
        return client.call(client.stubs.clips.UpdateClip, request)

    with connect(target, ca) as client:
        found = chosen(client, names, library, fit, every=every)
        if set_name is not None and len(found) > 1:
            raise typer.BadParameter("it is for one clip", param_hint="--set-name")
        if names and len(found) == 1:
            changed = change(found[0])
            return print_json(changed) if json else say(f"clip {names[0]} changed")
        batch = Batch("changing", "changed", quiet=json)
        batch.run(found, change)
    return batch.tell(as_json=json)


@narrowed
def delete(
    fit: ClipFilter,
    names: Names = None,
    library: InLibrary = "",
    every: All = False,
    permanent: Permanent = False,
    yes: Yes = False,
    target: Target = DEFAULT_TARGET,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Delete clips. They can be restored from the trash for a time."""
    did = "deleted for good" if permanent else "deleted"
    with connect(target, ca) as client:
        found = chosen(client, names, library, fit, every=every)
        if names and len(found) == 1:
            trash.delete(client, found[0], permanent=permanent)
            clip = trash.kept(client, found[0])
            if json:
                return print_json(clip or Empty())
            then = trash.way_back(clip, found[0])
            return say(f"clip {names[0]} {did}" + (f"; {then}" if then else ""))
        if found and not names:
            good = " for good" if permanent else ""
            confirm(f"This deletes {len(found):,} clips of {library}{good}.", yes=yes)
        batch = Batch("deleting", did, quiet=json)
        batch.run(found, lambda name: trash.delete(client, name, permanent=permanent))
        what = " ".join(names) if names else f"--library {library} --all"
        clip = trash.kept(client, found[0]) if found and not json else None
    return batch.tell(as_json=json, then=trash.way_back(clip, what))


@narrowed
def move(
    fit: ClipFilter,
    to: Annotated[str, typer.Option("--to", metavar="LIBRARY", help="Library to move them to.")],
    names: Names = None,
    library: InLibrary = "",
    every: All = False,
    target: Target = DEFAULT_TARGET,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Move clips to another library. They get new ids there, and vectors of that library's model.

    Enrollments of speakers stay. Audio that the other library has already is not stored twice.
    """
    with connect(target, ca) as client:
        found = chosen(client, names, library, fit, every=every)
        if any(name.startswith(f"libraries/{to}/") for name in found):
            raise typer.BadParameter("these clips are there already", param_hint="--to")
        batch = Batch("moving", "moved", quiet=json)
        batch.run(found, lambda name: _move(client, name, to))
    return batch.tell(f" to {to}", as_json=json)


@narrowed
def enroll(
    fit: ClipFilter,
    as_speaker: Annotated[
        str, typer.Option("--as", metavar="NAME", help="The speaker's short name, new or not.")
    ],
    names: Names = None,
    library: InLibrary = "",
    every: All = False,
    target: Target = DEFAULT_TARGET,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Enroll a speaker with clips of the library."""
    with connect(target, ca) as client:
        found = chosen(client, names, library, fit, every=every)
        own = {name.split("/")[1] for name in found}
        if len(own) > 1:
            raise typer.BadParameter("name clips of one library", param_hint="CLIP")
        batch = Batch("enrolling", "enrolled", quiet=json)
        left = iter(found)
        while some := list(itertools.islice(left, MAX_RECORDINGS)):
            answer = client.speakers.enroll(own.copy().pop(), as_speaker, some)
            for name, outcome in zip(some, answer.outcomes, strict=True):
                batch.count(name, outcome.failure if outcome.HasField("failure") else None)
    return batch.tell(f" as {as_speaker}", as_json=json)


def _move(client: AudiosearchClient, name: str, library: str) -> None:
    """Copies the audio and all that is told about it, then deletes the clip."""
    clip = get_clip(client, name)
    if clip.enrolled_speaker:
        raise ServiceError(
            Reason.STATE_CONFLICT,
            f"it is an enrollment of {clip.enrolled_speaker}; remove that first",
        )
    told = Clip(
        display_name=clip.display_name,
        label=clip.label,
        speaker=clip.speaker,
        metadata=clip.metadata,
        channel=clip.channel,
    )
    with tempfile.TemporaryDirectory(prefix="audiosearch-move-") as folder:
        path = Path(folder, "audio")
        with path.open("wb") as file:
            client.download(name, file)
        answer = client.upload(library, path, told)
    if not answer.created:
        addition = complete(answer.clip, told)
        if addition.fields:
            mask = FieldMask(paths=addition.fields)
            request = clip_pb2.UpdateClipRequest(clip=addition.clip, update_mask=mask)
            client.call(client.stubs.clips.UpdateClip, request)
    trash.delete(client, name, permanent=True)  # it is in the other library by now
