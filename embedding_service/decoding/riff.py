"""The chunks of a WAV file, by which an unfinished one is known."""

from __future__ import annotations

import os
from typing import BinaryIO

_TAGS = (b"ID3", b"TAG")
"""Marks of tags that programs hang behind the last chunk."""


def is_unfinished(file: BinaryIO) -> bool:
    """Tells if the data chunk of a WAV file is longer than it says; the file is left at its start.

    A recorder that is killed leaves a length of 0, or that of the last time it was written. More
    samples stand behind that length then, and no chunk.
    """
    end = file.seek(0, os.SEEK_END)
    file.seek(0)
    try:
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return False
        return _ends_early(file, end)
    finally:
        file.seek(0)


def _ends_early(file: BinaryIO, end: int) -> bool:
    behind_data = False
    while len(header := file.read(8)) == 8:
        name, size = header[:4], int.from_bytes(header[4:], "little")
        if behind_data and name.startswith(_TAGS):
            return False
        behind_data = behind_data or name == b"data"
        place = file.tell() + size + size % 2
        if name == b"data" and not size:
            return end > place
        if behind_data and not (_is_name(name) and (name == b"data" or place <= end + 1)):
            return True
        if place >= end:
            return False
        file.seek(place)
    return False


def _is_name(name: bytes) -> bool:
    return all(0x20 <= character < 0x7F for character in name)
