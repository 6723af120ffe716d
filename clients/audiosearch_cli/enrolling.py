"""`audiosearch speaker enroll`: with files, folders, and clips of the library."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer
from audiosearch.catalog.v1 import clip_pb2
from audiosearch.catalog.v1.clip_pb2 import ClipFilter
from audiosearch.catalog.v1.speaker_pb2 import Speaker
from audiosearch.gateway.v1.speakers_pb2 import EnrollSpeakerResponse, RecordingOutcome
from audiosearch_client.client import AudiosearchClient
from audiosearch_client.corpora.survey import told_kinds
from audiosearch_client.speakers import Recording

from audiosearch_cli.channels import Channel, say_remarks
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
    print_json,
    print_table,
    say,
)
from audiosearch_cli.problems import end
from audiosearch_cli.speakers import Name, describe_speech
from serving.audio_files import PassedOver, walk
from serving.errors import Reason, ServiceError
from serving.limits import MAX_RECORDINGS

_FITS = {
    RecordingOutcome.FIT_GOOD: "good",
    RecordingOutcome.FIT_LOW: "low",
    RecordingOutcome.FIT_TOO_SHORT: "too short to tell",
}


def enroll(
    name: Name,
    library: LibraryName,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[PATH]...", exists=True, readable=True, help="Audio files, or folders of them."
        ),
    ] = None,
    clip: Annotated[
        list[str] | None,
        typer.Option(help="Enroll with this clip of the library; can be repeated."),
    ] = None,
    from_label: Annotated[
        str,
        typer.Option(
            metavar="SPEAKER",
            help="Enroll with the library's clips whose field `speaker` is this, the oldest first.",
        ),
    ] = "",
    count: Annotated[
        int,
        typer.Option(min=1, max=MAX_RECORDINGS, help="With --from-label: at most so many clips."),
    ] = MAX_RECORDINGS,
    display_name: Annotated[str, typer.Option(help="Display name, if the speaker is new.")] = "",
    allow_other_voice: Annotated[
        bool,
        typer.Option(
            "--allow-other-voice",
            help="Accept recordings that do not sound like the earlier enrollments.",
        ),
    ] = False,
    new: Annotated[
        bool, typer.Option("--new", help="Fail if there is such a speaker already.")
    ] = False,
    channel: Channel = 0,
    target: Target = DEFAULT_TARGET,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Enroll a speaker with recordings of the voice, or add recordings to a speaker."""
    recordings: list[Recording] = [*_files(paths or ())]
    recordings += [clip_name(library, each) for each in clip or ()]
    with connect(target, ca) as client:
        if from_label:
            recordings += _labelled(client, library, from_label, count)
        _check(recordings)
        answer = client.speakers.enroll(
            library,
            name,
            recordings,
            described=Speaker(display_name=display_name),
            allow_other_voice=allow_other_voice,
            new=new,
            channel=channel,
        )
    if json:
        print_json(answer)
    else:
        _tell(name, recordings, answer)
    failed = sum(1 for outcome in answer.outcomes if outcome.HasField("failure"))
    end(len(answer.outcomes) - failed, failed)


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    """The files, and the audio files of folders. An unreadable file in a folder is reported."""
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        passed_over = PassedOver()
        for found in walk(path.resolve(), passed_over=passed_over):
            if found.failure:
                sys.stderr.write(f"note: {found.path}: {found.failure.message}\n")
            else:
                yield path / found.path
        if told := told_kinds(passed_over):
            sys.stderr.write(f"note: {path}: {told}\n")


def _labelled(client: AudiosearchClient, library: str, label: str, count: int) -> list[Recording]:
    """Clips with a speaker's name or label that are not enrollments yet."""
    request = clip_pb2.ListClipsRequest(page_size=1000, filter=ClipFilter(speaker=label))
    clips = (each for each in client.clips(library, request) if not each.enrolled_speaker)
    found: list[Recording] = [each.name for each in itertools.islice(clips, count)]
    if not found:
        raise ServiceError(
            Reason.CLIP_NOT_FOUND,
            f"{library} has no clip whose speaker is {label!r} and that is nobody's enrollment yet",
        )
    return found


def _check(recordings: Sequence[Recording]) -> None:
    """Ends the command with an error if there are none, or too many for one call."""
    if not recordings:
        raise typer.BadParameter(
            "name audio files or folders that hold some, --clip or --from-label", param_hint="PATH"
        )
    if len(recordings) > MAX_RECORDINGS:
        raise typer.BadParameter(
            f"these are {len(recordings):,} recordings; "
            f"at most {MAX_RECORDINGS} can be enrolled at a time",
            param_hint="PATH",
        )


def _tell(name: str, recordings: Sequence[Recording], answer: EnrollSpeakerResponse) -> None:
    rows = [_row(*pair) for pair in zip(recordings, answer.outcomes, strict=True)]
    print_table(("recording", "", "agreement", "", "speech", "why"), rows)
    for row, outcome in zip(rows, answer.outcomes, strict=True):
        say_remarks(outcome.clip.audio, row[0])
    speaker = answer.speaker
    say(f"{name}: {speaker.enrollment_count:,} enrollments, {describe_speech(speaker)}")


def _row(recording: Recording, outcome: RecordingOutcome) -> tuple[str, ...]:
    """The outcome of a recording, for people."""
    clip, failure = outcome.clip, outcome.failure
    known = clip.display_name or clip_id(clip) if clip.name else str(recording).rpartition("/")[2]
    return (
        known,
        failure.reason or "enrolled",
        f"{outcome.agreement:.3f}" if outcome.HasField("agreement") else "",
        _FITS.get(outcome.fit, ""),
        in_seconds(clip.audio.active_duration) if clip.HasField("audio") else "",
        failure.message,
    )
