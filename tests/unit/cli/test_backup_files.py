"""Files of a backup: what was cut off or harmed is told by its reason."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from audiosearch.catalog.v1.backup_pb2 import BackupRow
from audiosearch_cli.backups import commands
from audiosearch_cli.backups.manifest import Library, Manifest
from audiosearch_cli.backups.parts import (
    AudioFiles,
    PartFile,
    read_audio,
    read_rows,
    write_row,
)

from serving.errors import Reason, ServiceError

ROWS = [BackupRow(table="clips", columns=b"{}", clip_id=f"c{n}") for n in range(3)]


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """A backup of one library with three clips."""
    rows, audio = PartFile(tmp_path / "rows-00001.bin"), AudioFiles(tmp_path)
    for row in ROWS:
        write_row(row, rows)
        audio.add(f"one/{row.clip_id}", 1000, io.BytesIO(b"a" * 1000))
    audio.finish()
    library = Library("libraries/one", "models/m", "rows-00001.bin", "0015", 3, 3)
    parts = [rows.finish(), *audio.parts]
    Manifest(
        "id",
        "2026-01-01",
        "1",
        audio=True,
        libraries=[library],
        parts=parts,
        gone=[],
        unreadable=[],
    ).write(tmp_path)
    return tmp_path


def test_what_was_written_is_read(backup: Path) -> None:
    """Rows and audio in their order."""
    commands.verify(backup)
    assert list(read_rows(backup / "rows-00001.bin")) == ROWS
    audio = [(name, file.read()) for name, file in read_audio(backup / "audio-00001.tar")]
    assert audio == [(f"one/{row.clip_id}", b"a" * 1000) for row in ROWS]


def _swap(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda data: data.replace(old, new)


@pytest.mark.parametrize(
    ("name", "harm", "reason"),
    [
        ("manifest.json", None, Reason.BACKUP_INCOMPLETE),
        ("rows-00001.bin", None, Reason.BACKUP_INCOMPLETE),
        ("audio-00001.tar", lambda data: data[:-1], Reason.BACKUP_INCOMPLETE),
        ("audio-00001.tar", _swap(b"aaaa", b"aaba"), Reason.BACKUP_DAMAGED),
        ("manifest.json", lambda data: data[:99], Reason.BACKUP_DAMAGED),
        ("manifest.json", _swap(b'"version": "', b'"version": "9'), Reason.BACKUP_DAMAGED),
        ("manifest.json", _swap(b'"format": 1', b'"format": 2'), Reason.BACKUP_INCOMPATIBLE),
    ],
)
def test_a_bad_backup_is_refused(
    backup: Path, name: str, harm: Callable[[bytes], bytes] | None, reason: Reason
) -> None:
    """A file that is gone, cut off, changed, or of another format."""
    path = backup / name
    data = path.read_bytes()
    path.unlink()
    if harm:
        path.write_bytes(harm(data))
    with pytest.raises(ServiceError) as raised:
        commands.verify(backup)
    assert raised.value.reason is reason
