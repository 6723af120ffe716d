"""Alters examples as real use does: bands, noise, level, place in the clip, blanked features."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.signal import butter, sosfilt

from tools.training.sounds_model.pieces import RATE

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    Wave = NDArray[np.float32]

_FARTHEST = RATE // 5
"""Most samples of silence in front of a sound that is shorter than its clip."""


def placed(wave: Wave, samples: int, rng: Generator) -> Wave:
    """Cuts or fills up a sound to a length; silence stands at its end, half the time in front."""
    moved = rng.random() < 0.5
    if len(wave) > samples:
        start = int(rng.integers(0, len(wave) - samples + 1)) if moved else 0
        return wave[start : start + samples]
    result = np.zeros(samples, np.float32)
    free = min(samples - len(wave), _FARTHEST)
    start = int(rng.integers(0, free + 1)) if moved else 0
    result[start : start + len(wave)] = wave
    return result


def degraded(wave: Wave, rng: Generator) -> Wave:
    """Limits the band of a quarter of the clips, adds noise to 40 %, and draws the level."""
    if rng.random() < 0.25:
        wave = _limited(wave, rng)
    if rng.random() < 0.4:
        wave = _noisy(wave, rng)
    peak = max(float(np.abs(wave).max()), 1e-6)
    return np.asarray(wave * (10.0 ** (rng.uniform(-30.0, 3.0) / 20.0) / peak), np.float32)


def blanked(bands: Wave, rng: Generator) -> Wave:
    """Blanks a few bands and frames of half of the clips (SpecAugment, Park et al. 2019).

    Args:
        bands: Log-mel features, shape (frames, bands); changed in place.
        rng: Source of every choice.
    """
    if rng.random() < 0.5:
        frames, count = bands.shape
        level = bands.mean()
        width = int(rng.integers(0, 9))
        start = int(rng.integers(0, count - width))
        bands[:, start : start + width] = level
        width = int(rng.integers(0, max(2, frames // 8)))
        start = int(rng.integers(0, frames - width))
        bands[start : start + width] = level
    return bands


def _limited(wave: Wave, rng: Generator) -> Wave:
    order = int(rng.integers(1, 5))
    if rng.random() < 1 / 3:
        return _filtered(wave, order, "highpass", np.exp(rng.uniform(4.2, 6.2)))
    return _filtered(wave, order, "lowpass", np.exp(rng.uniform(7.6, 9.3)))


def _noisy(wave: Wave, rng: Generator) -> Wave:
    """Adds white or dark noise 6 to 40 dB below the clip's mean power."""
    noise = rng.standard_normal(len(wave), dtype=np.float32)
    if rng.random() < 0.5:
        noise = _filtered(noise, 1, "lowpass", np.exp(rng.uniform(5.0, 9.0)))
        noise /= noise.std() + 1e-9
    level = np.sqrt(np.mean(np.square(wave))) + 1e-6
    return wave + noise * np.float32(level * 10.0 ** (-rng.uniform(6.0, 40.0) / 20.0))


def _filtered(wave: Wave, order: int, kind: str, hertz: float) -> Wave:
    sections = butter(order, hertz, kind, fs=RATE, output="sos")
    return np.asarray(sosfilt(sections, wave), np.float32)
