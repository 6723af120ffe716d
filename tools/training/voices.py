"""Makes further speakers from each recorded one, with another pitch and vocal tract."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.signal import istft, resample_poly, stft

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Wave = NDArray[np.float64]

RATE = 16000
"""Sample rate of the result of `alter`, Hz."""

_WINDOW = 512
_HOP = 128
_LONGEST_QUEFRENCY = 30
"""Cepstral coefficients of the envelope, 1.9 ms: less than a period of any voice."""

_STRONGEST_GAIN = 3.5
"""Largest change of a bin, in nepers (30 dB)."""


class Alteration(NamedTuple):
    """The difference of a voice from the recorded one.

    Attributes:
        pitch: Factor of pitch and tempo.
        formants: Factor of the resonances of the vocal tract.
    """

    pitch: float
    formants: float


AS_RECORDED = Alteration(1.0, 1.0)

ALTERATIONS = (
    AS_RECORDED,
    Alteration(0.9, 0.9),
    Alteration(1.1, 1.1),
    Alteration(0.92, 1.08),
    Alteration(1.08, 0.92),
    Alteration(0.84, 0.88),
    Alteration(1.18, 1.12),
    Alteration(0.96, 0.94),
    Alteration(1.04, 1.06),
    Alteration(0.82, 0.98),
    Alteration(1.2, 1.02),
    Alteration(1.0, 0.88),
    Alteration(1.0, 1.14),
)
"""The voices of each recorded speaker. All differ in their resonances: the pitch of one speaker
varies within a day, so a change of pitch alone makes no other speaker."""


def alter(wave: Wave, rate: int, alteration: Alteration) -> Wave:
    """Returns a recording changed into another speaker's, at 16 kHz.

    Args:
        wave: Mono samples, shape (samples,).
        rate: Sample rate of the recording, Hz.
        alteration: The changes of pitch and resonances.
    """
    up, down = RATE, round(rate * alteration.pitch)
    common = math.gcd(up, down)
    resampled = resample_poly(wave, up // common, down // common)
    # Resampling moved the resonances together with the pitch.
    return _move_formants(resampled, alteration.formants / alteration.pitch)


def _move_formants(wave: Wave, factor: float) -> Wave:
    """Stretches the envelope of the spectrum by a factor. Leaves its fine structure, the pitch."""
    if factor == 1.0:
        return wave
    _, _, spectrum = stft(wave, nperseg=_WINDOW, noverlap=_WINDOW - _HOP)
    envelope = _log_envelope(np.abs(spectrum))
    change = np.clip(_stretched(envelope, factor) - envelope, -_STRONGEST_GAIN, _STRONGEST_GAIN)
    _, moved = istft(spectrum * np.exp(change), nperseg=_WINDOW, noverlap=_WINDOW - _HOP)
    return np.asarray(moved[: len(wave)])


def _log_envelope(magnitudes: Wave) -> Wave:
    """Smooths the logarithm of each column by its cepstrum, shape (bins, frames)."""
    floor = 1e-6 * magnitudes.max() + 1e-12
    cepstrum = np.fft.irfft(np.log(magnitudes + floor), axis=0)
    cepstrum[_LONGEST_QUEFRENCY + 1 : -_LONGEST_QUEFRENCY] = 0.0
    return np.asarray(np.fft.rfft(cepstrum, axis=0).real)


def _stretched(envelope: Wave, factor: float) -> Wave:
    """Reads each column at frequencies divided by the factor, at most at the last bin."""
    last = len(envelope) - 1
    where = np.minimum(np.arange(last + 1) / factor, last)
    below = np.minimum(where.astype(int), last - 1)
    share = (where - below)[:, None]
    return np.asarray((1.0 - share) * envelope[below] + share * envelope[below + 1])
