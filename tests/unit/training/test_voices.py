"""Speakers made of other speakers, and files of half the bandwidth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.signal import lfilter

from tools.training import augmentation
from tools.training.voices import ALTERATIONS, AS_RECORDED, Alteration, alter

RATE = 16000
PITCH = 125.0
FORMANT = 1500.0

Wave = np.ndarray[Any, np.dtype[Any]]


def _vowel() -> Wave:
    """Two seconds of pulses at 125 Hz through one resonance at 1500 Hz."""
    pulses = np.zeros(2 * RATE)
    pulses[:: round(RATE / PITCH)] = 1.0
    return _mouth(pulses)


def _whisper() -> Wave:
    """Two seconds of noise through the same resonance."""
    return _mouth(np.random.default_rng(0).standard_normal(2 * RATE))


def _mouth(source: Wave) -> Wave:
    radius, angle = 0.94, 2 * np.pi * FORMANT / RATE
    return np.asarray(lfilter([1.0], [1.0, -2 * radius * np.cos(angle), radius**2], source))


def _power(wave: Wave) -> Wave:
    middle = wave[len(wave) // 2 - RATE // 2 :][:RATE]
    return np.asarray(np.abs(np.fft.rfft(middle * np.hanning(RATE))) ** 2)


def _pitch(wave: Wave) -> float:
    """The lag at which a second of sound is most like itself, as a frequency in Hz."""
    likeness = np.fft.irfft(_power(wave))
    lags = slice(RATE // 200, RATE // 80)
    return RATE / (lags.start + float(likeness[lags].argmax()))


def _formant(wave: Wave) -> float:
    """The strongest resonance, in Hz."""
    smooth = np.convolve(_power(wave), np.hanning(600), "same")
    return float(smooth.argmax())


@pytest.mark.parametrize("alteration", [*ALTERATIONS, Alteration(1.0, 1.1), Alteration(0.9, 1.0)])
def test_pitch_and_resonances_move_apart(alteration: Alteration) -> None:
    """Each is where its own factor puts it."""
    altered = alter(_vowel(), RATE, alteration)
    assert len(altered) == pytest.approx(2 * RATE / alteration.pitch, abs=2)
    assert _pitch(altered) == pytest.approx(PITCH * alteration.pitch, rel=0.02)
    formant = _formant(alter(_whisper(), RATE, alteration))
    assert formant == pytest.approx(FORMANT * alteration.formants, rel=0.06)


def test_voice_as_recorded_is_the_recording() -> None:
    """Nothing is lost where nothing changes; another rate is resampled to 16 kHz."""
    wave = _vowel()
    assert np.allclose(alter(wave, RATE, AS_RECORDED), wave)
    assert len(alter(wave, 2 * RATE, AS_RECORDED)) == RATE


def test_silence_stays_silent() -> None:
    """There is no envelope to move, and no error."""
    for alteration in ALTERATIONS:
        assert not alter(np.zeros(RATE), RATE, alteration).any()


def test_file_of_8_khz_has_no_upper_half() -> None:
    """The speech band stays, whatever resampler is drawn; the length stays too."""
    wave = (0.1 * np.random.default_rng(0).standard_normal(RATE)).astype(np.float32)
    for seed in range(20):
        narrow = augmentation.through_8_khz(wave, np.random.default_rng(seed))
        assert narrow.shape == wave.shape
        before, after = _power(wave), _power(narrow)
        assert after[5000:].sum() < 0.3 * before[5000:].sum()
        assert after[300:2500].sum() > 0.5 * before[300:2500].sum()
