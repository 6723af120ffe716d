"""Loudness as audio streams by."""

from __future__ import annotations

import numpy as np
import pytest

from embedding_service.decoding.loudness import Loudness

TONE = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000).astype(np.float32)


def measure(*blocks: np.ndarray, limit: float = -70) -> Loudness:
    """Measures sound that comes in these blocks, at 16 kHz."""
    loudness = Loudness(16000, limit)
    for block in blocks:
        loudness.add(block.astype(np.float32))
    loudness.finish()
    return loudness


def test_levels() -> None:
    """A sine of full scale has -3 dBFS, a tenth of it 20 dB less, silence -120."""
    assert measure(TONE).level_dbfs == pytest.approx(-3.01, abs=0.01)
    assert measure(TONE / 10).level_dbfs == pytest.approx(-23.01, abs=0.01)
    assert measure(np.zeros(100)).level_dbfs == -120
    assert measure().level_dbfs == -120


def test_blocks_do_not_matter() -> None:
    """It is the same in whatever blocks the sound comes."""
    sound = np.concatenate([TONE, np.zeros(8000), TONE[:777]])
    whole = measure(sound)
    parts = measure(*np.array_split(sound, 37))
    assert parts.active_seconds == whole.active_seconds
    assert parts.level_dbfs == pytest.approx(whole.level_dbfs)
    assert parts.samples == whole.samples == len(sound)


@pytest.mark.parametrize(("level", "active"), [(-69, 1), (-75, 0)])
def test_the_limit(level: float, active: float) -> None:
    """Frames count as active from the limit on."""
    tone = TONE * 10 ** ((level + 3.01) / 20)
    assert measure(tone).active_seconds == pytest.approx(active)
