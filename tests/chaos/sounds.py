"""Sounds, each unlike all others, known by a number. One in four has several windows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

RATE = 16_000
SECONDS = 0.6
LONG_SECONDS = 9.0
"""Length of every fourth sound, too long for one window."""
LONG_EVERY = 4
PIECES = 6


def make(number: int, seed: int) -> np.ndarray:
    """Six pieces of tones and noise, drawn by number and seed: samples in [-0.7, 0.7]."""
    random = np.random.default_rng([seed, number])
    seconds = SECONDS if number % LONG_EVERY else LONG_SECONDS
    count = int(RATE * seconds / PIECES)
    time = np.arange(count) / RATE
    pieces = []
    for _ in range(PIECES):
        tones = [
            random.uniform(0.2, 1) * np.sin(2 * np.pi * pitch * time + random.uniform(0, 6.28))
            for pitch in 2 ** random.uniform(6.5, 12.7, random.integers(1, 5))
        ]
        noise = random.uniform(0.02, 0.5) * random.standard_normal(count)
        pieces.append((np.sum(tones, axis=0) + noise) * random.uniform(0.3, 1))
    sound = np.concatenate(pieces)
    return np.asarray(0.7 * sound / np.abs(sound).max())


def write(folder: Path, number: int, seed: int) -> Path:
    """Writes a sound as 16-bit WAV, named by its number."""
    path = folder / f"sound-{number:06d}.wav"
    soundfile.write(path, make(number, seed), RATE, subtype="PCM_16")
    return path


def near_silence(path: Path, minutes: int) -> Path:
    """Writes a small FLAC file of long audio: a level that changes every few seconds."""
    levels = np.resize(np.array([5000, -5000], np.int16), minutes * 15)
    soundfile.write(path, np.repeat(levels, 4 * RATE + 77), RATE, format="FLAC", subtype="PCM_16")
    return path
