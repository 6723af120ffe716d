"""Recordings of telephone calls: two voices, one in each channel."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import soundfile

from tests.vowels import RATE, say

LEFT, RIGHT = 1, 2


def sides(left: int, right: int, take: int = 0, seconds: float = 6.0) -> tuple[np.ndarray, ...]:
    """Two of the voices of `tests.vowels`, who speak and pause at other times."""
    one, other = say(left, take, seconds), say(right, take, seconds)
    one *= np.sin(2 * np.pi * 0.7 * np.arange(len(one)) / RATE) > -0.5
    other *= np.sin(2 * np.pi * 1.1 * np.arange(len(other)) / RATE) < 0.6
    return one, other


def call(left: int, right: int, take: int = 0, seconds: float = 6.0) -> bytes:
    """The call as a stereo WAV file."""
    return stereo(*sides(left, right, take, seconds))


def stereo(left: np.ndarray, right: np.ndarray) -> bytes:
    """A WAV file of two channels."""
    file = io.BytesIO()
    soundfile.write(file, np.stack([left, right], axis=1), RATE, format="WAV")
    return file.getvalue()


def record_call(folder: Path, left: int, right: int, take: int = 0) -> Path:
    """Writes a call into a folder."""
    path = folder / f"call-{left}-{right}-{take}.wav"
    path.write_bytes(call(left, right, take))
    return path
