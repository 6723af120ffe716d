"""`audiosearch speaker verify` and `speaker identify`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from audiosearch.gateway.v1.speakers_pb2 import (
    IdentifySpeakerResponse,
    SpeakerMatch,
    Threshold,
    VerifySpeakerResponse,
    VoiceScore,
)
from audiosearch_client.speakers import Recording

from audiosearch_cli.channels import Channel, require_file, say_remarks
from audiosearch_cli.output import (
    DEFAULT_TARGET,
    Ca,
    Json,
    LibraryName,
    Target,
    clip_name,
    connect,
    draw_bar,
    print_json,
    print_table,
    say,
    share,
)
from audiosearch_cli.problems import REJECTED
from audiosearch_cli.speakers import Name, known_as, short
from serving.speech import SHORT_NOTE

File = Annotated[
    Path | None,
    typer.Argument(exists=True, dir_okay=False, readable=True, help="An audio file."),
]
ClipId = Annotated[str, typer.Option("--clip", help="Ask about this clip of the library instead.")]
_BASES = {
    Threshold.BASIS_DEFAULT: "cosine",
    Threshold.BASIS_CALIBRATED_COSINE: "log-likelihood ratio of the cosine",
    Threshold.BASIS_CALIBRATED_AS_NORM: "log-likelihood ratio of the score normalised by AS-norm",
}


def verify(
    name: Name,
    library: LibraryName,
    file: File = None,
    clip: ClipId = "",
    channel: Channel = 0,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help=f"End with exit code {REJECTED} for REJECT.")
    ] = False,
    target: Target = DEFAULT_TARGET,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Say whether a recording is the voice of a speaker: ACCEPT or REJECT.

    The exit code is 0 for both, unless --exit-code is there for scripts.
    """
    recording = _recording(library, file, clip)
    require_file(channel, clip)
    with connect(target, ca) as client:
        answer = client.speakers.verify(library, name, recording, channel)
    accepted = answer.decision == VerifySpeakerResponse.DECISION_ACCEPT
    if json:
        print_json(answer)
    else:
        _tell_decision(name, answer, accepted=accepted)
    if exit_code and not accepted:
        raise typer.Exit(REJECTED)


def _tell_decision(name: str, answer: VerifySpeakerResponse, *, accepted: bool) -> None:
    said = "ACCEPT: it is" if accepted else "REJECT: it is not"
    say(f"{said} taken for the voice of {name}")
    print_table(("score", "", "AS-norm", "log-likelihood ratio"), [_score(answer.score)])
    for line in describe_threshold(answer):
        say(line)
    say_remarks(answer.audio)


def identify(
    library: LibraryName,
    file: File = None,
    clip: ClipId = "",
    k: Annotated[int, typer.Option("-k", help="Number of speakers at most.")] = 5,
    candidate: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Compare with this speaker only; can be repeated."),
    ] = None,
    channel: Channel = 0,
    target: Target = DEFAULT_TARGET,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Say which enrolled speaker's voice a recording is, if any."""
    recording = _recording(library, file, clip)
    require_file(channel, clip)
    with connect(target, ca) as client:
        answer = client.speakers.identify(library, recording, k, candidate or (), channel)
    if json:
        return print_json(answer)
    if answer.matches:
        rows = [_row(rank, match) for rank, match in enumerate(answer.matches, 1)]
        columns = ("#", "score", "", "AS-norm", "log-likelihood ratio", "speaker", "name")
        print_table(columns, rows)
    for line in _describe(answer):
        say(line)
    return say_remarks(answer.audio)


def _recording(library: str, file: Path | None, clip: str) -> Recording:
    if (file is None) == (not clip):
        raise typer.BadParameter("name a file or --clip, and not both", param_hint="FILE")
    return file or clip_name(library, clip)


def _row(rank: int, match: SpeakerMatch) -> tuple[str, ...]:
    speaker = match.speaker
    return (str(rank), *_score(match.score), short(speaker), known_as(speaker))


def _score(score: VoiceScore) -> tuple[str, str, str, str]:
    """Cosine, bar, normalised score and log-likelihood ratio, for people."""
    ratio = score.log_likelihood_ratio
    return (
        f"{score.cosine:.3f}",
        draw_bar(score.cosine),
        f"{score.normalized:.2f}" if score.HasField("normalized") else "",
        f"{ratio:+.2f}" if score.HasField("log_likelihood_ratio") else "",
    )


def _describe(answer: IdentifySpeakerResponse) -> Iterator[str]:
    """The voices that were compared, and the meaning of the threshold."""
    if not answer.candidate_count:
        yield "nobody who is enrolled: there was nobody to compare with"
        return
    compared = f"{answer.candidate_count:,} compared"
    if not answer.matches:
        best = answer.best_score
        ratio = f", log-likelihood ratio {best.log_likelihood_ratio:+.2f}"
        told = ratio if best.HasField("log_likelihood_ratio") else ""
        yield f"nobody who is enrolled: {compared}, the best score is {best.cosine:.3f}{told}"
    yield from describe_threshold(answer)
    if answer.matches and answer.HasField("expected_stranger_rate"):
        rate = share(answer.expected_stranger_rate)
        yield f"{compared}: a stranger is taken for one of them in at most {rate}"


def describe_threshold(
    answer: IdentifySpeakerResponse | VerifySpeakerResponse,
) -> Iterator[str]:
    """The threshold, the error rates of decisions by it, and what makes them less certain."""
    threshold = answer.threshold
    yield f"threshold: {threshold.value:.3f} of the {_BASES.get(threshold.basis, 'score')}"
    if threshold.HasField("expected_miss_rate"):
        miss = share(threshold.expected_miss_rate)
        alarm = share(threshold.expected_false_alarm_rate)
        yield f"expected:  {miss} of the speaker's recordings missed, {alarm} of others' accepted"
    if threshold.note:
        yield f"note:      {threshold.note}"
    if answer.short_speech:
        yield f"note:      {SHORT_NOTE}"
