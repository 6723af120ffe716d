"""`audiosearch search`, `embed` and `model list`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from audiosearch.embedding.v1.embedding_service_pb2 import ListModelsRequest
from audiosearch.embedding.v1.model_pb2 import Model
from audiosearch.gateway.v1.search_pb2 import Match

from audiosearch_cli.channels import Channel, require_file, say_remarks
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
    seconds,
)

model_app = typer.Typer(no_args_is_help=True, help="Models that turn audio into vectors.")
AudioFile = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="An audio file.")
]
COLUMNS = ("#", "score", "", "name", "length", "label", "speaker", "clip")


@model_app.command("list")
def list_models(target: Target = DEFAULT_TARGET, ca: Ca = None, json: Json = False) -> None:
    """List the models that the embedding service runs."""
    with connect(target, ca) as client:
        answer = client.call(client.stubs.models.ListModels, ListModelsRequest())
    if json:
        return print_json(answer)
    for model in answer.models:
        source = Model.Source.Name(model.source).removeprefix("SOURCE_").lower()
        millions = model.parameter_count / 1e6
        say(f"{model.name}  {model.dimension}-d, {millions:.1f} M parameters, {source}")
        say(f"  {model.description}")
    return None


def search(
    library: LibraryName,
    file: Annotated[
        Path | None,
        typer.Argument(exists=True, dir_okay=False, readable=True, help="An audio file."),
    ] = None,
    clip: Annotated[
        str, typer.Option(help="Search with this clip of the library instead of a file.")
    ] = "",
    k: Annotated[int, typer.Option("-k", envvar="TOP_K", help="Number of clips to find.")] = 10,
    min_score: Annotated[
        float | None, typer.Option(help="Leave out clips with a lower score.")
    ] = None,
    channel: Channel = 0,
    target: Target = DEFAULT_TARGET,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Find the clips most like a sound."""
    if (file is None) == (not clip):
        raise typer.BadParameter("name a file or --clip, and not both", param_hint="FILE")
    require_file(channel, clip)
    with connect(target, ca) as client:
        if file:
            answer = client.search(library, file, k, min_score, channel)
        else:
            answer = client.search_by_clip(library, clip_name(library, clip), k, min_score)
    if json:
        return print_json(answer)
    print_table(COLUMNS, [_row(rank, match) for rank, match in enumerate(answer.matches, 1)])
    return say_remarks(answer.query_audio)


def _row(rank: int, match: Match) -> tuple[str, ...]:
    """A match for people, with its score drawn as a bar."""
    clip = match.clip
    return (
        str(rank),
        f"{match.score:.3f}",
        draw_bar(match.score),
        clip.display_name,
        seconds(clip),
        clip.label,
        clip.speaker,
        clip_id(clip),
    )


def embed(
    file: AudioFile,
    channel: Channel = 0,
    target: Target = DEFAULT_TARGET,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Show the embedding of a sound and facts about its audio. Nothing is stored."""
    with connect(target, ca) as client:
        answer = client.embed(file, channel=channel)
    if json:
        return print_json(answer)
    heard, vector = answer.audio, answer.embedding
    say(
        f"{heard.duration.ToMilliseconds() / 1000:.2f} s of {heard.format}, "
        f"{heard.active_duration.ToMilliseconds() / 1000:.2f} s above silence, "
        f"{heard.sample_rate:,} Hz, channels: {heard.channels}, level {heard.level_dbfs:.1f} dBFS"
    )
    say_remarks(heard)
    say(f"{len(vector.values)} values of {vector.model}")
    return say(" ".join(f"{value:.4f}" for value in vector.values))
