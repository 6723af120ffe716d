"""Sources of an import as the command line names them."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from enum import Enum
from pathlib import Path

import typer
from audiosearch_client.client import AudiosearchClient
from audiosearch_client.corpora.entry import Source
from audiosearch_client.corpora.layouts import LAYOUTS
from audiosearch_client.corpora.sources import corpus_source, folder_source, manifest_source
from audiosearch_client.corpora.survey import require_audio
from audiosearch_client.references import described_source, reference_source


class Where(str, Enum):
    """The machine that the path is on."""

    auto = "auto"
    server = "server"
    client = "client"


def local_source(
    path: Path | None,
    layout: str,
    manifest: Path | None,
    label: str,
    where: Where,
    *,
    upload: bool,
) -> Source | None:
    """The source of the upload; None if the server may be able to read it itself."""
    if where is Where.server and (layout or manifest or upload):
        raise typer.BadParameter(
            "the server knows no layout and no manifest; leave this out", param_hint="--from"
        )
    upload = upload or where is Where.client
    if layout or manifest or upload:
        return listed_source(path, layout, manifest, label)
    if path and where is Where.auto:
        _require_there(path)
        require_audio(folder_source(path))
    return None


def listed_source(
    path: Path | None, layout: str, manifest: Path | None, label: str, *, objects: bool = False
) -> Source:
    """The source that a path, a path with a layout, or a manifest is.

    `objects` tells that the manifest may name objects of object stores.
    """
    require_one(path, layout, manifest)
    if manifest:
        return manifest_source(manifest, label, objects=objects)
    assert path is not None  # noqa: S101  one of both is there
    _require_there(path)
    if not layout:
        return folder_source(path, label)
    source = corpus_source(path, layout, label)
    tell_notes(source.notes)
    return source


def tell_notes(notes: Iterable[str]) -> None:
    """Tells what a source lacks."""
    for note in notes:
        sys.stderr.write(f"note: {note}\n")


def place_source(
    client: AudiosearchClient,
    library: str,
    reference: str,
    layout: str,
    manifest: Path | None,
    label: str,
) -> Source:
    """The source that the server lists, or the part of it that a manifest names."""
    if manifest:
        return described_source(client, library, reference, manifest, label)
    source = reference_source(client, library, reference, layout, label)
    tell_notes(source.notes)
    return source


def require_sense(
    path: Path | None,
    reference: str,
    layout: str,
    manifest: Path | None,
    where: Where,
    *,
    watch: bool,
) -> None:
    """Refuses options of `import` that make no sense together."""
    if watch and (manifest or where is Where.server):
        raise typer.BadParameter(
            "it takes a folder of this machine or a --reference, without --manifest",
            param_hint="--watch",
        )
    if not reference:
        return require_one(path, layout, manifest)
    if path or where is not Where.auto:
        raise typer.BadParameter(
            "the server lists the place; leave out a path and --from", param_hint="--reference"
        )
    if manifest and layout:
        raise typer.BadParameter(
            "a --manifest names the clips itself; leave this out", param_hint="--layout"
        )
    return _require_known(layout)


def require_one(path: object, layout: str, manifest: Path | None) -> None:
    """Refuses anything but a path, a path with a known layout, or a manifest."""
    if (path is None) == (manifest is None) or (manifest and layout):
        raise typer.BadParameter(
            "name a folder, with or without --layout, or a --manifest", param_hint="PATH"
        )
    _require_known(layout)


def _require_known(layout: str) -> None:
    if layout and layout not in LAYOUTS:
        raise typer.BadParameter(
            f"{layout!r} is none of {', '.join(LAYOUTS)}; a --manifest describes anything else",
            param_hint="--layout",
        )


def _require_there(path: Path) -> None:
    if not path.exists():
        raise typer.BadParameter(f"{path} is not there", param_hint="PATH")
