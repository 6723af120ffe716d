"""`audiosearch bulk ...`: many files become vectors on many processors, and then clips."""

from __future__ import annotations

import json as json_text
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from audiosearch_client.corpora.entry import Source
from audiosearch_client.corpora.layouts import LAYOUTS

from audiosearch_cli.bulk import report
from audiosearch_cli.bulk.addresses import (
    CATALOG,
    EMBEDDING,
    INDEX,
    CatalogAddress,
    EmbeddingAddress,
    IndexAddress,
)
from audiosearch_cli.bulk.loading import run
from audiosearch_cli.channels import Channel
from audiosearch_cli.imports.sources import listed_source, require_one, tell_notes
from audiosearch_cli.output import Json, LibraryName, say, size
from audiosearch_cli.problems import Stopped, end, extra
from audiosearch_cli.progress import Shown
from audiosearch_cli.rate import span
from serving.objects.urls import is_url

if TYPE_CHECKING:
    from audiosearch_bulk.listing import Prefix

app = typer.Typer(
    no_args_is_help=True,
    help="Import very many files: list them, embed them on many processors, load the vectors.",
)
Folder = Annotated[
    Path, typer.Argument(help="Folder of the bulk import, which keeps all that is done.")
]


@app.command()
def plan(
    folder: Folder,
    path: Annotated[
        str | None,
        typer.Argument(
            help="Folder of audio, or s3://BUCKET/PREFIX, gs:// or az://; left out with --manifest."
        ),
    ] = None,
    label: Annotated[str, typer.Option(help="Label for every clip without another label.")] = "",
    layout: Annotated[
        str, typer.Option(help=f"Corpus that the folder holds: {', '.join(LAYOUTS)}.")
    ] = "",
    manifest: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="A .csv or .jsonl with the files and their metadata, as `audiosearch import` "
            "takes it. It may name objects too, as in s3://BUCKET/KEY.",
        ),
    ] = None,
    shard_files: Annotated[
        int, typer.Option(min=1, max=100_000, help="Most files of a shard.")
    ] = 1000,
    channel: Channel = 0,
    json: Json = False,
) -> None:
    """List the files, with what is known of them, and cut the list into shards."""
    with extra("bulk"):
        from audiosearch_bulk import listing, planning  # noqa: PLC0415
        from audiosearch_bulk.folder import Folder as BulkFolder  # noqa: PLC0415
    require_one(path, layout, manifest)
    source: Source | Prefix
    if path and is_url(path):
        source = listing.prefix_source(path, layout, label)
        tell_notes(source.notes)
    else:
        local = Path(path) if path else None
        source = listed_source(local, layout, manifest, label, objects=True)
    with Shown("listing", "files", quiet=json) as shown:
        made, new = planning.make(
            BulkFolder(folder), source, shown.show, channel=channel, shard_files=shard_files
        )
    if json:
        return report.print_json({"new": new, **vars(made)})
    word = "planned" if new else "planned before:"
    return say(
        f"{word} {made.file_count:,} files of {size(made.size_bytes)} in {made.shard_count:,} "
        f"shards; next: audiosearch bulk embed {folder}"
    )


@app.command()
def embed(
    folder: Folder,
    model: Annotated[
        str,
        typer.Option(
            help="Model, as AUDIOSEARCH_MODELS names it: voices, sounds, a checkpoint, or "
            "NAME=PATH. The other settings of the embedding service hold, too."
        ),
    ] = "voices",
    ray: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Cluster of Ray, such as ray-head:6379; without it this machine alone.",
        ),
    ] = "",
    workers: Annotated[
        int, typer.Option(min=0, help="Number of encoders; 0 for as many as there is room for.")
    ] = 0,
    cpus: Annotated[
        int,
        typer.Option(min=0, help="Processors of each; 0 for all of the smallest machine."),
    ] = 0,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Embed shards with failed files again.")
    ] = False,
    failures: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="File to write each failed file to, as JSON lines."),
    ] = None,
    json: Json = False,
) -> None:
    """Embed all shards that have no vectors yet. It can be stopped, and goes on when called again.

    All machines must see the folder and the audio under the same path.
    """
    with extra("bulk"):
        from audiosearch_bulk import embedding  # noqa: PLC0415
        from audiosearch_bulk.folder import Folder as BulkFolder  # noqa: PLC0415

        from serving.telemetry import configure  # noqa: PLC0415
    configure("bulk", "warning", "console")
    try:
        settings = embedding.settings_of(model)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--model") from None
    start = time.monotonic()
    try:
        with Shown("embedding", "files", quiet=json) as shown:
            done = embedding.embed(
                BulkFolder(folder),
                settings,
                shown.show,
                address=ray,
                workers=workers,
                cpus=cpus,
                again=retry_failed,
            )
    except KeyboardInterrupt:
        raise Stopped("shards that are done stay; the same command goes on from there") from None
    if failures:
        with failures.open("w", encoding="utf-8") as file:
            for each in embedding.failures_of(BulkFolder(folder), done.model):
                file.write(json_text.dumps(report.failure(each), ensure_ascii=False) + "\n")
    if json:
        told = {**vars(done), "failures": [report.failure(each) for each in done.failures]}
        report.print_json(told)
    else:
        now = done.done + done.failed - done.before
        seconds = time.monotonic() - start
        say(
            f"{done.done:,} files have vectors of {done.model}, {done.failed:,} failed; "
            f"{now:,} in {span(seconds)}, {done.before:,} were there"
        )
        report.tell_failures(done.failures, done.failed)
    return end(done.done, done.failed)


@app.command()
def load(
    folder: Folder,
    library: LibraryName,
    model: Annotated[
        str, typer.Option(help="Model whose vectors are loaded, if there are those of several.")
    ] = "",
    at_once: Annotated[
        bool,
        typer.Option(
            "--at-once", help="Show the clips of a new library all at once, when all are there."
        ),
    ] = False,
    catalog: CatalogAddress = CATALOG,
    index: IndexAddress = INDEX,
    embedding: EmbeddingAddress = EMBEDDING,
    json: Json = False,
) -> None:
    """Make clips of the files and their vectors. A missing library is created.

    Doing it twice changes nothing. It calls the services as a gateway does, with their TLS files.
    """
    with extra("bulk"):
        from audiosearch_bulk import loading  # noqa: PLC0415
        from audiosearch_bulk.folder import Folder as BulkFolder  # noqa: PLC0415

        from serving.telemetry import configure  # noqa: PLC0415
    configure("bulk", "warning", "console")
    settings = loading.settings_of(catalog, index, embedding)
    run(
        lambda show: loading.Loader(
            BulkFolder(folder), settings, library, model, show, at_once=at_once
        ),
        library,
        doing="loading",
        things="files",
        missing=f"shards have no vectors yet: call `audiosearch bulk embed {folder}`, and this "
        "command again",
        json=json,
    )
