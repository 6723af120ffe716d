"""Log-mel features, equal to those that PaddleSpeech passes to its speaker encoders."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_POWER_FLOOR = 1e-10
"""Lowest band power: a band has at least -100 dB before its mean is removed."""

_FRAMES_PER_BLOCK = 64
"""Frames that are transformed at once: few enough to stay in the processor's cache."""

_CONFIG_KEYS = {
    "sample_rate": "sr",
    "n_mels": "n_mels",
    "window_size": "window_size",
    "hop_size": "hop_size",
}


@dataclass(frozen=True)
class FeatureSettings:
    """The settings of a checkpoint's features.

    Attributes:
        sample_rate: Samples a second of the waveform, Hz.
        n_mels: Number of mel bands.
        window_size: Samples of one frame; also the length of its Fourier transform.
        hop_size: Samples between the starts of neighbouring frames.
        lowest_hz: Lower edge of the first mel band; PaddleSpeech's melspectrogram fixes it to 50.
        highest_hz: Upper edge of the last mel band; None for half the sample rate.
    """

    sample_rate: int = 16000
    n_mels: int = 80
    window_size: int = 400
    hop_size: int = 160
    lowest_hz: float = 50.0
    highest_hz: float | None = None

    def __post_init__(self) -> None:
        """Checks that every field is a whole number above zero.

        Raises:
            ValueError: A field is not. The message names it as `conf/model.yaml` does.
        """
        for field, key in _CONFIG_KEYS.items():
            value = getattr(self, field)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                message = f"{key} must be a whole number above 0, not {value!r}"
                raise ValueError(message)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> FeatureSettings:
        """Reads the settings from the contents of a checkpoint's `conf/model.yaml`.

        Args:
            config: Holds the keys sr, n_mels, window_size and hop_size; others are ignored.

        Raises:
            ValueError: A key is missing or its value is not a whole number above zero.
        """
        missing = [key for key in _CONFIG_KEYS.values() if key not in config]
        if missing:
            message = f"conf/model.yaml lacks {', '.join(missing)}"
            raise ValueError(message)
        return cls(**{field: config[key] for field, key in _CONFIG_KEYS.items()})

    def frame_count(self, samples: int) -> int:
        """Returns the number of frames of a waveform that has `samples` samples."""
        padded = samples + 2 * (self.window_size // 2)
        return 1 + (padded - self.window_size) // self.hop_size

    def in_words(self) -> str:
        """Describes the features for people."""
        window, hop = (
            1000 * samples / self.sample_rate for samples in (self.window_size, self.hop_size)
        )
        return f"{self.n_mels} log-mel bands, {window:g} ms every {hop:g} ms"


def log_mel(waveform: NDArray[Any], settings: FeatureSettings) -> NDArray[np.float32]:
    """Computes the normalised log-mel features of one clip.

    Equal to PaddleSpeech's `melspectrogram` (periodic Hann window, centred frames over
    reflected edges, Slaney mel bands from 50 Hz to half the sample rate, power in dB) followed by
    `feature_normalize(mean_norm=True, std_norm=False)`: each band's mean over the clip is removed.

    Args:
        waveform: Mono samples, shape (samples,), floating point, at `settings.sample_rate`.
        settings: The checkpoint's feature settings.

    Returns:
        Features in dB around each band's mean, shape (n_mels, frames).

    Raises:
        ValueError: The waveform is not one-dimensional, not floating point, or shorter than two
            samples.
    """
    bands = mel_db(waveform, settings)
    bands -= bands.mean(axis=1, dtype=np.float64, keepdims=True).astype(np.float32)
    return bands


def mel_db(waveform: NDArray[Any], settings: FeatureSettings) -> NDArray[np.float32]:
    """Computes the log-mel bands in dB as `log_mel` does, without removing the mean.

    Args:
        waveform: Mono samples, shape (samples,), floating point, at `settings.sample_rate`.
        settings: The checkpoint's feature settings.

    Returns:
        Band power in dB (0 dB = 1.0), not below -100, shape (n_mels, frames).

    Raises:
        ValueError: The waveform is not one-dimensional, not floating point, or shorter than two
            samples.
    """
    _require_waveform(waveform)
    padded = np.pad(waveform, settings.window_size // 2, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, settings.window_size)
    frames = windows[:: settings.hop_size]
    bands = np.empty((settings.n_mels, len(frames)), dtype=np.float32)
    for start in range(0, len(frames), _FRAMES_PER_BLOCK):
        block = slice(start, start + _FRAMES_PER_BLOCK)
        bands[:, block] = _band_power(frames[block], settings)
    np.maximum(bands, _POWER_FLOOR, out=bands)
    np.log10(bands, out=bands)
    bands *= 10.0
    return bands


def _require_waveform(waveform: NDArray[Any]) -> None:
    if waveform.ndim != 1:
        message = f"the waveform must have one dimension, not shape {waveform.shape}"
        raise ValueError(message)
    if not np.issubdtype(waveform.dtype, np.floating):
        message = f"the waveform must be floating point, not {waveform.dtype}"
        raise ValueError(message)
    if len(waveform) < 2:
        message = f"the waveform has {len(waveform)} samples; at least 2 are needed"
        raise ValueError(message)


def _band_power(frames: NDArray[Any], settings: FeatureSettings) -> NDArray[np.float32]:
    """Returns the mel band power of frames, shape (n_mels, frames)."""
    # Double precision like the original: a pure tone's far bands are 150 dB below its peak.
    spectrum = np.fft.rfft(frames * _hann_window(settings.window_size), axis=1)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    banded: NDArray[np.float32] = _mel_filters(settings) @ power.T
    return banded


@lru_cache(maxsize=8)
def _hann_window(size: int) -> NDArray[np.float64]:
    """Returns the periodic Hann window, shape (size,)."""
    window = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(size) / size)
    window.setflags(write=False)
    return window


@lru_cache(maxsize=8)
def _mel_filters(settings: FeatureSettings) -> NDArray[np.float32]:
    """Returns triangular filters of equal area per Hz, shape (n_mels, window_size // 2 + 1)."""
    highest = settings.highest_hz or settings.sample_rate // 2
    lowest_mel, highest_mel = _hz_to_mel(settings.lowest_hz), _hz_to_mel(highest)
    mels = np.linspace(lowest_mel, highest_mel, settings.n_mels + 2)
    edges = _mel_to_hz(mels)
    bins = np.linspace(0.0, settings.sample_rate / 2, settings.window_size // 2 + 1)
    widths = np.diff(edges)[:, None]
    rising = (bins - edges[:-2, None]) / widths[:-1]
    falling = (edges[2:, None] - bins) / widths[1:]
    filters = np.maximum(0.0, np.minimum(rising, falling))
    filters *= 2.0 / (edges[2:] - edges[:-2])[:, None]
    result = filters.astype(np.float32)
    result.setflags(write=False)
    return result


# Slaney's mel scale (Auditory Toolbox, 1998): linear up to 1 kHz, then 27 steps to each 6.4-fold.
_HZ_PER_MEL = 200.0 / 3.0
_KNEE_HZ = 1000.0
_KNEE_MEL = _KNEE_HZ / _HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27.0


def _hz_to_mel(hz: float) -> float:
    if hz < _KNEE_HZ:
        return hz / _HZ_PER_MEL
    return float(_KNEE_MEL + np.log(hz / _KNEE_HZ) / _LOG_STEP)


def _mel_to_hz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    curved = _KNEE_HZ * np.exp(_LOG_STEP * (mels - _KNEE_MEL))
    straight: NDArray[np.float64] = mels * _HZ_PER_MEL
    return np.where(mels >= _KNEE_MEL, curved, straight)
