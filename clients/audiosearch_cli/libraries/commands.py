"""`audiosearch library ...`."""

from __future__ import annotations

from typing import Annotated

import typer
from audiosearch.catalog.v1 import library_pb2
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.gateway.v1.migration_pb2 import MigrateLibraryRequest
from google.protobuf.empty_pb2 import Empty
from google.protobuf.field_mask_pb2 import FieldMask

from audiosearch_cli.libraries import duplicates as duplicate_clips
from audiosearch_cli.libraries import exports, migrating, models
from audiosearch_cli.output import (
    DEFAULT_TARGET,
    Ca,
    Json,
    Target,
    connect,
    print_json,
    print_table,
    say,
    say_fields,
    size,
)

app = typer.Typer(no_args_is_help=True, help="Make, list, show, change and delete libraries.")
app.command("export")(exports.export)
app.command("import")(exports.import_library)
Name = Annotated[str, typer.Argument(help="Name of the library: letters, digits, _ and -.")]


def _short(library: Library) -> str:
    return library.name.removeprefix("libraries/")


@app.command()
def create(
    name: Name,
    display_name: Annotated[str, typer.Option(help="Name for people.")] = "",
    purpose: models.For = None,
    model: Annotated[
        str,
        typer.Option(help="Model of its vectors; one of `audiosearch models`, unless the first."),
    ] = "",
    dimension: Annotated[
        int, typer.Option(help="Numbers in a vector: makes a library for vectors, without audio.")
    ] = 0,
    target: Target = DEFAULT_TARGET,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Create an empty library: for voices, for sounds, or by default for the first model."""
    wanted = models.choice(purpose, model)
    wanted.display_name, wanted.dimension = display_name, dimension
    with connect(target, ca) as client:
        library = client.call(
            client.stubs.libraries.CreateLibrary,
            library_pb2.CreateLibraryRequest(library_id=name, library=wanted),
        )
    if json:
        return print_json(library)
    made_for = models.purpose_of(library)
    return say(f"library {_short(library)} created for {made_for}, model {library.model}")


@app.command("list")
def list_libraries(target: Target = DEFAULT_TARGET, ca: Ca = None, json: Json = False) -> None:
    """List the libraries."""
    answer = library_pb2.ListLibrariesResponse()
    request = library_pb2.ListLibrariesRequest(page_size=1000)
    with connect(target, ca) as client:
        while True:
            page = client.call(client.stubs.libraries.ListLibraries, request)
            answer.libraries.extend(page.libraries)
            request.page_token = page.next_page_token
            if not request.page_token:
                break
    if json:
        return print_json(answer)
    rows = [
        (
            _short(library),
            models.purpose_of(library),
            f"{library.clip_count:,}",
            size(library.size_bytes),
            library.model.removeprefix("models/"),
            f"{library.create_time.ToDatetime():%Y-%m-%d %H:%M}",
        )
        for library in answer.libraries
    ]
    return print_table(("library", "for", "clips", "audio", "model", "created"), rows)


@app.command()
def show(name: Name, target: Target = DEFAULT_TARGET, ca: Ca = None, json: Json = False) -> None:
    """Show one library."""
    with connect(target, ca) as client:
        library = client.call(
            client.stubs.libraries.GetLibrary,
            library_pb2.GetLibraryRequest(name=f"libraries/{name}"),
        )
    if json:
        return print_json(library)
    return say_fields(
        [
            ("library", _short(library)),
            ("display name", library.display_name),
            ("for", models.purpose_of(library)),
            ("clips", f"{library.clip_count:,}"),
            ("audio", size(library.size_bytes)),
            ("model", library.model),
            ("windows", migrating.windows(library)),
            ("migration", migrating.describe(library)),
            ("index", _filling(library)),
            ("state", Library.State.Name(library.state).removeprefix("STATE_")),
            ("created", f"{library.create_time.ToDatetime():%Y-%m-%d %H:%M:%S} UTC"),
        ]
    )


@app.command()
def update(
    name: Name,
    display_name: Annotated[str, typer.Option(help="New name for people; '' is the short name.")],
    target: Target = DEFAULT_TARGET,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Change the display name of a library."""
    wanted = Library(name=f"libraries/{name}", display_name=display_name)
    mask = FieldMask(paths=["display_name"])
    with connect(target, ca) as client:
        request = library_pb2.UpdateLibraryRequest(library=wanted, update_mask=mask)
        library = client.call(client.stubs.libraries.UpdateLibrary, request)
    return print_json(library) if json else say(f"library {name} is called {library.display_name}")


@app.command()
def migrate(
    name: Name,
    purpose: models.For = None,
    model: models.ModelName = "",
    review: Annotated[
        bool,
        typer.Option(
            "--review", help="Stop before the switch and tell how the answers would change."
        ),
    ] = False,
    keep: Annotated[
        bool,
        typer.Option(
            "--keep", help="Keep the indexes of the present model, so that a way back is quick."
        ),
    ] = False,
    forget: Annotated[
        bool, typer.Option("--forget", help="Drop the indexes that were kept, and do nothing else.")
    ] = False,
    wait: Annotated[bool, typer.Option(help="Show the progress until it is over.")] = True,
    target: Target = DEFAULT_TARGET,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Index a library anew from its stored audio, by another model if told.

    It is searched meanwhile. One that waits for a review goes on without --review. --model with the
    model that is kept goes back to it.
    """
    wanted = models.name_of(purpose, model)
    with connect(target, ca) as client:
        request = MigrateLibraryRequest(
            name=f"libraries/{name}", model=wanted, review=review, keep=keep, forget=forget
        )
        library = begun = client.call(client.stubs.libraries.MigrateLibrary, request)
        if wait:
            library = migrating.follow(client, begun, quiet=json)
    if json:
        return print_json(library)
    changed, state = migrating.model_changed(begun, library), migrating.describe(library)
    if forget and not library.HasField("migration"):
        state = f"nothing is kept but the indexes of {library.model}"
    if changed and state:
        state = f"{changed}. {state[0].upper()}{state[1:]}"
    return say(f"library {name}: {state or changed or 'up to date'}")


@app.command()
def duplicates(
    name: Name, target: Target = DEFAULT_TARGET, ca: Ca = None, json: Json = False
) -> None:
    """Group the clips that are the same recording: copies, re-encoded, or cut out of each other."""
    with connect(target, ca) as client:
        found = duplicate_clips.wait(client, f"libraries/{name}", quiet=json)
    if json:
        return print_json(found)
    return duplicate_clips.tell(found)


@app.command()
def delete(
    name: Name,
    force: Annotated[bool, typer.Option("--force", help="Delete it even if it has clips.")] = False,
    target: Target = DEFAULT_TARGET,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Delete a library."""
    with connect(target, ca) as client:
        client.call(
            client.stubs.libraries.DeleteLibrary,
            library_pb2.DeleteLibraryRequest(name=f"libraries/{name}", force=force),
            patience=10,
        )
    if json:
        return print_json(Empty())
    return say(f"library {name} deleted")


def _filling(library: Library) -> str:
    """The vectors that the index of a library lacks; empty if none."""
    if not library.HasField("index_state"):
        return ""
    state = library.index_state
    return (
        f"is filled again: {state.indexed_count:,} of {state.expected_count:,} vectors; searches "
        "may miss clips"
    )
