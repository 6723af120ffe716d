"""`audiosearch search`, `embed` and `model list`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from audiosearch.embedding.v1.embedding_service_pb2 import ListModelsRequest
from audiosearch.embedding.v1.model_pb2 import Model
from audiosearch.gateway.v1.search_pb2 import SearchClipsResponse
from rich.table import Table

from gateway.cli.output import (
    DEFAULT_TARGET,
    Json,
    LibraryName,
    Target,
    clip_id,
    connect,
    console,
    print_json,
    seconds,
)

model_app = typer.Typer(no_args_is_help=True, help="What turns audio into vectors.")
AudioFile = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="An audio file.")
]
BAR_WIDTH = 20


@model_app.command("list")
def list_models(target: Target = DEFAULT_TARGET, json: Json = False) -> None:
    """List the models that the embedding service runs."""
    with connect(target) as client:
        answer = client.call(client.stub.ListModels, ListModelsRequest())
    if json:
        return print_json(answer)
    for model in answer.models:
        console.print(
            f"{model.name}  {model.dimension}-d, {model.parameter_count / 1e6:.1f} M parameters, "
            f"{Model.Source.Name(model.source).removeprefix('SOURCE_').lower()}",
            highlight=False,
        )
        console.print(f"  {model.description}", highlight=False, markup=False)
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
    k: Annotated[int, typer.Option("-k", envvar="TOP_K", help="How many clips to find.")] = 10,
    min_score: Annotated[
        float | None, typer.Option(help="Leave out clips with a lower score.")
    ] = None,
    target: Target = DEFAULT_TARGET,
    json: Json = False,
) -> None:
    """Find the clips most like a sound."""
    if (file is None) == (not clip):
        raise typer.BadParameter("name a file or --clip, and not both", param_hint="FILE")
    with connect(target) as client:
        if file:
            answer = client.search(library, file, k, min_score)
        else:
            name = clip if "/" in clip else f"libraries/{library}/clips/{clip}"
            answer = client.search_by_clip(library, name, k, min_score)
    if json:
        return print_json(answer)
    return console.print(ranking(answer))


def ranking(answer: SearchClipsResponse) -> Table:
    """The matches as a table, the score drawn as a bar."""
    table = Table("#", "score", "", "name", "length", "label", "speaker", "clip")
    for rank, match in enumerate(answer.matches, 1):
        bar = "█" * round(max(match.score, 0) * BAR_WIDTH)
        table.add_row(
            str(rank),
            f"{match.score:.3f}",
            f"[cyan]{bar:{BAR_WIDTH}}[/]",
            match.clip.display_name,
            seconds(match.clip),
            match.clip.label,
            match.clip.speaker,
            clip_id(match.clip),
        )
    return table


def embed(file: AudioFile, target: Target = DEFAULT_TARGET, json: Json = False) -> None:
    """Show the embedding of a sound and what was heard in it; nothing is stored."""
    with connect(target) as client:
        answer = client.embed(file)
    if json:
        return print_json(answer)
    heard = answer.audio
    console.print(
        f"{heard.duration.ToMilliseconds() / 1000:.2f} s of {heard.format}, "
        f"{heard.active_duration.ToMilliseconds() / 1000:.2f} s above silence, "
        f"{heard.sample_rate:,} Hz, "
        f"{heard.channels} channels, level {heard.level_dbfs:.1f} dBFS",
        highlight=False,
    )
    console.print(
        f"{len(answer.embedding.values)} values of {answer.embedding.model}", highlight=False
    )
    console.print(" ".join(f"{value:.4f}" for value in answer.embedding.values), highlight=False)
    return None
