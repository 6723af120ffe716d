"""Opens audio that arrives through a pipe, and gives its samples as they arrive."""

from __future__ import annotations

import contextlib
import os
import struct
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from embedding_service.decoding.cut_off import (
    TAIL_BYTES,
    ogg_ends_early,
    wav_of_unknown_length,
)
from embedding_service.decoding.links import MATROSKA, Links
from embedding_service.decoding.readers import (
    Pcm,
    Remark,
    Stream,
    raw_samples,
    read_ffmpeg,
    require_audio,
    require_usable,
    undecodable,
)
from serving.audio_signs import HEAD_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_READ_BYTES = 2**16
_BLOCK_SAMPLES = 2**12
"""Samples of all channels in one block: 85 ms of one channel at 48 kHz."""

_MP4_STARTS = {b"ftyp", b"wide", b"free", b"skip", b"moov", b"mdat"}
_MP4_HEAD_BYTES = 2**16
"""Bytes in which the index of an mp4 file is looked for; beyond them FFmpeg looks itself."""


class Pipe:
    """Reads a file descriptor that can't seek. Bytes that `look` returned are read again."""

    def __init__(self, descriptor: int) -> None:
        """Takes the descriptor."""
        self._descriptor = descriptor
        self._head = b""
        self.tail = b""
        """The last bytes that were read."""

    def read(self, size: int) -> bytes:
        """Returns at most `size` bytes as soon as there are some; none at the end."""
        if self._head:
            data, self._head = self._head[:size], self._head[size:]
        else:
            data = os.read(self._descriptor, size)
        self.tail = (self.tail + data)[-TAIL_BYTES:]
        return data

    def look(self, start: int, end: int) -> bytes:
        """Returns the bytes from start to end and leaves them to be read; fewer at the end."""
        while len(self._head) < end and (more := os.read(self._descriptor, _READ_BYTES)):
            self._head += more
        return self._head[start:end]


@contextlib.contextmanager
def open_pipe(pipe: Pipe, pcm: Pcm | None) -> Iterator[Stream]:
    """Opens raw samples, or a format that FFmpeg reads without seeking.

    Raises:
        AudioError: AUDIO_UNDECODABLE, here or while the blocks are read.
    """
    with contextlib.ExitStack() as stack:
        if pcm is not None:
            stream = Stream(pcm.sample_rate, pcm.channels, "pcm", None, _raw_blocks(pipe, pcm))
        elif not pipe.look(0, 1):
            raise undecodable("no audio was sent: all chunks are empty")
        else:  # by FFmpeg: libsndfile has to seek in most formats
            require_audio(pipe.look(0, HEAD_BYTES))
            _require_index_first(pipe)
            stream = _encoded(pipe, stack)
        require_usable(stream)
        yield stream


def _encoded(pipe: Pipe, stack: contextlib.ExitStack) -> Stream:
    head = pipe.look(0, HEAD_BYTES)
    if not MATROSKA.match(head):
        stream = read_ffmpeg(pipe, stack, _BLOCK_SAMPLES)
        return _told_by_ends(stream, pipe, head)
    links = Links(pipe)
    return read_ffmpeg(links, stack, _BLOCK_SAMPLES, following=links.following())


def _told_by_ends(stream: Stream, pipe: Pipe, head: bytes) -> Stream:
    """Looks at the begin and the end of a stream, too, before it is told to be cut off."""

    def blocks() -> Iterator[NDArray[np.float32]]:
        yield from stream.blocks
        if head[:4] == b"OggS" and ogg_ends_early(pipe.tail):
            stream.remarks.add(Remark.CUT_OFF)
        if wav_of_unknown_length(head):
            stream.remarks.discard(Remark.CUT_OFF)

    return replace(stream, blocks=blocks())


def _raw_blocks(pipe: Pipe, pcm: Pcm) -> Iterator[NDArray[np.float32]]:
    frame = np.dtype(pcm.dtype).itemsize * pcm.channels
    rest = b""
    while data := pipe.read(_READ_BYTES):
        data = rest + data
        whole = len(data) - len(data) % frame
        rest = data[whole:]
        if whole:
            yield raw_samples(data[:whole], pcm)
    if rest:
        raise undecodable(
            f"the audio ends after {len(rest)} bytes of a {frame}-byte frame: "
            "it is cut off, or the PCM format is another"
        )


def _require_index_first(pipe: Pipe) -> None:
    """Refuses at once an mp4 file with its index at the end, which FFmpeg would read whole."""
    place = 0
    while place < _MP4_HEAD_BYTES:
        head = pipe.look(place, place + 8)
        if len(head) < 8:
            return
        size, kind = struct.unpack(">I4s", head)
        if place == 0 and kind not in _MP4_STARTS:
            return
        if kind == b"mdat":
            raise undecodable(
                "this m4a/mp4 file has its index (moov) at the end and can't be read as a stream: "
                "write it with ffmpeg's `-movflags +faststart`, or embed it whole with EmbedAudio"
            )
        if kind in {b"moov", b"moof"} or size < 8:
            return
        place += size
