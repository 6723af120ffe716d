"""Files of a backup: written with their hashes, compared with them, and read."""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from audiosearch.catalog.v1.backup_pb2 import BackupRow
from google.protobuf import proto

from audiosearch_cli.backups.manifest import Manifest, Part, damaged
from serving.errors import Reason, ServiceError

if TYPE_CHECKING:
    from io import BytesIO

TAR_BYTES = 2**30
"""Audio of one part, unless one recording is larger."""
_CHUNK = 2**20


class PartFile:
    """A new file, which is hashed as it is written. Use it as a binary file."""

    def __init__(self, path: Path) -> None:
        """Makes the file."""
        self._path = path
        self._file = path.open("wb")
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        """Writes bytes."""
        self._hash.update(data)
        self.size += len(data)
        return self._file.write(data)

    def tell(self) -> int:
        """The place of the next byte."""
        return self.size

    def finish(self) -> Part:
        """Brings it to the disk, and describes it."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return Part(self._path.name, self.size, self._hash.hexdigest())

    def give_up(self) -> None:
        """Removes it."""
        self._file.close()
        self._path.unlink()


class AudioFiles:
    """Audio in tar files, one after the other."""

    def __init__(self, folder: Path) -> None:
        """Makes them in a folder."""
        self._folder = folder
        self._file: PartFile | None = None
        self._tar: tarfile.TarFile | None = None
        self.parts: list[Part] = []

    def add(self, name: str, size: int, audio: IO[bytes]) -> None:
        """Adds a recording."""
        if self._file and self._file.size + size > TAR_BYTES:
            self.finish()
        if self._tar is None:
            self._file = PartFile(self._folder / f"audio-{len(self.parts) + 1:05d}.tar")
            self._tar = tarfile.TarFile(fileobj=self._file, mode="w")  # type: ignore[arg-type]
        info = tarfile.TarInfo(name)
        info.size = size
        self._tar.addfile(info, audio)
        self._tar.members.clear()  # type: ignore[attr-defined]  # memory would grow

    def finish(self) -> None:
        """Ends the last file."""
        if self._tar and self._file:
            self._tar.close()
            self.parts.append(self._file.finish())
        self._tar = self._file = None


def write_row(row: BackupRow, file: PartFile) -> None:
    """Adds a row."""
    proto.serialize_length_prefixed(row, file)  # type: ignore[arg-type]


def read_rows(path: Path) -> Iterator[BackupRow]:
    """The rows of a part that was compared with its hash."""
    with path.open("rb") as file:
        stream = cast("BytesIO", file)  # it is read alone
        while (row := proto.parse_length_prefixed(BackupRow, stream)) is not None:
            yield row


def read_audio(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """The names of the recordings of a part, each with its bytes, to be read before the next."""
    with tarfile.open(path, "r|") as tar:
        for member in tar:
            audio = tar.extractfile(member)
            if audio is not None:
                yield member.name, audio
            tar.members.clear()  # type: ignore[attr-defined]  # as above


def verify(folder: Path, manifest: Manifest, read: Callable[[int], None]) -> None:
    """Compares all parts with their hashes. Calls `read` with the bytes that were read so far.

    Raises:
        ServiceError: BACKUP_INCOMPLETE, BACKUP_DAMAGED.
    """
    done = 0
    for part in manifest.parts:
        path = folder / part.name
        size = path.stat().st_size if path.is_file() else -1
        if size < part.size:
            lost = "gone" if size < 0 else f"cut off at {size:,} of {part.size:,} bytes"
            raise ServiceError(
                Reason.BACKUP_INCOMPLETE, f"{path} is {lost}: take another copy of the backup"
            )
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                done += len(chunk)
                read(done)
        if digest.hexdigest() != part.sha256:
            raise damaged(path)
