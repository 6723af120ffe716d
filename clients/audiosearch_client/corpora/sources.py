"""Sources of an import's entries: a folder, a corpus or a manifest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from audiosearch_client.corpora import manifest
from audiosearch_client.corpora.entry import Entry, Source
from audiosearch_client.corpora.layout import Layout, list_below
from audiosearch_client.corpora.layouts import LAYOUTS
from serving.audio_files import Found, PassedOver, walk
from serving.errors import Reason, ServiceError


def folder_source(path: Path, label: str = "") -> Source:
    """Every audio file below a folder, or one file, without metadata."""
    real = path.resolve()
    if not real.is_dir():
        one = Entry(path.name, label=label, display_name=path.name)
        return Source(path.absolute().parent, lambda: iter([one]))

    passed_over = PassedOver()

    def entries() -> Iterator[Entry]:
        for found in _walk_anew(real, passed_over):
            name = found.path.rpartition("/")[2]
            yield Entry(found.path, label=label, display_name=name, failure=found.failure)

    return Source(real, entries, passed_over=passed_over)


def _walk_anew(root: Path, passed_over: PassedOver) -> Iterator[Found]:
    """The walk, which counts what it passes over from the start."""
    passed_over.clear()
    return walk(root, passed_over=passed_over)


def corpus_source(path: Path, layout_name: str, label: str = "") -> Source:
    """The audio files of a corpus. Files that do not match its layout are failures.

    Args:
        path: folder of the corpus.
        layout_name: key of LAYOUTS.
        label: for clips without a label by the layout.

    Raises:
        ServiceError: FIELD_INVALID for an unknown layout or a list that can't be parsed;
            PATH_NOT_FOUND if there is no such folder.
    """
    layout = layout_named(layout_name)
    root = path.resolve()
    if not root.is_dir():
        raise ServiceError(Reason.PATH_NOT_FOUND, f"{path} is not a folder")
    details, notes = layout.details(list_below(root))

    passed_over = PassedOver()

    def entries() -> Iterator[Entry]:
        for found in _walk_anew(root, passed_over):
            if found.failure:
                yield Entry(found.path, failure=found.failure)
            else:
                entry = layout.describe(found.path, details)
                yield entry if entry.label else replace(entry, label=label)

    return Source(root, entries, notes, passed_over=passed_over)


def layout_named(name: str) -> Layout:
    """The layout of that name; ServiceError, FIELD_INVALID, if there is none."""
    layout = LAYOUTS.get(name)
    if layout is None:
        raise ServiceError(
            Reason.FIELD_INVALID,
            f"layout: {name!r} is not known; choose one of {', '.join(LAYOUTS)}, or name the clips "
            "in a manifest",
        )
    return layout


def manifest_source(path: Path, label: str = "", *, objects: bool = False) -> Source:
    """The files that a manifest lists, which lie below its folder.

    Args:
        path: the manifest, .csv or .jsonl.
        label: for clips without a label in the manifest.
        objects: True if it may name objects of object stores too, by their URLs.

    Raises:
        ServiceError: FIELD_INVALID with the numbers of wrong lines; PATH_NOT_FOUND.
    """
    manifest.check(path, objects=objects)

    def entries() -> Iterator[Entry]:
        for entry in manifest.read(path, objects=objects):
            yield entry if entry.label else replace(entry, label=label)

    return Source(path.resolve().parent, entries, confined=True)
