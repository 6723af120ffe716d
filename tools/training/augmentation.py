"""Degrades clean sound at random, as rooms, microphones, telephones and files do."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import soundfile
import soxr
from scipy.signal import butter, fftconvolve, sosfilt

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator
    from numpy.typing import NDArray

    Wave = NDArray[np.float32]
    NoiseSource = Callable[[Generator, int], Wave]

RATE = 16000
"""Samples a second everywhere in this module."""

_TELEPHONE_HZ = (300.0, 3400.0)
_QUALITIES = ("QQ", "LQ", "MQ", "HQ", "VHQ")
_CLEAN_SHARE = 0.3
_TELEPHONE_SHARE = 0.15
_NARROW_SHARE = 0.2
_COMPRESSED = (("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III"))


def telephone(wave: Wave) -> Wave:
    """Keeps the telephone band, 300 to 3400 Hz (fourth-order Butterworth)."""
    return _filter(wave, 4, "bandpass", _TELEPHONE_HZ)


def add_noise(wave: Wave, noise: Wave, snr_db: float) -> Wave:
    """Adds noise at a signal-to-noise ratio of mean powers in dB. Silence stays unchanged."""
    signal = float(np.mean(np.square(wave, dtype=np.float64)))
    power = float(np.mean(np.square(noise, dtype=np.float64)))
    if signal == 0.0 or power == 0.0:
        return wave
    return wave + noise * np.float32(np.sqrt(signal / power) * 10.0 ** (-snr_db / 20.0))


def white_noise(rng: Generator, samples: int) -> Wave:
    """Returns noise of equal power at all frequencies."""
    return rng.standard_normal(samples, dtype=np.float32)


def coloured_noise(rng: Generator, samples: int) -> Wave:
    """Returns noise whose spectrum falls by 0 to 8 dB an octave, with random broad bumps."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    hertz = np.maximum(np.fft.rfftfreq(samples, 1.0 / RATE), 30.0)
    gains = hertz ** -rng.uniform(0.0, 1.3)
    for _ in range(rng.integers(0, 3)):
        centre = np.exp(rng.uniform(np.log(100.0), np.log(7000.0)))
        gains *= 1.0 + rng.uniform(0, 8) * np.exp(-0.5 * (np.log2(hertz / centre) / 0.5) ** 2)
    return np.fft.irfft(spectrum * gains, samples).astype(np.float32)


def reverberate(wave: Wave, rng: Generator) -> Wave:
    """Convolves with a random room: a direct path, then noise that decays exponentially.

    The time to fall by 60 dB is 0.1 to 0.9 s. Higher frequencies fade faster.
    """
    seconds = np.exp(rng.uniform(np.log(0.1), np.log(0.9)))
    samples = int(min(seconds, 0.6) * RATE)
    time = np.arange(samples) / RATE
    tail = rng.standard_normal(samples) * np.exp(-6.9 * time / seconds)
    dark = _filter(tail.astype(np.float32), 1, "lowpass", (rng.uniform(1000, 7000),))
    tail = np.where(time < rng.uniform(0.02, 0.12), tail, dark)
    tail[: int(rng.uniform(0.001, 0.02) * RATE)] = 0.0
    tail *= np.exp(rng.uniform(np.log(0.15), np.log(1.5))) / np.sqrt(np.sum(tail**2) + 1e-12)
    tail[0] = 1.0
    return np.asarray(fftconvolve(wave, tail)[: len(wave)], dtype=np.float32)


def limit_band(wave: Wave, rng: Generator) -> Wave:
    """Cuts off low or high frequencies, or both like a telephone, at random edges and slopes."""
    order = int(rng.integers(2, 9))
    low = rng.uniform(200.0, 450.0)
    high = rng.uniform(2800.0, 4000.0)
    kind = rng.integers(0, 5)
    if kind == 0:
        return _filter(wave, min(order, 4), "highpass", (np.exp(rng.uniform(4.4, 6.5)),))
    if kind == 1:
        return _filter(wave, order, "lowpass", (np.exp(rng.uniform(7.5, 8.9)),))
    return _filter(wave, min(order, 6), "bandpass", (low, high))


def through_8_khz(wave: Wave, rng: Generator) -> Wave:
    """Converts to 16-bit samples at 8 kHz and back to 16 kHz, with resamplers of random quality.

    Above 4 kHz remains only the leakage of the resamplers.
    """
    down, up = (_QUALITIES[int(rng.integers(len(_QUALITIES)))] for _ in range(2))
    narrow = _as_16_bit(soxr.resample(wave, RATE, RATE // 2, down))
    result = np.zeros_like(wave)
    back = soxr.resample(narrow, RATE // 2, RATE, up)[: len(wave)]
    result[: len(back)] = np.clip(back, -1.0, 1.0)
    return result


def mu_law(wave: Wave) -> Wave:
    """Rounds to the 256 levels of G.711 mu-law (ITU-T, 1988, the continuous curve)."""
    level = max(float(np.abs(wave).max()), 1e-9)
    curve = np.sign(wave) * np.log1p(255.0 * np.abs(wave) / level) / np.log(256.0)
    rounded = np.rint(curve * 127.5) / 127.5
    sizes = np.expm1(np.abs(rounded) * np.log(256.0)) / 255.0
    return np.asarray(np.sign(rounded) * sizes * level, dtype=np.float32)


def compress(wave: Wave, rng: Generator) -> Wave:
    """Encodes as Ogg Vorbis or MP3 at a random quality and decodes again."""
    container, codec = _COMPRESSED[int(rng.integers(0, len(_COMPRESSED)))]
    file = io.BytesIO()
    level = max(1.0, float(np.abs(wave).max()))
    soundfile.write(
        file,
        wave / level,
        RATE,
        format=container,
        subtype=codec,
        compression_level=rng.uniform(0.2, 0.95),
    )
    file.seek(0)
    decoded, _ = soundfile.read(file, dtype="float32")
    result = np.zeros_like(wave)
    result[: len(decoded)] = decoded[: len(wave)]
    return result * np.float32(level)


def set_level(wave: Wave, rng: Generator) -> Wave:
    """Scales to a random peak from -35 to 0 dB, rarely clipped."""
    level = max(float(np.abs(wave).max()), 1e-9)
    peak = 10.0 ** (rng.uniform(-35.0, 0.0) / 20.0)
    scaled = wave * np.float32(peak / level)
    if rng.random() < 0.05:
        limit = peak * rng.uniform(0.2, 0.8)
        scaled = np.clip(scaled, -limit, limit)
    return scaled


def _as_16_bit(wave: Wave) -> Wave:
    levels = np.clip(np.rint(wave * 32767.0), -32768, 32767)
    return np.asarray(levels / 32767.0, dtype=np.float32)


def degrade(wave: Wave, rng: Generator, disturbance: NoiseSource) -> Wave:
    """Sends a clip through a random chain of room, noise, band and codec, or over a telephone.

    Some clips stay clean.

    Args:
        wave: Mono samples, shape (samples,).
        rng: Source of every choice.
        disturbance: Returns other sound to mix in, such as people talking.

    Returns:
        A clip of the same length.
    """
    draw = rng.random()
    if draw >= _CLEAN_SHARE + _TELEPHONE_SHARE:
        wave = _spoil(wave, rng, disturbance)
    elif draw >= _CLEAN_SHARE:
        wave = _call(wave, rng)
    wave = set_level(wave, rng)
    return through_8_khz(wave, rng) if rng.random() < _NARROW_SHARE else _as_16_bit(wave)


def _call(wave: Wave, rng: Generator) -> Wave:
    """Sends a clip over a telephone whose line adds noise."""
    source = (white_noise, coloured_noise)[int(rng.random() < 0.3)]
    noisy = add_noise(telephone(wave), source(rng, len(wave)), rng.uniform(8.0, 25.0))
    return mu_law(noisy) if rng.random() < 0.3 else noisy


def _spoil(wave: Wave, rng: Generator, disturbance: NoiseSource) -> Wave:
    if rng.random() < 0.35:
        wave = reverberate(wave, rng)
    noisy, narrow = rng.random() < 0.6, rng.random() < 0.5
    early = rng.random() < 0.5
    if noisy and early:
        wave = _disturb(wave, rng, disturbance)
    if narrow:
        wave = limit_band(wave, rng)
    if noisy and not early:
        wave = _disturb(wave, rng, disturbance)
    return _encode(wave, rng)


def _disturb(wave: Wave, rng: Generator, disturbance: NoiseSource) -> Wave:
    sources = (white_noise, coloured_noise, disturbance)
    source = sources[int(rng.choice(3, p=(0.4, 0.3, 0.3)))]
    lowest = 8.0 if source is disturbance else 3.0
    return add_noise(wave, source(rng, len(wave)), rng.uniform(lowest, 28.0))


def _encode(wave: Wave, rng: Generator) -> Wave:
    draw = rng.random()
    if draw < 0.04:
        return compress(wave, rng)
    if draw < 0.12:
        return mu_law(wave)
    return wave


def _filter(wave: Wave, order: int, kind: str, edges: tuple[float, ...]) -> Wave:
    # Rounded to tens of Hz, so that most designs are found in the cache.
    sections = _design(order, kind, tuple(round(edge, -1) for edge in edges))
    return np.asarray(sosfilt(sections, wave), dtype=np.float32)


@lru_cache(maxsize=4096)
def _design(order: int, kind: str, edges: tuple[float, ...]) -> NDArray[np.float64]:
    edge = edges if len(edges) > 1 else edges[0]
    return np.asarray(butter(order, edge, kind, fs=RATE, output="sos"))
