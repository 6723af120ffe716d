"""Log-mel features, equal to those that PaddleSpeech passes to its classifiers of sounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from embedding_service.network.families.panns.network import BANDS
from embedding_service.network.features import FeatureSettings, mel_db

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_SPELLINGS = {
    "sample_rate": ("sample_rate", "sr"),
    "n_fft": ("n_fft",),
    "hop_length": ("hop_length",),
    "window": ("window",),
    "window_length": ("window_length", "win_length"),
    "f_min": ("f_min",),
    "f_max": ("f_max",),
    "n_mels": ("n_mels",),
}
"""Keys of the section `feature`, each as PaddleSpeech's files of settings spell it."""


def settings_of(config: Mapping[str, Any]) -> FeatureSettings:
    """Reads the section `feature` of PaddleSpeech's settings of a classifier.

    Raises:
        ValueError: A key is missing, or its value can't be. The message names it.
    """
    section = config.get("feature")
    if not isinstance(section, dict):
        raise ValueError("feature is missing: the settings of the features")  # noqa: TRY004
    values: dict[str, Any] = {
        key: next((section[name] for name in names if name in section), None)
        for key, names in _SPELLINGS.items()
    }
    _require(values)
    return FeatureSettings(
        values["sample_rate"],
        values["n_mels"],
        values["n_fft"],
        values["hop_length"],
        values["f_min"],
        values["f_max"],
    )


def _require(values: Mapping[str, Any]) -> None:
    """Raises ValueError for a value that is missing or can't be."""
    missing = [key for key, value in values.items() if value is None]
    if missing:
        message = f"feature: {', '.join(missing)} is missing"
        raise ValueError(message)
    for key in ("sample_rate", "n_fft", "hop_length"):
        if type(values[key]) is not int or values[key] < 1:
            message = f"feature: {key} must be a whole number above 0, not {values[key]!r}"
            raise ValueError(message)
    needed = {"window": "hann", "window_length": values["n_fft"], "n_mels": BANDS}
    for key, value in needed.items():
        if values[key] != value:
            message = f"feature: {key} must be {value}, not {values[key]!r}"
            raise ValueError(message)
    low, high = values["f_min"], values["f_max"]
    numbers = isinstance(low, (int, float)) and isinstance(high, (int, float))
    if not numbers or not 0 <= low < high <= values["sample_rate"] / 2:
        message = f"feature: f_min and f_max can't be {low!r} and {high!r}"
        raise ValueError(message)


def log_mel(
    samples: NDArray[Any], settings: FeatureSettings, least_frames: int
) -> NDArray[np.float32]:
    """Computes the features of one clip.

    Equal to Paddle's `LogMelSpectrogram`: periodic Hann window, centred frames over reflected
    edges, Slaney mel bands, power in dB above -100, nothing subtracted. A clip that is too short
    for the network is followed by silence, as short clips were in the training of PANNs.

    Args:
        samples: Mono, shape (n,), floating point, at `settings.sample_rate`.
        settings: The settings of the features.
        least_frames: Fewest frames that the network takes.

    Returns:
        Features in dB, shape (bands, frames).

    Raises:
        ValueError: The samples are not one-dimensional or not floating point.
    """
    missing = (least_frames - 1) * settings.hop_size - len(samples)
    return mel_db(np.pad(samples, (0, missing)) if missing > 0 else samples, settings)
