"""The building blocks of the sounds: envelopes, decaying modes, noise of any spectrum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    Wave = NDArray[np.floating[Any]]

RATE = 16000
"""Samples a second of every synthetic sound."""

_FRAME = 512
_HOP = _FRAME // 2


def seconds_to_samples(seconds: float) -> int:
    """Returns the number of samples of a duration in seconds."""
    return round(seconds * RATE)


def times(samples: int) -> Wave:
    """Returns the time of each sample in seconds, shape (samples,)."""
    return np.arange(samples) / RATE


def vary(rng: Generator, value: float, spread: float) -> float:
    """Returns the value times a random factor near one; `spread` is its relative deviation."""
    return float(value * np.exp(spread * rng.standard_normal()))


def log_uniform(rng: Generator, low: float, high: float) -> float:
    """Draws from [low, high] so that each octave is equally likely."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def strike(samples: int, attack: float, decay: float) -> Wave:
    """Returns an envelope that rises in `attack` seconds and falls by 1/e in `decay` seconds."""
    time = times(samples)
    return np.asarray(np.minimum(time / max(attack, 1e-4), 1.0) * np.exp(-time / decay))


def swell(samples: int, peak: float) -> Wave:
    """Returns a smooth rise and fall with its top at the share `peak` (0 to 1) of the length."""
    position = np.arange(samples) / samples
    rise = np.clip(position / peak, 0.0, 1.0)
    fall = np.clip((1.0 - position) / (1.0 - peak), 0.0, 1.0)
    return np.asarray(np.sin(0.5 * np.pi * np.minimum(rise, fall)) ** 2)


def oscillate(frequency: Wave, phase: float = 0.0) -> Wave:
    """Returns a sine that follows a frequency given for each sample, Hz."""
    return np.asarray(np.sin(phase + 2.0 * np.pi * np.cumsum(frequency) / RATE))


def ring(samples: int, frequencies: Wave, decays: Wave, gains: Wave) -> Wave:
    """Returns a sum of decaying sines, the sound of a struck body.

    Args:
        samples: Length of the result.
        frequencies: Hz, shape (modes,); modes at or above half the sample rate are left out.
        decays: Seconds to fall by 1/e, shape (modes,).
        gains: Amplitudes, shape (modes,).
    """
    wave = np.zeros(samples)
    time = times(samples)
    for frequency, decay, gain in zip(frequencies, decays, gains, strict=True):
        if frequency < RATE / 2:
            # 7 decay times are enough: the rest is below -60 dB.
            length = min(samples, seconds_to_samples(7.0 * decay) + 1)
            part = time[:length]
            wave[:length] += gain * np.exp(-part / decay) * np.sin(2 * np.pi * frequency * part)
    return wave


def harmonics(fundamental: Wave, gains: Wave) -> Wave:
    """Returns harmonics of a fundamental that is given for each sample, Hz.

    Args:
        fundamental: Hz, shape (samples,).
        gains: Amplitude of harmonic 1, 2, ..., shape (harmonics,).
    """
    phase = 2.0 * np.pi * np.cumsum(fundamental) / RATE
    highest = int(RATE / 2 / fundamental.max())
    wave = np.zeros(len(fundamental))
    for number, gain in enumerate(gains[:highest], start=1):
        wave += gain * np.sin(number * phase)
    return wave


def bump(hertz: Wave, centre: Wave | float, octaves: float) -> Wave:
    """Returns a bell-shaped gain over frequency, its width given in octaves."""
    octaves_off = np.log2(np.maximum(hertz, 20.0) / centre)
    return np.asarray(np.exp(-0.5 * (octaves_off / octaves) ** 2))


def noise_bins() -> Wave:
    """Returns the frequencies of a row of gains for `noise`, Hz, shape (bins,)."""
    return np.linspace(0.0, RATE / 2, _HOP + 1)


def noise_frames(samples: int) -> int:
    """Returns the number of rows of gains that `noise` needs for `samples` samples."""
    return samples // _HOP + 2


def noise(rng: Generator, samples: int, gains: Wave) -> Wave:
    """Returns noise whose spectrum follows the gains over time, root mean square near one.

    Args:
        rng: Source of the randomness.
        samples: Length of the result.
        gains: Amplitude over frequency, shape (bins,), or over time and frequency,
            shape (noise_frames(samples), bins).
    """
    frames = noise_frames(samples)
    shape = (frames, _HOP + 1)
    spectrum = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    pieces = np.fft.irfft(spectrum * gains, axis=1) * np.sin(np.pi * np.arange(_FRAME) / _FRAME)
    wave = np.zeros((frames + 1) * _HOP)
    wave[:-_HOP] += pieces[:, :_HOP].ravel()
    wave[_HOP:] += pieces[:, _HOP:].ravel()
    return normalised(wave[_HOP : _HOP + samples])


def normalised(wave: Wave) -> Wave:
    """Returns the wave scaled to a root mean square of one. Silence stays unchanged."""
    level = np.sqrt(np.mean(np.square(wave)))
    return wave / level if level > 0 else wave


def wander(rng: Generator, samples: int, hertz: float) -> Wave:
    """Returns a smooth random curve of mean 0 and deviation near 1 that turns `hertz` times/s."""
    knots = max(4, int(np.ceil(samples / RATE * hertz * 2)) + 2)
    values = rng.standard_normal(knots)
    return np.interp(np.linspace(0, knots - 1, samples), np.arange(knots), values)


def place(wave: Wave, part: Wave, start: int) -> None:
    """Adds a part to a wave from sample `start` on. Cuts it at the end of the wave."""
    end = min(len(wave), start + len(part))
    if start < end:
        wave[start:end] += part[: end - start]
