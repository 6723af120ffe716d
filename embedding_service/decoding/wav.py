"""Reads WAV files of raw samples without a decoder."""

from __future__ import annotations

import io
import struct

from embedding_service.decoding.readers import Pcm
from embedding_service.decoding.riff import is_unfinished

_LAYOUTS = {(1, 16): ("<i2", "wav/pcm_16"), (3, 32): ("<f4", "wav/float")}
"""Type and name of samples, by the number of the format and the bits of a sample."""

_FORMAT = struct.Struct("<HHIIHH")


def plain_samples(data: bytes) -> tuple[Pcm, bytes] | None:
    """Returns the layout and the samples of a WAV file.

    Returns None for other formats and for files that are cut off or unusual: a decoder reads them.
    """
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE" or is_unfinished(io.BytesIO(data)):
        return None
    layout, place = None, 12
    while place + 8 <= len(data):
        name, size = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8], "little")
        start, end = place + 8, place + 8 + size
        if end > len(data):
            return None
        if name == b"fmt " and size >= _FORMAT.size:
            layout = _layout(data[start:end])
        elif name == b"data":
            if not layout or not _whole(size, layout) or b"RIFF" in data[end:]:
                return None  # also if another file stands behind this one
            return layout, data[start:end]
        place = end + size % 2
    return None


def _layout(chunk: bytes) -> Pcm | None:
    number, channels, rate, _, frame, bits = _FORMAT.unpack_from(chunk)
    dtype, name = _LAYOUTS.get((number, bits), ("", ""))
    if not dtype or not channels or not rate or frame != channels * bits // 8:
        return None
    return Pcm(rate, channels, dtype, name)


def _whole(size: int, layout: Pcm) -> bool:
    frame = layout.channels * (2 if layout.dtype == "<i2" else 4)
    return size > 0 and size % frame == 0
