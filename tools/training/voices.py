"""Further speakers made of each recorded one: another pitch, another vocal tract."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.signal import istft, resample_poly, stft

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Wave = NDArray[np.float64]

RATE = 16000
"""Samples a second of what `alter` returns."""

_WINDOW = 512
_HOP = 128
_LONGEST_QUEFRENCY = 30
"""Cepstral coefficients, 1.9 ms, that make the envelope: shorter than a period of any voice."""

_STRONGEST_GAIN = 3.5
"""Largest change of a bin, in nepers (30 dB)."""


class Alteration(NamedTuple):
    """How a voice differs from the recorded one.

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
)
"""The voices of each recorded speaker. The resonances differ in all of them: by pitch
alone a voice changes in a day, which makes no other speaker of it."""


def alter(wave: Wave, rate: int, alteration: Alteration) -> Wave:
    """Return a recording as another speaker's, at 16 kHz.

    Args:
        wave: Mono samples, shape (samples,).
        rate: Their samples a second.
        alteration: What changes.
    """
    up, down = RATE, round(rate * alteration.pitch)
    common = math.gcd(up, down)
    resampled = resample_poly(wave, up // common, down // common)
    # Resampling has moved the resonances along with the pitch.
    return _move_formants(resampled, alteration.formants / alteration.pitch)


def _move_formants(wave: Wave, factor: float) -> Wave:
    """Stretch the spectrum's envelope by a factor; leave its fine structure, the pitch."""
    if factor == 1.0:
        return wave
    _, _, spectrum = stft(wave, nperseg=_WINDOW, noverlap=_WINDOW - _HOP)
    envelope = _log_envelope(np.abs(spectrum))
    change = np.clip(_stretched(envelope, factor) - envelope, -_STRONGEST_GAIN, _STRONGEST_GAIN)
    _, moved = istft(spectrum * np.exp(change), nperseg=_WINDOW, noverlap=_WINDOW - _HOP)
    return np.asarray(moved[: len(wave)])


def _log_envelope(magnitudes: Wave) -> Wave:
    """Smooth the logarithm of each column by its cepstrum, shape (bins, frames)."""
    floor = 1e-6 * magnitudes.max() + 1e-12
    cepstrum = np.fft.irfft(np.log(magnitudes + floor), axis=0)
    cepstrum[_LONGEST_QUEFRENCY + 1 : -_LONGEST_QUEFRENCY] = 0.0
    return np.asarray(np.fft.rfft(cepstrum, axis=0).real)


def _stretched(envelope: Wave, factor: float) -> Wave:
    """Read each column at frequencies divided by the factor; past the last bin, at the last."""
    last = len(envelope) - 1
    where = np.minimum(np.arange(last + 1) / factor, last)
    below = np.minimum(where.astype(int), last - 1)
    share = (where - below)[:, None]
    return np.asarray((1.0 - share) * envelope[below] + share * envelope[below + 1])
