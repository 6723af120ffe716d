"""Voices made by synthesis: speakers of a pitch and a vocal tract of their own, who say vowels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

RATE = 16_000
PITCHES = (95, 130, 180, 235, 110, 205, 155, 270)
"""Of the speakers, in hertz."""
TRACTS = (0.85, 1.0, 1.12, 1.28, 1.2, 0.92, 1.06, 1.38)
"""Relative height of their resonances."""
_SYLLABLES = 4
"""A second: a steady tone is heard as speech for a while only."""
_VOWELS = np.array([[700, 1200, 2500], [300, 2200, 3000], [400, 800, 2400]])


def say(speaker: int, take: int, seconds: float = 1.0) -> np.ndarray:
    """Vowels of a third of a second each by one of eight speakers; each take is another one."""
    random = np.random.default_rng(100 * speaker + take)
    pitch = PITCHES[speaker] * random.uniform(0.97, 1.03)
    numbers = np.concatenate([random.permutation(3) for _ in range(int(np.ceil(seconds)))])
    parts = [_vowel(random, pitch, TRACTS[speaker] * _VOWELS[number]) for number in numbers]
    sound = np.concatenate(parts)[: int(seconds * RATE)]
    sound *= 0.15 + 0.85 * np.abs(np.sin(np.pi * _SYLLABLES * np.arange(sound.size) / RATE))
    return 0.3 * sound / np.abs(sound).max() + 0.001 * random.standard_normal(sound.size)


def _vowel(random: np.random.Generator, pitch: float, formants: np.ndarray) -> np.ndarray:
    t = np.arange(RATE // 3) / RATE
    harmonics = pitch * np.arange(1, int(7000 / pitch))
    envelope = sum(1 / (1 + ((harmonics - formant) / 90) ** 2) for formant in formants)
    phases = random.uniform(0, 6, (len(harmonics), 1))
    waves = np.sin(2 * np.pi * np.outer(harmonics, t) + phases)
    return np.asarray((envelope[:, None] * waves).sum(0))


def record(folder: Path, speaker: int, take: int, seconds: float = 1.0) -> Path:
    """Writes a take into a folder, as `v{speaker}-{take}.flac`."""
    path = folder / f"v{speaker}-{take}.flac"
    soundfile.write(path, say(speaker, take, seconds), RATE)
    return path
