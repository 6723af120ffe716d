"""Cached files with a checksum: a file is either complete or not used."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

import structlog

_DIGEST_BYTES = hashlib.sha256().digest_size

log = structlog.get_logger()


class SealedFiles:
    """A folder of files, each of which starts with the SHA-256 of its contents."""

    def __init__(self, folder: Path | None, shipped: Path | None = None) -> None:
        """Takes the folders.

        Args:
            folder: The folder, which the first `write` creates. None keeps nothing.
            shipped: Another one, which is only read, for files that the first one lacks.
        """
        self._folder = folder
        self._shipped = shipped

    def read(self, name: str) -> bytes | None:
        """Returns the contents of a file, or None if it is absent, unreadable or damaged."""
        for folder in filter(None, (self._folder, self._shipped)):
            contents = self._read(folder / name)
            if contents is not None:
                return contents
        return None

    def _read(self, path: Path) -> bytes | None:
        try:
            sealed = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            log.warning("cache.unreadable", path=str(path), why=str(error))
            return None
        digest, contents = sealed[:_DIGEST_BYTES], sealed[_DIGEST_BYTES:]
        if hashlib.sha256(contents).digest() != digest:
            log.warning("cache.damaged: the file is made again", path=str(path))
            return None
        return contents

    def write(self, name: str, contents: bytes) -> None:
        """Writes a file in one step. An error is only logged: the next start takes longer."""
        if self._folder is None:
            return
        try:
            self._replace(self._folder, name, hashlib.sha256(contents).digest() + contents)
        except OSError as error:
            log.warning("cache.unwritable: the next start takes longer", why=str(error))

    @staticmethod
    def _replace(folder: Path, name: str, sealed: bytes) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{name}-", dir=folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(sealed)
            Path(temporary).replace(folder / name)
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise
