"""Signs that audio is cut off or was never finished. Whole files have none of them."""

from __future__ import annotations

import os
import re
from typing import Any, BinaryIO

UNKNOWN_BYTES = 2**31 - 2**16
"""Length from which on a writer that could not seek means that it does not know the length."""

SLACK_SECONDS = 0.5
"""Length that a container may claim beyond the samples: paddings, and rounding."""

_HEAD_BYTES = 2**16

TAIL_BYTES = 2**17
"""Bytes at the end of an ogg file that hold its last page, which has 65,307 at most."""
_MP4_KINDS = {b"ftyp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide", b"styp", b"sidx"}
_EBML, _SEGMENT, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675
_MOST_ELEMENTS = 10**6

_WRONG_SIZE = re.compile(
    r"^\s*(?:data|SSND|Data Size|riff)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE
)
_WRONG_COUNT = "does not match value from 'ds64' chunk"

_MP3_KBITS = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MP3_RATES = (44100, 48000, 32000)


def told_by_libsndfile(log: str) -> bool:
    """Reads libsndfile's log of a file that it has opened: True if samples are missing."""
    sizes = ((int(told), int(there)) for told, there in _WRONG_SIZE.findall(log))
    return _WRONG_COUNT in log or any(there < told < UNKNOWN_BYTES for told, there in sizes)


def ends_early(file: BinaryIO) -> bool:
    """Tells if parts of a file are missing by its own account; the file is left at its start."""
    end = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    file.seek(max(0, end - TAIL_BYTES))
    tail = file.read(TAIL_BYTES)
    try:
        if head[:4] == b"OggS":
            return ogg_ends_early(tail)
        if head[4:8] in _MP4_KINDS:
            return _mp4_ends_early(file, end)
        if int.from_bytes(head[:4], "big") == _EBML:
            return _matroska_ends_early(file, end)
        return _mp3_ends_early(head, end)
    finally:
        file.seek(0)


def wav_of_unknown_length(head: bytes) -> bool:
    """Tells if a WAV file was written by a program that could not know its length."""
    place = head.find(b"data")
    if head[:4] != b"RIFF" or place < 0:
        return False
    return int.from_bytes(head[place + 4 : place + 8], "little") >= UNKNOWN_BYTES


def ogg_ends_early(tail: bytes) -> bool:
    """Tells by the last bytes of an ogg file: its last page must be whole, and marked as last."""
    place = tail.rfind(b"OggS")
    if place < 0:
        return False
    page = tail[place:]
    if len(page) < 27 or len(page) < 27 + page[26]:
        return True
    size = 27 + page[26] + sum(page[27 : 27 + page[26]])
    return len(page) < size or not page[5] & 4


def _mp4_ends_early(file: BinaryIO, end: int) -> bool:
    place = 0
    while place + 8 <= end:
        file.seek(place)
        box = file.read(16)
        size = int.from_bytes(box[:4], "big")
        if size == 1:
            size = int.from_bytes(box[8:16], "big")
        if size == 0:  # to the end of the file
            return False
        if size < 8 or not box[4:8].isalnum():
            return False
        place += size
    return place > end


def _matroska_ends_early(file: BinaryIO, end: int) -> bool:
    """Walks the elements. A segment or cluster of unknown length is entered."""
    place = 0
    for _ in range(_MOST_ELEMENTS):
        file.seek(place)
        head = file.read(12)
        id_length = _vint(head[:1])
        size_length = _vint(head[id_length : id_length + 1])
        if not 1 <= id_length <= 4 or not size_length:
            return False
        size = int.from_bytes(head[id_length : id_length + size_length], "big")
        size &= (1 << 7 * size_length) - 1
        inside = place + id_length + size_length
        known = size != (1 << 7 * size_length) - 1
        if known and inside + size > end:
            return True
        element = int.from_bytes(head[:id_length], "big")
        place = inside if element == _SEGMENT or not known else inside + size
        if place >= end:
            return False
    return False


def _vint(first: bytes) -> int:
    """The length of a number of variable length, by its first byte; 0 if there is none."""
    return 9 - first[0].bit_length() if first and first[0] else 0


def _mp3_ends_early(head: bytes, end: int) -> bool:
    """Compares the bytes that an mp3 file says it has with those that are there."""
    start = 0
    while head[start : start + 3] == b"ID3" and len(head) >= start + 10:
        size = sum(byte << 7 * (3 - n) for n, byte in enumerate(head[start + 6 : start + 10]))
        start += 10 + size
    frame = head[start : start + 200]
    if not frame_bytes(frame):
        return False
    place = max(frame.find(b"Xing"), frame.find(b"Info"))
    if place < 0 or len(frame) < place + 16:
        return False
    flags = frame[place + 7]
    if flags & 3 != 3:
        return False
    told = int.from_bytes(frame[place + 12 : place + 16], "big")
    return end < start + told


def frame_bytes(packet: bytes) -> int:
    """The bytes that a frame of mp3 or of an aac stream says it has; 0 for anything else."""
    if len(packet) < 7 or packet[0] != 0xFF or packet[1] & 0xE0 != 0xE0:
        return 0
    if packet[1] & 0xF6 == 0xF0:  # ADTS
        return (packet[3] & 3) << 11 | packet[4] << 3 | packet[5] >> 5
    version, layer = (packet[1] >> 3) & 3, 4 - ((packet[1] >> 1) & 3)
    bits, rate = packet[2] >> 4, (packet[2] >> 2) & 3
    if version == 1 or layer == 4 or bits in {0, 15} or rate == 3:
        return 0
    kbits = _MP3_KBITS[1 if version == 3 else 2, layer][bits - 1]
    hertz = _MP3_RATES[rate] // {3: 1, 2: 2, 0: 4}[version]
    padding = (packet[2] >> 1) & 1
    if layer == 1:
        return (12_000 * kbits // hertz + padding) * 4
    halved = layer == 3 and version != 3
    return (72_000 if halved else 144_000) * kbits // hertz + padding


class LastPacket:
    """Looks at the packets of FFmpeg: the last one tells if the audio goes on behind it."""

    def __init__(self, codec: str) -> None:
        """Starts before the first packet of a codec, by FFmpeg's name."""
        # The frames of flac begin alike, and tell no length.
        self._framed = codec.startswith(("mp1", "mp2", "mp3", "aac"))
        self._short = False
        self._failed = False

    def read(self, packet: Any) -> None:
        """Takes the next packet, before it is decoded."""
        if packet.size:
            told = frame_bytes(bytes(memoryview(packet)[:7])) if self._framed else 0
            self._short = packet.is_corrupt or packet.size < told
            self._failed = False

    def failed(self) -> None:
        """Notes that the last packet could not be decoded."""
        self._failed = True

    @property
    def cut_off(self) -> bool:
        """True if the last packet is not whole."""
        return self._short

    @property
    def lost(self) -> bool:
        """True if the last packet could not be decoded."""
        return self._failed
