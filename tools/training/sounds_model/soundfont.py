"""Reads the samples of a sound font (SoundFont 2): recordings of instruments, one a note."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from tools.training.sounds_model.kinds import words

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_RECORD = struct.Struct("<20s5I6x")
_NOTES = 5
"""Most notes that are taken of one instrument."""

_SECONDS = 2


@dataclass(frozen=True)
class _Sample:
    name: str
    first: int
    end: int
    rate: int


def write_samples(font: Path, folder: Path) -> None:
    """Writes the first 2 s of up to five notes of every instrument as WAV files.

    The left channel stands for a pair of channels.

    Args:
        font: The sound font.
        folder: Folder for the files, named as the samples are.
    """
    folder.mkdir(parents=True, exist_ok=True)
    data = font.read_bytes()
    start, size = _chunk(data, b"smpl", data.index(b"sdta"))
    numbers = np.frombuffer(data, "<i2", size // 2, start)
    for sample in _chosen(list(_samples(data, start + size))):
        name = " ".join(re.sub(r"[^A-Za-z0-9]+", " ", sample.name).split())
        wave = numbers[sample.first : min(sample.end, sample.first + _SECONDS * sample.rate)]
        soundfile.write(folder / f"{name}.wav", wave, sample.rate, subtype="PCM_16")


def _chunk(data: bytes, name: bytes, start: int) -> tuple[int, int]:
    place = data.index(name, start)
    return place + 8, int.from_bytes(data[place + 4 : place + 8], "little")


def _samples(data: bytes, after: int) -> Iterator[_Sample]:
    start, size = _chunk(data, b"shdr", after)
    # The last record marks the end.
    for place in range(start, start + size - _RECORD.size, _RECORD.size):
        raw, first, end, _, _, rate = _RECORD.unpack_from(data, place)
        name = raw.split(b"\0")[0].decode("latin1").strip()
        if not name.endswith(("R", "(R)")):
            yield _Sample(name, first, end, rate)


def _chosen(samples: list[_Sample]) -> list[_Sample]:
    by_words: dict[str, list[_Sample]] = {}
    for sample in samples:
        by_words.setdefault(words(f"{sample.name.replace('/', ' ')}.wav"), []).append(sample)
    chosen = []
    for notes in by_words.values():
        places = np.linspace(0, len(notes) - 1, min(len(notes), _NOTES)).astype(int)
        chosen += [notes[place] for place in places]
    return chosen
