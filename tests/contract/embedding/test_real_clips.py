"""Real recordings, where they are at hand."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedding_service.checkpoints.wanted import BUNDLED

DATA = Path(os.environ.get("AUDIOSEARCH_TEST_DATA") or Path(__file__).parents[4] / "shared/data")
RECORDINGS = DATA / "fsdd" / "recordings"
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")


@pytest.mark.skipif(
    not RECORDINGS.is_dir(),
    reason="no fsdd/recordings below AUDIOSEARCH_TEST_DATA or ../shared/data",
)
def test_spoken_digits(start: Any) -> None:
    """The bundled model's embeddings of one speaker are more alike than those of two."""
    service = start(AUDIOSEARCH_CHECKPOINT=str(BUNDLED["ecapatdnn_small-16k"]))
    clips = [(s, RECORDINGS / f"{digit}_{s}_0.wav") for s in SPEAKERS for digit in range(10)]
    responses = [service.embed(clip.read_bytes()) for _, clip in clips]
    assert {r.audio.sample_rate for r in responses} == {8000}
    vectors = np.array([r.embedding.values for r in responses])
    scores = vectors @ vectors.T
    names = np.array([speaker for speaker, _ in clips])
    same = (names[:, None] == names) & ~np.eye(len(names), dtype=bool)
    assert scores[same].mean() > scores[names[:, None] != names].mean() + 0.05
