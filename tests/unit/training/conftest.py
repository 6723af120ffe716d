"""Speech that all tests of the training share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from tests.unit.training.small_run import RATE, SPEAKERS
from tools.training.sounds.classes import render
from tools.training.sounds.tonal import Voice

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of made-up speakers, 5 s each."""
    folder = tmp_path_factory.mktemp("speech")
    for number, name in enumerate(SPEAKERS):
        voice = Voice.draw(np.random.default_rng(number))
        wave = render(voice, np.random.default_rng(number), 5 * RATE)
        soundfile.write(folder / f"{name}-1-0001.flac", wave, RATE)
    return folder
