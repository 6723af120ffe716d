"""Restores a backup: rows into an empty catalog, audio, and then all libraries at once.

A restore that was cut off is ended by the next one of the same backup, which skips what is there.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO

from audiosearch.catalog.v1.backup_pb2 import (
    BackupRow,
    FinishRestoreRequest,
    WriteRowsRequest,
)
from audiosearch.catalog.v1.clip_pb2 import (
    AudioObject,
    GetClipRequest,
    PutAudioRequest,
)
from audiosearch.catalog.v1.library_pb2 import LIBRARY_VIEW_BASIC, ListLibrariesRequest

from audiosearch_cli.backups.catalog import STREAM_SECONDS, Catalog
from audiosearch_cli.backups.manifest import Library, Manifest
from audiosearch_cli.backups.parts import read_audio, read_rows
from audiosearch_cli.output import SPOOL_BYTES
from audiosearch_cli.problems import CommandError
from serving import limits
from serving.calls.batches import Batch
from serving.errors import Reason, ServiceError
from serving.retry import patiently

AT_ONCE = 4
"""Recordings that are sent at a time; as many more wait."""
CALL_BYTES = 2**20
CALL_ROWS = limits.of(WriteRowsRequest, "rows").max_items
POLL_SECONDS = 0.5
SILENT_SECONDS = 120.0
"""Time without progress after which indexes count as filled by nobody."""
_CHUNK = 2**18
Show = Callable[[int, int], None]


def write_rows(catalog: Catalog, folder: Path, manifest: Manifest, show: Show) -> None:
    """Writes all rows.

    Raises:
        ServiceError: CATALOG_NOT_EMPTY, BACKUP_INCOMPATIBLE and others of the catalog.
    """
    total, done = sum(each.row_count for each in manifest.libraries), 0
    for library in manifest.libraries:
        for some in _batches(folder, manifest, library):
            request = WriteRowsRequest(backup_id=manifest.id, schema=library.schema, rows=some)
            patiently(lambda r=request: catalog.call(catalog.backups.WriteRows, r))  # type: ignore[misc]
            done += len(some)
            show(done, total)


def _batches(folder: Path, manifest: Manifest, library: Library) -> Iterator[list[BackupRow]]:
    gone = set(manifest.gone)
    batch = Batch[BackupRow](CALL_BYTES, CALL_ROWS)
    for row in read_rows(folder / library.rows):
        if row.clip_id not in gone and (full := batch.add(row)):
            yield full
    if batch.left:
        yield batch.left


def write_audio(catalog: Catalog, folder: Path, manifest: Manifest, show: Show) -> int:
    """Sends the audio that the catalog lacks. Returns the number of clips that were sent some.

    Clips that the catalog does not have are passed over.
    """
    sent = done = 0
    waiting: list[Future[bool]] = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for part in manifest.parts:
            if not part.name.endswith(".tar"):
                continue
            for name, audio in read_audio(folder / part.name):
                if len(waiting) == 2 * AT_ONCE:
                    sent += waiting.pop(0).result()
                spool = tempfile.SpooledTemporaryFile(SPOOL_BYTES)  # noqa: SIM115  _mend closes it
                while chunk := audio.read(_CHUNK):
                    spool.write(chunk)
                library, _, clip = name.partition("/")
                clip_name = f"libraries/{library}/clips/{clip}"
                waiting.append(pool.submit(_mend, catalog, clip_name, spool))
                done += 1
                show(done, manifest.clip_count)
        sent += sum(each.result() for each in waiting)
    return sent


def _mend(catalog: Catalog, clip: str, audio: IO[bytes]) -> bool:
    """Sends the audio of a clip whose own is damaged or missing."""
    with audio:
        try:
            return patiently(lambda: _send(catalog, clip, audio))
        except ServiceError as error:
            if error.reason is not Reason.CLIP_NOT_FOUND:
                raise
            return False


def _send(catalog: Catalog, clip: str, audio: IO[bytes]) -> bool:
    there = catalog.call(catalog.clips.GetClip, GetClipRequest(name=clip))
    if there.audio_object.condition == AudioObject.CONDITION_UNSPECIFIED:
        return False
    audio.seek(0)
    catalog.call(catalog.clips.PutAudio, _messages(clip, audio), STREAM_SECONDS)
    return True


def _messages(clip: str, audio: IO[bytes]) -> Iterator[PutAudioRequest]:
    yield PutAudioRequest(name=clip)
    while chunk := audio.read(_CHUNK):
        yield PutAudioRequest(chunk=chunk)


def finish(catalog: Catalog, manifest: Manifest) -> None:
    """Turns the libraries on."""
    request = FinishRestoreRequest(backup_id=manifest.id)
    patiently(lambda: catalog.call(catalog.backups.FinishRestore, request))


def wait_for_indexes(catalog: Catalog, show: Show) -> None:
    """Waits until a gateway has filled the indexes.

    Raises:
        CommandError: none does.
    """
    request = ListLibrariesRequest(view=LIBRARY_VIEW_BASIC, incomplete=True, page_size=1000)
    total, last, moved = 0, -1, time.monotonic()
    while True:
        answer = patiently(lambda: catalog.call(catalog.libraries.ListLibraries, request))
        states = [library.index_state for library in answer.libraries]
        lacking = sum(state.expected_count - state.indexed_count for state in states)
        total = max(total, lacking)
        show(total - lacking, total)
        if not states:
            return
        if lacking != last:
            last, moved = lacking, time.monotonic()
        if time.monotonic() - moved > SILENT_SECONDS:
            raise CommandError(
                "all is restored, but nobody fills the indexes: start a gateway, with a service of "
                "each library's model; `audiosearch check` tells how far they are"
            )
        time.sleep(POLL_SECONDS)
