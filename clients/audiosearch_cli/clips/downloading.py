"""`audiosearch clip download`: into a file, a folder, a zip or a pipe."""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
import threading
import zipfile
from pathlib import Path
from typing import Annotated

import typer
from audiosearch.catalog.v1.clip_pb2 import Clip, ClipFilter
from audiosearch_client.client import AudiosearchClient

from audiosearch_cli.clips.selection import All, Batch, InLibrary, Names, chosen, get_clip, unique
from audiosearch_cli.narrowing import narrowed
from audiosearch_cli.output import (
    DEFAULT_TARGET,
    SPOOL_BYTES,
    Ca,
    Json,
    Target,
    clip_id,
    connect,
    print_json,
    say,
    size,
    written_whole,
)

MAX_NAME_BYTES = 200
"""Length of a file's name at most, when it comes from a clip; most disks take 255."""

Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        help="File to write, - for the standard output, a folder, or a .zip for many clips; by "
        "default the clip's display name, in this folder.",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")]


@narrowed
def download(
    fit: ClipFilter,
    names: Names = None,
    output: Output = None,
    library: InLibrary = "",
    every: All = False,
    force: Force = False,
    target: Target = DEFAULT_TARGET,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Save the audio of clips as it came in."""
    with connect(target, ca) as client:
        found = chosen(client, names, library, fit, every=every)
        if output and output.suffix.lower() == ".zip" and not output.is_dir():
            return _zip(client, found, output, force=force, as_json=json)
        if names and len(found) == 1:
            return _one(client, found[0], output, force=force, as_json=json)
        folder = output or Path()
        if not folder.is_dir():
            raise typer.BadParameter(
                "several clips need a folder that is there, or a .zip", param_hint="--output"
            )
        return _into(client, found, folder, force=force, as_json=json)


def _one(
    client: AudiosearchClient, name: str, output: Path | None, *, force: bool, as_json: bool
) -> None:
    if output == Path("-"):
        client.download(name, sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return None
    clip = get_clip(client, name)
    path = output or Path()
    if path.is_dir():
        path /= file_of(clip)
    _require_free(path, force=force)
    with written_whole(path) as file:
        stored = client.download(name, file)
    if as_json:
        return print_json(stored)
    return say(f"{path}: {size(stored.size_bytes)}")


def _into(
    client: AudiosearchClient, names: list[str], folder: Path, *, force: bool, as_json: bool
) -> None:
    taken: set[str] = set()
    lock = threading.Lock()

    def save(name: str) -> None:
        clip = get_clip(client, name)
        with lock:
            path = folder / unique(file_of(clip), taken)
        if path.exists() and not force:
            raise FileExistsError(17, f"{path} is there already; use --force")
        with written_whole(path) as file:
            client.download(name, file)

    batch = Batch("saving", "saved", quiet=as_json)
    batch.run(names, save)
    batch.tell(f" in {folder}", as_json=as_json)


def _zip(
    client: AudiosearchClient, names: list[str], output: Path, *, force: bool, as_json: bool
) -> None:
    """One after the other, as they stand in the file. Audio is not packed any smaller."""
    _require_free(output, force=force)
    taken: set[str] = set()
    batch = Batch("saving", "saved", quiet=as_json, at_once=1)
    with written_whole(output) as file, zipfile.ZipFile(file, "w") as archive:

        def save(name: str) -> None:
            clip = get_clip(client, name)
            # A download that is cut off and made again must leave no part in the archive.
            with tempfile.SpooledTemporaryFile(SPOOL_BYTES) as audio:
                client.download(name, audio)
                audio.seek(0)
                with archive.open(unique(file_of(clip), taken), "w", force_zip64=True) as member:
                    shutil.copyfileobj(audio, member)

        batch.run(names, save)
    batch.tell(f" in {output}", as_json=as_json)


def _require_free(path: Path, *, force: bool) -> None:
    if path.exists() and not force:
        raise typer.BadParameter(
            f"{path} is there already; choose another or use --force", param_hint="--output"
        )


def file_of(clip: Clip) -> str:
    """The name of a file for a clip, by its display name.

    The name may come from anywhere. So it leads to no other folder, hides no file, and has only
    what a name of a file may have.
    """
    last = re.split(r"[/\\]", clip.display_name)[-1]
    clean = "".join(each if each.isprintable() else "_" for each in last).strip().lstrip(".")
    stem, dot, ending = clean.rpartition(".")
    room = MAX_NAME_BYTES - len((dot + ending).encode())
    if stem and room > 0:
        clean = stem.encode()[:room].decode(errors="ignore") + dot + ending
    return clean.encode()[:MAX_NAME_BYTES].decode(errors="ignore") or clip_id(clip)
