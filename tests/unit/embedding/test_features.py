"""The features equal PaddleSpeech's own."""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from embedding_service.network.features import FeatureSettings, log_mel, mel_db

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Melspectrogram = Callable[..., NDArray[np.float32]]

SETTINGS = FeatureSettings()
RATE = SETTINGS.sample_rate
STUB = "paddlespeech_audio_alone"


def _module_from(name: str, path: Path) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _empty_package(name: str) -> types.ModuleType:
    package = types.ModuleType(name)
    package.__path__ = []
    sys.modules[name] = package
    return package


@pytest.fixture(scope="module")
def melspectrogram() -> Iterator[Melspectrogram]:
    """PaddleSpeech's function, from its file: importing its audio package needs far more."""
    found = importlib.util.find_spec("paddlespeech")
    if found is None or not found.submodule_search_locations:
        pytest.skip("paddlespeech is not installed: pip install --no-deps paddlespeech==1.5.0")
    source = Path(next(iter(found.submodule_search_locations))) / "audio"
    _empty_package(STUB)
    utils = _empty_package(f"{STUB}.utils")
    _empty_package(f"{STUB}.compliance")
    error = _module_from(f"{STUB}.utils.error", source / "utils" / "error.py")
    utils.__dict__["ParameterError"] = error.ParameterError
    utils.__dict__["depth_convert"] = None  # used by augmentation only
    librosa = _module_from(f"{STUB}.compliance.librosa", source / "compliance" / "librosa.py")
    yield librosa.melspectrogram
    for name in [name for name in sys.modules if name.startswith(STUB)]:
        del sys.modules[name]


def _reference(
    melspectrogram: Melspectrogram,
    waveform: NDArray[np.float32],
    settings: FeatureSettings,
) -> NDArray[np.float32]:
    bands = melspectrogram(
        x=waveform,
        sr=settings.sample_rate,
        n_mels=settings.n_mels,
        window_size=settings.window_size,
        hop_length=settings.hop_size,
    )
    return bands - bands.mean(axis=-1, keepdims=True)


def _signal(kind: str, seconds: float, rate: int = RATE) -> NDArray[np.float32]:
    samples = round(seconds * rate)
    time = np.arange(samples) / rate
    rng = np.random.default_rng(samples)
    signals = {
        "noise": 0.3 * rng.standard_normal(samples),
        "faint noise": 1e-5 * rng.standard_normal(samples),
        "tone": 0.9 * np.sin(2 * np.pi * 440.0 * time),
        "sweep": 0.5 * np.sin(2 * np.pi * (100.0 * time + 900.0 * time**2)),
        "click": np.eye(1, samples, samples // 2)[0],
        "silence": np.zeros(samples),
        "loud": 30.0 * rng.standard_normal(samples),
    }
    return signals[kind].astype(np.float32)


@pytest.mark.parametrize("seconds", [0.1, 0.1234, 0.5, 1.0, 3.007, 30.0])
@pytest.mark.parametrize(
    "kind", ["noise", "faint noise", "tone", "sweep", "click", "silence", "loud"]
)
def test_equals_paddlespeech(melspectrogram: Melspectrogram, kind: str, seconds: float) -> None:
    """For every kind and length of signal the features are those of PaddleSpeech."""
    waveform = _signal(kind, seconds)
    expected = _reference(melspectrogram, waveform, SETTINGS)
    actual = log_mel(waveform, SETTINGS)
    assert actual.dtype == np.float32
    assert actual.shape == expected.shape
    assert np.abs(actual - expected).max() <= 1e-3


def test_other_settings_equal_paddlespeech(melspectrogram: Melspectrogram) -> None:
    """A checkpoint with other feature settings is served with those."""
    settings = FeatureSettings(sample_rate=8000, n_mels=40, window_size=256, hop_size=80)
    waveform = _signal("noise", 1.3, rate=8000)
    expected = _reference(melspectrogram, waveform, settings)
    assert np.abs(log_mel(waveform, settings) - expected).max() <= 1e-3


def test_each_band_has_mean_zero() -> None:
    """The loudness and the colour of the whole clip are taken out."""
    loud = _signal("noise", 1.0)
    quiet = loud * np.float32(0.01)
    assert np.abs(log_mel(loud, SETTINGS).mean(axis=1)).max() < 1e-3
    assert np.abs(log_mel(loud, SETTINGS) - log_mel(quiet, SETTINGS)).max() < 1e-2


def test_levels_are_kept_without_normalisation() -> None:
    """mel_db is log_mel before its mean is taken: 40 dB less power stays 40 dB less."""
    loud = _signal("noise", 1.0)
    difference = mel_db(loud, SETTINGS) - mel_db(loud * np.float32(0.01), SETTINGS)
    assert np.abs(difference - 40.0).max() < 1e-2


@pytest.mark.parametrize("samples", [1600, 1601, 16000, 16159, 16160])
def test_frame_count_is_the_width_of_the_features(samples: int) -> None:
    """Frames are counted without computing them."""
    waveform = np.zeros(samples, dtype=np.float32)
    assert SETTINGS.frame_count(samples) == log_mel(waveform, SETTINGS).shape[1]


def test_settings_come_from_the_checkpoint() -> None:
    """conf/model.yaml's keys give the settings; keys of other parts do no harm."""
    config = {"sr": 8000, "n_mels": 40, "window_size": 200, "hop_size": 80, "num_speakers": 9}
    expected = FeatureSettings(sample_rate=8000, n_mels=40, window_size=200, hop_size=80)
    assert FeatureSettings.from_config(config) == expected


@pytest.mark.parametrize(
    ("change", "named"),
    [({"sr": "16k"}, "sr"), ({"hop_size": 0}, "hop_size"), ({"n_mels": True}, "n_mels")],
)
def test_bad_settings_are_named(change: dict[str, object], named: str) -> None:
    """A value that cannot be right is refused by the name it has in the file."""
    config = {"sr": 16000, "n_mels": 80, "window_size": 400, "hop_size": 160, **change}
    with pytest.raises(ValueError, match=named):
        FeatureSettings.from_config(config)


def test_missing_settings_are_named() -> None:
    """A file without the keys says which ones it lacks."""
    with pytest.raises(ValueError, match="window_size, hop_size"):
        FeatureSettings.from_config({"sr": 16000, "n_mels": 80})


@pytest.mark.parametrize(
    "waveform",
    [np.zeros((2, 1600), np.float32), np.zeros(1600, np.int16), np.zeros(0, np.float32)],
)
def test_what_is_no_waveform_is_refused(waveform: NDArray[np.float32]) -> None:
    """Channels, integers and nothing at all are errors, not features."""
    with pytest.raises(ValueError, match="waveform"):
        log_mel(waveform, SETTINGS)
