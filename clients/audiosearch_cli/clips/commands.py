"""`audiosearch clip ...`."""

from __future__ import annotations

import enum
import itertools
from typing import Annotated

import typer
from audiosearch.catalog.v1 import clip_pb2
from audiosearch.catalog.v1.clip_pb2 import Clip, ClipFilter

from audiosearch_cli.channels import remarks
from audiosearch_cli.clips import changing, downloading
from audiosearch_cli.clips.selection import InLibrary, full_name, get_clip
from audiosearch_cli.narrowing import narrowed
from audiosearch_cli.output import (
    DEFAULT_TARGET,
    Ca,
    Json,
    LibraryName,
    Target,
    clip_id,
    connect,
    draw_bar,
    print_json,
    print_table,
    say,
    say_fields,
    seconds,
    size,
    tags_of,
)
from serving.channels import name_of

app = typer.Typer(no_args_is_help=True, help="List, show, change, move, delete and download clips.")
app.command("update")(changing.update)
app.command("delete")(changing.delete)
app.command("move")(changing.move)
app.command("enroll")(changing.enroll)
app.command("download")(downloading.download)
Name = Annotated[
    str,
    typer.Argument(
        metavar="CLIP",
        help="libraries/LIBRARY/clips/ID as `search --json` and `clip list --json` print it, "
        "or the ID "
        "with --library.",
    ),
]


class Sorting(str, enum.Enum):
    """Orders of a list of clips."""

    NAME, NAME_DESC = "name", "name-desc"
    LENGTH, LENGTH_DESC = "length", "length-desc"
    TIME, TIME_DESC = "time", "time-desc"


_ORDERS = {
    Sorting.NAME: "display_name",
    Sorting.NAME_DESC: "display_name desc",
    Sorting.LENGTH: "duration",
    Sorting.LENGTH_DESC: "duration desc",
    Sorting.TIME: "create_time",
    Sorting.TIME_DESC: "create_time desc",
}


def _state(name: str) -> Clip.State.ValueType:
    try:
        return Clip.State.Value(f"STATE_{name.upper()}")
    except ValueError:
        raise typer.BadParameter(
            f"{name!r} is not creating, active, failed, deleting or trashed", param_hint="--state"
        ) from None


@app.command("list")
@narrowed
def list_clips(
    library: LibraryName,
    fit: ClipFilter,
    state: Annotated[
        str, typer.Option(help="creating, active, failed, deleting or trashed.")
    ] = "active",
    limit: Annotated[int, typer.Option(min=1, help="Number to show at most.")] = 100,
    sort: Annotated[
        Sorting | None, typer.Option(help="The order; with -desc downwards. By default by time.")
    ] = None,
    target: Target = DEFAULT_TARGET,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """List the clips of a library, the oldest first unless sorted otherwise."""
    fit.state = _state(state)
    with connect(target, ca) as client:
        request = clip_pb2.ListClipsRequest(
            page_size=min(limit, 1000), filter=fit, order_by=_ORDERS[sort] if sort else ""
        )
        clips = list(itertools.islice(client.clips(library, request), limit))
    if json:
        return print_json(clip_pb2.ListClipsResponse(clips=clips))
    rows = [
        (
            clip_id(clip),
            clip.display_name,
            seconds(clip),
            size(clip.audio_object.size_bytes) if clip.HasField("audio_object") else "",
            clip.label,
            clip.speaker,
            clip.failure.message,
        )
        for clip in clips
    ]
    return print_table(("clip", "name", "length", "size", "label", "speaker", "failure"), rows)


@app.command("values")
@narrowed
def count_values(
    field: Annotated[
        str,
        typer.Argument(help="label, speaker, source, enrolled_speaker, tag or metadata.KEY."),
    ],
    library: LibraryName,
    fit: ClipFilter,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Values to show at most.")] = 100,
    target: Target = DEFAULT_TARGET,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Count the clips of a library by the values of a field, the most frequent first."""
    with connect(target, ca) as client:
        answer = client.count_values(library, field, fit, limit)
    if json:
        return print_json(answer)
    rows = [(f"{each.clip_count:,}", each.value or "(none)") for each in answer.values]
    print_table(("clips", field), rows)
    more = answer.value_count - len(answer.values)
    told = f"; {more:,} values more than --limit shows" if more > 0 else ""
    return say(f"{answer.clip_count:,} clips, {answer.value_count:,} values{told}")


@app.command()
def show(
    name: Name,
    library: InLibrary = "",
    target: Target = DEFAULT_TARGET,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Show one clip."""
    with connect(target, ca) as client:
        clip = get_clip(client, full_name(name, library))
    if json:
        return print_json(clip)
    rows = [
        ("clip", clip.name),
        ("display name", clip.display_name),
        ("state", Clip.State.Name(clip.state).removeprefix("STATE_")),
        ("why it failed", clip.failure.message),
        ("label", clip.label),
        ("speaker", clip.speaker),
        ("enrollment of", clip.enrolled_speaker),
        ("kept until", _end(clip)),
        ("length", seconds(clip)),
        ("format", clip.audio.format),
        ("sample rate", f"{clip.audio.sample_rate:,} Hz, {clip.audio.channels} channels"),
        ("channel heard", name_of(clip.channel)),
        ("tags", tags_of(clip)),
        *(("note", words) for words in remarks(clip.audio)),
        ("size", size(clip.audio_object.size_bytes)),
        ("sha256", clip.audio_object.sha256),
        ("audio stays at", clip.uri),
        ("imported from", clip.source),
        ("created", f"{clip.create_time.ToDatetime():%Y-%m-%d %H:%M:%S} UTC"),
        *sorted(clip.metadata.items()),
    ]
    return say_fields(rows)


def _end(clip: Clip) -> str:
    if not clip.HasField("purge_time"):
        return ""
    return f"{clip.purge_time.ToDatetime():%Y-%m-%d %H:%M:%S} UTC"


@app.command()
def tags(
    name: Name,
    library: InLibrary = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Tags to show at most.")] = 10,
    model: Annotated[
        str, typer.Option(help="Model to ask, such as models/sounds; by default the library's.")
    ] = "",
    target: Target = DEFAULT_TARGET,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Name the kinds of sound in a clip, the surest first, also those of a low score."""
    with connect(target, ca) as client:
        answer = client.tag_clip(full_name(name, library), limit, model)
    if json:
        return print_json(answer)
    rows = [(f"{tag.score:.3f}", draw_bar(tag.score), tag.name) for tag in answer.tags]
    return print_table(("score", "", "kind of sound"), rows)
