"""`audiosearch speaker list`, `show`, `update`, `delete` and `remove-enrollment`."""

from __future__ import annotations

import itertools
from typing import Annotated

import typer
from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch.catalog.v1.speaker_pb2 import ListSpeakersResponse, Speaker
from google.protobuf.duration_pb2 import Duration
from google.protobuf.empty_pb2 import Empty

from audiosearch_cli.output import (
    DEFAULT_TARGET,
    Ca,
    Json,
    LibraryName,
    Target,
    clip_id,
    clip_name,
    connect,
    in_seconds,
    pair,
    print_json,
    print_table,
    say,
    say_fields,
)

app = typer.Typer(
    no_args_is_help=True,
    help="Enroll, recognise, list, change and delete speakers.",
)
Name = Annotated[
    str,
    typer.Argument(metavar="NAME", help="The speaker's short name: letters, digits, _ and -."),
]


_CONSISTENCIES = {Speaker.CONSISTENCY_GOOD: "good", Speaker.CONSISTENCY_LOW: "low"}


def short(speaker: Speaker) -> str:
    """The {speaker} part of its name."""
    return speaker.name.rpartition("/")[2]


def known_as(speaker: Speaker) -> str:
    """Its display name; empty if that is the same as the {speaker} part of its name."""
    return "" if speaker.display_name == short(speaker) else speaker.display_name


def describe_speech(speaker: Speaker) -> str:
    """The amount of speech, and the amount that would still help."""
    wanted = speaker.wanted_speech_duration
    more = f"{in_seconds(wanted)} more would help" if wanted.ToNanoseconds() else "that is enough"
    told = f"{in_seconds(speaker.speech_duration)} of speech; {more}"
    if speaker.consistency == Speaker.CONSISTENCY_LOW:
        told += f"; but its recordings do not agree (lowest agreement {speaker.agreement:.3f})"
    return told


def consistency(speaker: Speaker) -> str:
    """The agreement of its recordings, and a word for it; empty if it is not known."""
    word = _CONSISTENCIES.get(speaker.consistency, "")
    return f"{speaker.agreement:.3f} {word}" if word else ""


@app.command("list")
def list_speakers(
    library: LibraryName,
    limit: Annotated[int, typer.Option(min=1, help="Number to show at most.")] = 100,
    target: Target = DEFAULT_TARGET,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """List the speakers of a library by name."""
    with connect(target, ca) as client:
        speakers = list(itertools.islice(client.speakers.all_of(library), limit))
    if json:
        return print_json(ListSpeakersResponse(speakers=speakers))
    rows = [
        (
            short(each),
            known_as(each),
            f"{each.enrollment_count:,}",
            in_seconds(each.speech_duration),
            _wanted(each.wanted_speech_duration),
            consistency(each),
            f"{each.create_time.ToDatetime():%Y-%m-%d %H:%M}",
        )
        for each in speakers
    ]
    told = ("enrollments", "speech", "more would help", "agreement", "created")
    return print_table(("speaker", "name", *told), rows)


def _wanted(duration: Duration) -> str:
    return in_seconds(duration) if duration.ToNanoseconds() else ""


@app.command()
def show(
    name: Name,
    library: LibraryName,
    target: Target = DEFAULT_TARGET,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Show one speaker, and without --json also its enrollments."""
    clips: list[Clip] = []
    with connect(target, ca) as client:
        speaker = client.speakers.get(library, name)
        if not json:
            clips = list(client.speakers.enrollments(library, name))
    if json:
        return print_json(speaker)
    say_fields(
        [
            ("speaker", speaker.name),
            ("display name", known_as(speaker)),
            ("state", Speaker.State.Name(speaker.state).removeprefix("STATE_")),
            ("enrollments", f"{speaker.enrollment_count:,}, {describe_speech(speaker)}"),
            ("agreement", consistency(speaker) or "not known"),
            ("created", f"{speaker.create_time.ToDatetime():%Y-%m-%d %H:%M:%S} UTC"),
            *sorted(speaker.metadata.items()),
        ]
    )
    rows = [
        (clip_id(clip), clip.display_name, in_seconds(clip.audio.active_duration)) for clip in clips
    ]
    return print_table(("clip", "name", "speech"), rows) if rows else None


@app.command()
def update(
    name: Name,
    library: LibraryName,
    display_name: Annotated[str | None, typer.Option(help="Name for people.")] = None,
    metadata: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE", help="Metadata, replacing all there is; can be repeated."
        ),
    ] = None,
    target: Target = DEFAULT_TARGET,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Change a speaker's display name or metadata."""
    if display_name is None and not metadata:
        raise typer.BadParameter("name what to change", param_hint="--display-name")
    noted = dict(map(pair, metadata)) if metadata else None
    with connect(target, ca) as client:
        speaker = client.speakers.update(library, name, display_name, noted)
    if json:
        return print_json(speaker)
    return say(f"speaker {name} changed")


@app.command()
def delete(
    name: Name,
    library: LibraryName,
    with_clips: Annotated[
        bool, typer.Option("--with-clips", help="Also delete the clips of its enrollments.")
    ] = False,
    target: Target = DEFAULT_TARGET,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Delete a speaker. It is not recognised any more."""
    with connect(target, ca) as client:
        client.speakers.delete(library, name, with_clips=with_clips)
    if json:
        return print_json(Empty())
    return say(f"speaker {name} deleted" + (", with the clips" if with_clips else ""))


@app.command("remove-enrollment")
def remove_enrollment(
    name: Name,
    clips: Annotated[
        list[str],
        typer.Argument(metavar="CLIP...", help="Ids of clips, as `speaker show` prints them."),
    ],
    library: LibraryName,
    target: Target = DEFAULT_TARGET,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Remove enrollments from a speaker. Their clips stay in the library."""
    names = [clip_name(library, each) for each in clips]
    with connect(target, ca) as client:
        speaker = client.speakers.remove_enrollments(library, name, names)
    if json:
        return print_json(speaker)
    left = speaker.enrollment_count
    told = f"{left:,} left, {describe_speech(speaker)}" if left else "none is left"
    return say(f"{name}: {told}")
