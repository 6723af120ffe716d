"""Judges what kind of audio bytes are by how they begin."""

from __future__ import annotations

UNKNOWN = "application/octet-stream"
HEAD_BYTES = 64
"""So many first bytes are enough to judge."""

_MARKS = (
    (8, b"WAVE", "audio/wav"),  # after RIFF, RIFX or RF64 and a length
    (8, b"AIFF", "audio/aiff"),
    (8, b"AIFC", "audio/aiff"),
    (0, b"fLaC", "audio/flac"),
    (0, b"OggS", "audio/ogg"),
    (4, b"ftyp", "audio/mp4"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"audiosearch-vector ", "application/x-audiosearch-vector"),
)
_MATROSKA = b"\x1aE\xdf\xa3"
_MP3_SYNC_BITS = 0xFFE0
_MP3_LAYER_BITS = 0x0006


def judge(head: bytes) -> str:
    """The media type of audio that begins so; `application/octet-stream` for no known kind."""
    for offset, mark, kind in _MARKS:
        if head[offset : offset + len(mark)] == mark:
            return kind
    if head[:4] == _MATROSKA:
        return "audio/webm" if b"webm" in head else "audio/x-matroska"
    return _judge_frames(head)


def _judge_frames(head: bytes) -> str:
    """MP3 and AAC, which have no header of their own: frames that begin with eleven set bits."""
    first = int.from_bytes(head[:2], "big")
    if len(head) < 4 or first & _MP3_SYNC_BITS != _MP3_SYNC_BITS:
        return UNKNOWN
    if first & _MP3_LAYER_BITS:
        plausible = head[2] >> 4 != 0xF and head[2] >> 2 & 3 != 3
        return "audio/mpeg" if plausible else UNKNOWN
    return "audio/aac" if first & 0xFFF0 == 0xFFF0 else UNKNOWN
