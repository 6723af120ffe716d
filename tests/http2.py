"""HTTP/2 by hand: bytes that no library would send."""

from __future__ import annotations

import struct
from collections.abc import Mapping

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\0\0\0\x04\0\0\0\0\0"


def call(headers: Mapping[bytes, bytes], body: bytes, *, ends: bool = True) -> bytes:
    """A connection with one request, whose headers are sent as they are."""
    block = b"".join(b"\0" + _text(name) + _text(value) for name, value in headers.items())
    return PREFACE + SETTINGS + frame(1, 4, block) + frame(0, int(ends), body)


def frame(kind: int, flags: int, content: bytes, stream: int = 1) -> bytes:
    """A frame of any type."""
    size = struct.pack(">I", len(content))[1:]
    return size + bytes([kind, flags]) + struct.pack(">I", stream) + content


def _text(value: bytes) -> bytes:
    """A text of HPACK, not compressed."""
    if len(value) < 127:
        return bytes([len(value)]) + value
    rest, length = len(value) - 127, b"\x7f"
    while rest >= 128:
        length, rest = length + bytes([rest & 127 | 128]), rest >> 7
    return length + bytes([rest]) + value
