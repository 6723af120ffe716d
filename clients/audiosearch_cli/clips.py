"""`audiosearch clip ...`."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Annotated

import typer
from audiosearch.catalog.v1 import clip_pb2
from audiosearch.catalog.v1.clip_pb2 import Clip, ClipFilter
from google.protobuf.empty_pb2 import Empty

from audiosearch_cli.channels import remarks
from audiosearch_cli.narrowing import narrowed
from audiosearch_cli.output import (
    DEFAULT_TARGET,
    Ca,
    Json,
    LibraryName,
    Target,
    clip_id,
    clip_name,
    connect,
    draw_bar,
    print_json,
    print_table,
    say,
    say_fields,
    seconds,
    size,
    tags_of,
    written_whole,
)
from serving.channels import name_of

app = typer.Typer(no_args_is_help=True, help="List, show, delete and download clips.")
Name = Annotated[
    str,
    typer.Argument(
        metavar="CLIP",
        help="libraries/LIBRARY/clips/ID as `search --json` and `clip list --json` print it, "
        "or the ID "
        "with --library.",
    ),
]
InLibrary = Annotated[
    str,
    typer.Option(
        "--library", "-l", envvar="DEFAULT_TABLE", help="Library of a clip named by its ID alone."
    ),
]

MAX_NAME_BYTES = 200
"""Length of a file's name at most, when it comes from a clip; most disks take 255."""


def _full(name: str, library: str) -> str:
    if "/" not in name and not library:
        raise typer.BadParameter("name the library too: --library NAME", param_hint="CLIP")
    return clip_name(library, name)


def _state(name: str) -> Clip.State.ValueType:
    try:
        return Clip.State.Value(f"STATE_{name.upper()}")
    except ValueError:
        raise typer.BadParameter(
            f"{name!r} is not creating, active, failed or deleting", param_hint="--state"
        ) from None


@app.command("list")
@narrowed
def list_clips(
    library: LibraryName,
    fit: ClipFilter,
    state: Annotated[str, typer.Option(help="creating, active, failed or deleting.")] = "active",
    limit: Annotated[int, typer.Option(min=1, help="Number to show at most.")] = 100,
    target: Target = DEFAULT_TARGET,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """List the clips of a library, the oldest first."""
    fit.state = _state(state)
    with connect(target, ca) as client:
        request = clip_pb2.ListClipsRequest(page_size=min(limit, 1000), filter=fit)
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
        clip = client.call(
            client.stubs.clips.GetClip, clip_pb2.GetClipRequest(name=_full(name, library))
        )
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
        ("length", seconds(clip)),
        ("format", clip.audio.format),
        ("sample rate", f"{clip.audio.sample_rate:,} Hz, {clip.audio.channels} channels"),
        ("channel heard", name_of(clip.channel)),
        ("tags", tags_of(clip)),
        *(("note", words) for words in remarks(clip.audio)),
        ("size", size(clip.audio_object.size_bytes)),
        ("sha256", clip.audio_object.sha256),
        ("imported from", clip.source),
        ("created", f"{clip.create_time.ToDatetime():%Y-%m-%d %H:%M:%S} UTC"),
        *sorted(clip.metadata.items()),
    ]
    return say_fields(rows)


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
        answer = client.tag_clip(_full(name, library), limit, model)
    if json:
        return print_json(answer)
    rows = [(f"{tag.score:.3f}", draw_bar(tag.score), tag.name) for tag in answer.tags]
    return print_table(("score", "", "kind of sound"), rows)


@app.command()
def delete(
    name: Name,
    library: InLibrary = "",
    target: Target = DEFAULT_TARGET,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Delete a clip, its vector and its audio."""
    with connect(target, ca) as client:
        client.call(
            client.stubs.clips.DeleteClip, clip_pb2.DeleteClipRequest(name=_full(name, library))
        )
    if json:
        return print_json(Empty())
    return say(f"clip {name} deleted")


@app.command()
def download(
    name: Name,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            dir_okay=False,
            help="File to write; by default the clip's display name, in this folder.",
        ),
    ] = None,
    library: InLibrary = "",
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
    target: Target = DEFAULT_TARGET,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Save the audio of a clip as it came in."""
    full = _full(name, library)
    with connect(target, ca) as client:
        clip = client.call(client.stubs.clips.GetClip, clip_pb2.GetClipRequest(name=full))
        path = output or _file_of(clip)
        if path.exists() and not force:
            raise typer.BadParameter(
                f"{path} is there already; choose another or use --force", param_hint="--output"
            )
        with written_whole(path) as file:
            stored = client.download(full, file)
    if json:
        return print_json(stored)
    return say(f"{path}: {size(stored.size_bytes)}")


def _file_of(clip: Clip) -> Path:
    """A file in this folder, by the clip's display name.

    The name may come from anywhere. So it leads to no other folder, hides no file, and has only
    what a name of a file may have.
    """
    last = re.split(r"[/\\]", clip.display_name)[-1]
    clean = "".join(each if each.isprintable() else "_" for each in last).strip().lstrip(".")
    stem, dot, ending = clean.rpartition(".")
    room = MAX_NAME_BYTES - len((dot + ending).encode())
    if stem and room > 0:
        clean = stem.encode()[:room].decode(errors="ignore") + dot + ending
    return Path(clean.encode()[:MAX_NAME_BYTES].decode(errors="ignore") or clip_id(clip))
