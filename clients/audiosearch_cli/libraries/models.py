"""`audiosearch models`, and the choice of a model for a library."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.embedding.v1.embedding_service_pb2 import ListModelsRequest
from audiosearch.embedding.v1.model_pb2 import Model

from audiosearch_cli.libraries import migrating
from audiosearch_cli.output import (
    DEFAULT_TARGET,
    Ca,
    Json,
    Target,
    connect,
    print_json,
    print_table,
    say,
    size,
)
from serving.names import purpose_named, purpose_word

app = typer.Typer(no_args_is_help=True, help="Models that turn audio into vectors.")
COLUMNS = (
    *("model", "for", "family", "dimension", "rate", "windows", "precision", "memory"),
    *("tags", "source"),
)


class Purpose(str, Enum):
    """The purpose of a library."""

    voices = "voices"
    sounds = "sounds"


For = Annotated[
    Purpose | None,
    typer.Option(
        "--for",
        help="Voices: clips are alike if the same person speaks. Sounds: if the same kind of thing "
        "makes them.",
    ),
]


ModelName = Annotated[
    str, typer.Option(metavar="MODEL", help="One of `audiosearch models`; --for takes the first.")
]


def name_of(purpose: Purpose | None, model: str) -> str:
    """The name of the model that was chosen by either; empty if none was."""
    if purpose and model:
        raise typer.BadParameter("leave out one of --for and --model", param_hint="--model")
    return f"models/{purpose.value}" if purpose else choice(None, model).model


def choice(purpose: Purpose | None, model: str) -> Library:
    """A library with the purpose and the model that were chosen, if any."""
    if model and not model.startswith("models/"):
        model = f"models/{model}"
    return Library(model=model, purpose=purpose_named(purpose.value if purpose else ""))


def purpose_of(library: Library) -> str:
    """The purpose of a library in a word."""
    return "vectors" if library.dimension else purpose_word(library.purpose)


@app.command("list")
def list_models(target: Target = DEFAULT_TARGET, ca: Ca = None, json: Json = False) -> None:
    """List the models that the embedding service runs, the default first."""
    with connect(target, ca) as client:
        answer = client.call(client.stubs.models.ListModels, ListModelsRequest())
    if json:
        return print_json(answer)
    print_table(COLUMNS, [_row(model) for model in answer.models])
    for model in answer.models:
        say(f"{model.name}: {model.description}")
    return None


def _row(model: Model) -> tuple[str, ...]:
    return (
        model.name.removeprefix("models/"),
        purpose_word(model.purpose),
        model.family,
        str(model.dimension),
        f"{model.sample_rate / 1000:g} kHz",
        migrating.windows(model),
        model.precision,
        size(model.memory_bytes) if model.memory_bytes else "",
        f"{model.tag_count:,}" if model.tag_count else "",
        Model.Source.Name(model.source).removeprefix("SOURCE_").lower(),
    )
