"""Files of one format that were appended to each other, one behind the other."""

from __future__ import annotations

import io
import os
import re
from typing import TYPE_CHECKING, BinaryIO, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Buffer

_READ_BYTES = 2**20
_MARK_BYTES = 64
"""No mark is longer."""

MATROSKA = re.compile(rb"\x1aE\xdf\xa3.{1,40}?\x42\x82", re.DOTALL)
_MARKS = (
    MATROSKA,
    re.compile(rb"RIFF....WAVEfmt ", re.DOTALL),
    re.compile(rb"RF64....WAVEds64", re.DOTALL),
    re.compile(rb"FORM....AIF[FC]", re.DOTALL),
    re.compile(rb"caff\x00\x01\x00\x00desc\x00{7}\x20"),
    re.compile(
        rb"\.snd\x00\x00.{6}\x00\x00\x00[\x01-\x1b]\x00.{3}\x00\x00\x00[\x01-\x40]", re.DOTALL
    ),
    re.compile(rb"TTA1[\x01\x02]\x00[\x01-\x40]\x00[\x08\x10\x18\x20]\x00"),
    re.compile(rb"FLV\x01[\x01\x04\x05]\x00\x00\x00\x09\x00\x00\x00\x00"),
    re.compile(rb"fLaC[\x00\x80]\x00\x00\x22"),
    re.compile(rb"\x00\x00\x00[\x10-\xff]ftyp[ -~]{4}"),
)
"""Beginnings of files in formats whose readers stop where the first of joined files ends.

Those of ogg, mp3 and aac go on by themselves.
"""


_SIZED: dict[bytes, tuple[slice, Literal["little", "big"]]] = {
    b"RIFF": (slice(4, 8), "little"),
    b"RF64": (slice(20, 28), "little"),
    b"FORM": (slice(4, 8), "big"),
    b".snd": (slice(8, 12), "big"),
}
"""Formats whose heads tell a size, which is that of the file less 8 bytes or a little more."""

_UNKNOWN_SIZE = 2**32 - 1


class Readable(Protocol):
    """A file, or a pipe."""

    def read(self, size: int, /) -> bytes:
        """Returns at most `size` bytes; none at the end."""


class Part(io.RawIOBase):
    """A part of a file, as a file of its own."""

    def __init__(self, file: BinaryIO, start: int, end: int) -> None:
        """Takes the whole file, which is not closed with its part, and the part's bounds."""
        self._file, self._start, self._end = file, start, end
        self._place = start

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Buffer) -> int:
        """Reads the next bytes."""
        view = memoryview(buffer).cast("B")
        self._file.seek(self._place)
        data = self._file.read(min(len(view), max(0, self._end - self._place)))
        view[: len(data)] = data
        self._place += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Moves to another place; returns it."""
        origins = {os.SEEK_SET: self._start, os.SEEK_CUR: self._place, os.SEEK_END: self._end}
        self._place = max(self._start, origins[whence] + offset)
        return self._place - self._start

    def tell(self) -> int:
        """Returns the place."""
        return self._place - self._start


def parts(file: BinaryIO) -> list[Part]:
    """The files that are joined in a file, which is left at its start; empty if it is only one."""
    file.seek(0)
    head = file.read(_MARK_BYTES)
    mark = next((mark for mark in _MARKS if mark.match(head)), None)
    starts = [0]
    for place in _found(file, mark) if mark else ():
        if place >= _told_end(file, starts[-1]):
            starts.append(place)
    end = file.seek(0, os.SEEK_END)
    file.seek(0)
    if len(starts) == 1:
        return []
    return [Part(file, *ends) for ends in zip(starts, [*starts[1:], end], strict=True)]


def _told_end(file: BinaryIO, start: int) -> int:
    """The end of a file by its own head, so that a whole file among samples begins nothing."""
    file.seek(start)
    head = file.read(_MARK_BYTES)
    if head[:4] not in _SIZED:
        return start
    place, order = _SIZED[head[:4]]
    size = int.from_bytes(head[place], order)
    return start if size == _UNKNOWN_SIZE else start + 8 + size


def _found(file: BinaryIO, mark: re.Pattern[bytes]) -> Iterator[int]:
    """The places of a mark behind the start of a file."""
    place, rest, read = 1, b"", 1
    while data := _at(file, read):
        read += len(data)
        block = rest + data
        last = 0
        for each in mark.finditer(block):
            yield place + each.start()
            last = each.end()
        kept = min(len(block) - last, _MARK_BYTES - 1)
        place += len(block) - kept
        rest = block[len(block) - kept :]


def _at(file: BinaryIO, place: int) -> bytes:
    file.seek(place)
    return file.read(_READ_BYTES)


class Links:
    """A pipe of Matroska or WebM files, each read to its own end."""

    def __init__(self, pipe: Readable) -> None:
        """Begins with the first file."""
        self._pipe = pipe
        self._buffer = b""
        self._over = False
        self._first = 1
        """Place in the buffer from which on the next file may begin."""

    def read(self, size: int) -> bytes:
        """Returns at most `size` bytes of the current file; none at its end."""
        while True:
            mark = MATROSKA.search(self._buffer, self._first)
            held = 0 if self._over else _MARK_BYTES
            end = mark.start() if mark else len(self._buffer) - held
            if end > 0:
                data, self._buffer = self._buffer[: min(end, size)], self._buffer[min(end, size) :]
                self._first = 0
                return data
            if mark or self._over:
                return b""
            more = self._pipe.read(_READ_BYTES)
            self._over = not more
            self._buffer += more

    def seekable(self) -> bool:
        """It is not."""
        return False

    def following(self) -> Iterator[Links]:
        """Goes on to each of the following files, as itself."""
        while True:
            while self.read(_READ_BYTES):
                pass  # a reader may stop early
            if not self._buffer:
                return
            self._first = 1
            yield self
