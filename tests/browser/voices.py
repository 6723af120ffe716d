"""Made-up people: voices by source and filter, of which each recording is another one."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from deploy import example_sounds
from deploy.example_sounds import RATE
from tools.training.sounds.tonal import Voice

_SEED = 20261126
CAST = {
    "Ann": Voice(pitch=220, tract=0.75, tilt=1.8, breath=0.5, pace=3.0, melody=0.03),
    "Ben": Voice(pitch=80, tract=1.4, tilt=0.5, breath=0.01, pace=6.0, melody=0.2),
    "Cem": Voice(pitch=174, tract=0.99, tilt=1.5, breath=0.01, pace=7.8, melody=0.17),
}
"""Whom the bundled model tells apart: Ann and Ben have a cosine of 0.26, Cem one of 0.42 at most to
them, recordings of one of them 0.9 or more."""


def person(number: int) -> Voice:
    """One of many others, always the same for a number; some of them are alike."""
    return Voice.draw(np.random.default_rng((_SEED, number)))


def record(path: Path, voice: Voice, take: int, seconds: float = 4.0) -> Path:
    """Writes a recording of a voice, another one for each `take`."""
    return example_sounds.write(path, _speech(voice, take, seconds))


def record_talk(path: Path, speakers: list[Voice], seconds: float = 12.0) -> Path:
    """Writes one recording in which one voice speaks after the other, each for so many seconds."""
    said = [_speech(voice, 100 + turn, seconds) for turn, voice in enumerate(speakers)]
    return example_sounds.write(path, np.concatenate(said))


def _speech(voice: Voice, take: int, seconds: float) -> np.ndarray:
    random = np.random.default_rng((_SEED, round(voice.pitch * 100), take))
    sound = voice.render(random, int(seconds * RATE))
    noise = 1e-3 * random.standard_normal(len(sound))
    return 0.5 * sound / np.abs(sound).max() + noise
