"""Bytes that are not as they should be."""

from __future__ import annotations

import random
import struct

EXTREMES = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
HEAD = 128
"""First bytes of a file, in which most of what they say about themselves stands."""


def mutate(draw: random.Random, data: bytes) -> tuple[str, bytes]:
    """Changes bytes in one to three ways; the names of the ways, and what came of it."""
    names = list[str]()
    for _ in range(draw.choice((1, 1, 2, 3))):
        way = draw.choice(WAYS)
        data = way(draw, data) if data else draw.randbytes(draw.randrange(64))
        names.append(way.__name__.strip("_"))
    return ", ".join(names), data


def _cut_off(draw: random.Random, data: bytes) -> bytes:
    return data[: draw.randrange(len(data))]


def _flipped(draw: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(draw.choice((1, 4, 32))):
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def _flipped_head(draw: random.Random, data: bytes) -> bytes:
    return _flipped(draw, data[:HEAD]) + data[HEAD:]


def _extreme(draw: random.Random, data: bytes) -> bytes:
    """An absurd size, rate or number of channels, where a head may have it."""
    size = draw.choice((2, 4, 4, 8))
    order = draw.choice("<>")
    value = struct.pack(
        order + {2: "H", 4: "I", 8: "Q"}[size], draw.choice(EXTREMES) % 2 ** (8 * size)
    )
    start = draw.randrange(min(HEAD, len(data)))
    return data[:start] + value + data[start + size :]


def _removed(draw: random.Random, data: bytes) -> bytes:
    start = draw.randrange(len(data))
    return data[:start] + data[start + draw.choice((1, 16, 1024)) :]


def _inserted(draw: random.Random, data: bytes) -> bytes:
    start = draw.randrange(len(data))
    return data[:start] + draw.randbytes(draw.choice((1, 16, 4096))) + data[start:]


def _doubled(draw: random.Random, data: bytes) -> bytes:
    start = draw.randrange(len(data))
    return data[:start] + data[start : start + draw.choice((64, 4096, len(data)))] + data[start:]


def _zeros(draw: random.Random, data: bytes) -> bytes:
    start, count = draw.randrange(len(data)), draw.choice((1, 64, 4096))
    return data[:start] + bytes(min(count, len(data) - start)) + data[start + count :]


WAYS = (
    _cut_off,
    _flipped,
    _flipped_head,
    _extreme,
    _removed,
    _inserted,
    _doubled,
    _zeros,
)
