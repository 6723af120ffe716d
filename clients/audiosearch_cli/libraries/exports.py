"""`audiosearch library export` and `import`: one library as a folder that can be moved."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

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
from audiosearch_cli.output import Json, say, size
from audiosearch_cli.problems import Stopped, extra
from audiosearch_cli.progress import Shown
from audiosearch_cli.rate import span


def export(
    name: Annotated[str, typer.Argument(help="Name of the library.")],
    folder: Annotated[Path, typer.Argument(help="Folder to make; it must not be there yet.")],
    audio: Annotated[
        bool, typer.Option("--audio", help="Also the audio, without which it can't be imported.")
    ] = False,
    catalog: CatalogAddress = CATALOG,
    json: Json = False,
) -> None:
    """Write the clips of a library and their vectors to files of Parquet, while it is in use.

    It asks the catalog service, with the TLS files of the services.
    """
    with extra("bulk"):
        from audiosearch_bulk import exporting, loading  # noqa: PLC0415

        from serving.telemetry import configure  # noqa: PLC0415
    configure("export", "warning", "console")
    start = time.monotonic()
    settings = loading.settings_of(catalog, INDEX, EMBEDDING)
    with Shown("exporting", quiet=json) as shown:
        exporter = exporting.Exporter(settings, name, shown.show, audio=audio)
        try:
            done = exporter.run(folder.absolute())
        except KeyboardInterrupt:
            raise Stopped("nothing is left of it") from None
    if json:
        return report.print_json(vars(done))
    with_audio = f" with {size(done.size_bytes)} of audio" if audio else ", without audio"
    return say(
        f"{folder} has {done.clips:,} clips of {name}{with_audio}, {done.unfit:,} of them without "
        f"vectors, in {span(time.monotonic() - start)}"
    )


def import_library(
    folder: Annotated[
        Path, typer.Argument(exists=True, file_okay=False, help="Folder of an export with audio.")
    ],
    library: Annotated[str, typer.Option("--library", "-l", help="Name of the library to make.")],
    catalog: CatalogAddress = CATALOG,
    index: IndexAddress = INDEX,
    embedding: EmbeddingAddress = EMBEDDING,
    json: Json = False,
) -> None:
    """Make a library of an export. Nothing is embedded. Doing it twice changes nothing.

    It calls the services as a gateway does, with their TLS files.
    """
    with extra("bulk"):
        from audiosearch_bulk import loading  # noqa: PLC0415
        from audiosearch_bulk.folder import Folder as BulkFolder  # noqa: PLC0415

        from serving.telemetry import configure  # noqa: PLC0415
    configure("import", "warning", "console")
    settings = loading.settings_of(catalog, index, embedding)
    run(
        lambda show: loading.Loader(BulkFolder(folder), settings, library, "", show, new=True),
        library,
        doing="importing",
        things="clips",
        missing=f"files of {folder / 'vectors'} are gone: take another copy of the export, and "
        "call the same command again",
        json=json,
    )
