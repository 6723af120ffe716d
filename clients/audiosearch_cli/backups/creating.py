"""Makes a backup while the libraries are in use: rows first, then the audio of their clips."""

from __future__ import annotations

import importlib.metadata
import shutil
import tempfile
import uuid
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import IO

from audiosearch.catalog.v1.backup_pb2 import ReadRowsRequest
from audiosearch.catalog.v1.clip_pb2 import GetAudioRequest
from audiosearch.catalog.v1.library_pb2 import LIBRARY_VIEW_BASIC, ListLibrariesRequest
from audiosearch.catalog.v1.library_pb2 import Library as CatalogLibrary

from audiosearch_cli.backups.catalog import Catalog
from audiosearch_cli.backups.manifest import Library, Manifest, Part
from audiosearch_cli.backups.parts import AudioFiles, PartFile, read_rows, write_row
from audiosearch_cli.output import SPOOL_BYTES
from audiosearch_cli.problems import CommandError
from serving.errors import Reason, ServiceError
from serving.retry import Retry, patiently

TRIES = 3
"""Times that a library is read again because a migration of it has ended meanwhile."""
_GONE = {Reason.CLIP_NOT_FOUND, Reason.AUDIO_NOT_FOUND}
_UNREADABLE = {Reason.AUDIO_DAMAGED, Reason.AUDIO_MISSING}


def create(
    catalog: Catalog, folder: Path, show: Callable[[int, int], None], *, audio: bool = True
) -> Manifest:
    """Makes a backup of all libraries in a new folder, which gets its name at the end.

    Args:
        catalog: to read.
        folder: that is not there yet.
        show: called with the number of clips whose audio is there, and of all.
        audio: False for rows and vectors alone.

    Raises:
        ServiceError: of the catalog.
        CommandError: the folder is there.
    """
    if folder.exists():
        raise CommandError(f"{folder} is there already; name a folder that is not")
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.part-"))
    try:
        manifest = _fill(catalog, part, show, audio=audio)
        part.chmod(0o700)
        part.rename(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return manifest


def _fill(
    catalog: Catalog, folder: Path, show: Callable[[int, int], None], *, audio: bool
) -> Manifest:
    manifest = Manifest(
        id=uuid.uuid4().hex,
        create_time=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        version=importlib.metadata.version("audiosearch"),
        audio=audio,
        libraries=[],
        parts=[],
        gone=[],
        unreadable=[],
    )
    for library in _libraries(catalog):
        path = folder / f"rows-{len(manifest.libraries) + 1:05d}.bin"
        try:
            retry = Retry(also=[Reason.STATE_CONFLICT], tries=TRIES)
            found, part = patiently(lambda p=path, li=library: _rows(catalog, p, li), retry)  # type: ignore[misc]
        except ServiceError as error:
            if error.reason is not Reason.LIBRARY_NOT_FOUND:
                raise
            continue  # it was deleted meanwhile
        manifest.libraries.append(found)
        manifest.parts.append(part)
    if audio:
        _audio(catalog, folder, manifest, show)
    manifest.write(folder)
    return manifest


def _libraries(catalog: Catalog) -> list[CatalogLibrary]:
    found: list[CatalogLibrary] = []
    request = ListLibrariesRequest(page_size=1000, view=LIBRARY_VIEW_BASIC)
    while True:
        page = patiently(lambda: catalog.call(catalog.libraries.ListLibraries, request))
        found += page.libraries
        request.page_token = page.next_page_token
        if not request.page_token:
            return found


def _rows(catalog: Catalog, path: Path, library: CatalogLibrary) -> tuple[Library, Part]:
    """Reads the rows of a library into a file."""
    file = PartFile(path)
    made = Library(library.name, library.model, path.name, "", 0, 0)
    try:
        request = ReadRowsRequest(name=library.name)
        for answer in catalog.receive(catalog.backups.ReadRows, request):
            made.schema = answer.schema
            for row in answer.rows:
                write_row(row, file)
                made.row_count += 1
                made.clip_count += row.audio_bytes > 0
    except BaseException:
        file.give_up()
        raise
    return made, file.finish()


def _audio(
    catalog: Catalog, folder: Path, manifest: Manifest, show: Callable[[int, int], None]
) -> None:
    files = AudioFiles(folder)
    total, done = sum(each.clip_count for each in manifest.libraries), 0
    for library in manifest.libraries:
        short = library.name.removeprefix("libraries/")
        for row in read_rows(folder / library.rows):
            if not row.audio_bytes:
                continue
            name = f"{library.name}/clips/{row.clip_id}"
            with tempfile.SpooledTemporaryFile(SPOOL_BYTES) as spool:
                try:
                    patiently(lambda n=name, s=spool: _get(catalog, n, s))  # type: ignore[misc]
                except ServiceError as error:
                    if error.reason in _GONE:
                        manifest.gone.append(row.clip_id)
                    elif error.reason in _UNREADABLE:
                        manifest.unreadable.append(name)
                    else:
                        raise
                else:
                    size = spool.tell()
                    spool.seek(0)
                    files.add(f"{short}/{row.clip_id}", size, spool)
            done += 1
            show(done, total)
    files.finish()
    manifest.parts += files.parts


def _get(catalog: Catalog, clip: str, file: IO[bytes]) -> None:
    """Reads the audio of a clip, which the catalog compares with its hash."""
    file.seek(0)
    file.truncate()
    for answer in catalog.receive(catalog.clips.GetAudio, GetAudioRequest(name=clip)):
        file.write(answer.chunk)
