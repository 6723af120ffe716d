"""`audiosearch backup ...`: backups of all libraries, made and restored by whoever runs them."""

from __future__ import annotations

import json as json_text
import sys
from pathlib import Path
from typing import Annotated

import typer

from audiosearch_cli.backups import creating, parts, restoring
from audiosearch_cli.backups.catalog import DEFAULT_ADDRESS, Address, Catalog
from audiosearch_cli.backups.manifest import Manifest
from audiosearch_cli.output import Json, complain, say, size
from audiosearch_cli.problems import CommandError
from audiosearch_cli.progress import Shown

app = typer.Typer(
    no_args_is_help=True,
    help="Back up all libraries and restore them, on the machine of the catalog service.",
)
Folder = Annotated[Path, typer.Argument(help="Folder of the backup.")]


@app.command()
def create(
    folder: Annotated[Path, typer.Argument(help="Folder to make; it must not be there yet.")],
    audio: Annotated[
        bool, typer.Option(help="Also the audio; without it, keep a copy of the audio store.")
    ] = True,
    catalog: Address = DEFAULT_ADDRESS,
    json: Json = False,
) -> None:
    """Back up rows, vectors and audio of all libraries while they are in use. Keys are left out."""
    with Catalog(catalog) as connected, Shown("backing up", quiet=json) as shown:
        manifest = creating.create(connected, folder, shown.show, audio=audio)
    for clip in manifest.unreadable:
        complain(f"the stored audio of {clip} is damaged or missing, and is not in the backup")
    _tell(manifest, f"{folder} has", json=json)


@app.command()
def verify(folder: Folder, json: Json = False) -> None:
    """Compare all bytes of a backup with their hashes. No service is needed."""
    _tell(_verified(folder, quiet=json), f"{folder} is whole:", json=json)


@app.command()
def restore(
    folder: Folder,
    wait: Annotated[bool, typer.Option(help="Wait until the indexes are filled.")] = True,
    catalog: Address = DEFAULT_ADDRESS,
    json: Json = False,
) -> None:
    """Restore a backup onto services without libraries, whatever their stores.

    A restore that was cut off goes on when it is called again.
    """
    manifest = _verified(folder, quiet=json)
    with Catalog(catalog) as connected:
        with Shown("rows", "rows", quiet=json) as shown:
            restoring.write_rows(connected, folder, manifest, shown.show)
        with Shown("audio", quiet=json) as shown:
            restoring.write_audio(connected, folder, manifest, shown.show)
        restoring.finish(connected, manifest)
        if wait:
            with Shown("indexes", "vectors", quiet=json) as shown:
                restoring.wait_for_indexes(connected, shown.show)
    _tell(manifest, "restored", json=json)


@app.command()
def mend(folder: Folder, catalog: Address = DEFAULT_ADDRESS, json: Json = False) -> None:
    """Bring back stored audio that is damaged or missing, from a backup of the same libraries."""
    manifest = _verified(folder, quiet=json)
    if not manifest.audio:
        raise CommandError(f"{folder} is a backup without audio; name one with it")
    with Catalog(catalog) as connected, Shown("audio", quiet=json) as shown:
        sent = restoring.write_audio(connected, folder, manifest, shown.show)
    if json:
        return _print({"mended": sent})
    return say(f"the audio of {sent:,} clips is back")


def _verified(folder: Path, *, quiet: bool) -> Manifest:
    manifest = Manifest.read(folder)
    with Shown("verifying", "bytes", quiet=quiet) as shown:
        parts.verify(folder, manifest, lambda done: shown.show(done, manifest.size))
    return manifest


def _tell(manifest: Manifest, words: str, *, json: bool) -> None:
    if json:
        return _print(
            {
                "id": manifest.id,
                "createTime": manifest.create_time,
                "libraries": [each.name for each in manifest.libraries],
                "clips": manifest.clip_count,
                "bytes": manifest.size,
                "unreadable": manifest.unreadable,
            }
        )
    with_audio = "" if manifest.audio else ", without audio"
    return say(
        f"{words} {len(manifest.libraries):,} libraries with {manifest.clip_count:,} clips, "
        f"{size(manifest.size)}{with_audio}, of {manifest.create_time}"
    )


def _print(value: object) -> None:
    sys.stdout.write(json_text.dumps(value) + "\n")
