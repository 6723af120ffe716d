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
    "Cem": Voice(pitch=150, tract=1.0, tilt=0.5, breath=0.01, pace=6.0, melody=0.2),
}
"""Whom the bundled model tells apart well: cosines to a voiceprint of at most 0.32, of the same
voice 0.85 or more."""


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
