"""Makes batches of altered examples in a background process, each from its number alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

from embedding_service.network.features import FeatureSettings, mel_db
from tools.training.sounds_model.degrading import blanked, degraded, placed
from tools.training.sounds_model.examples import Examples, load_examples

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.random import Generator
    from numpy.typing import NDArray

    Wave = NDArray[np.float32]

FEATURES = FeatureSettings(32000, 64, 1024, 320, 50.0, 14000.0)
"""Settings of the features, those of PaddleSpeech's PANNs."""

LENGTHS = np.array([20, 32, 50, 75, 100, 150, 200])
"""Frames of the clips of a batch."""

_MOST_CLIPS = 64
_CUT, _FILLED = 0.15, 0.18
_SHORT, _SHORT_SHARE = 4, 0.75
"""Three quarters of the longer pieces are cut to this length, 1 s: the run hears more of them."""

_UNKNOWN = 200
"""A piece without a kind is drawn as often as one of a kind with so many pieces."""

_FEWEST = 4


@dataclass(frozen=True)
class BatchPlan:
    """All that a batch depends on, except its number.

    Attributes:
        seed: Start of every random choice.
        examples: File of the examples.
        frames: Frames in a batch, all clips together.
    """

    seed: int
    examples: Path
    frames: int = 3200


@dataclass(frozen=True)
class Batch:
    """Clips of one length.

    Attributes:
        features: Log-mel features, shape (clips, 1, frames, bands).
        numbers: Number of the example that each clip is from, shape (clips,).
    """

    features: NDArray[np.float32]
    numbers: NDArray[np.int64]


class BatchMaker:
    """Makes any batch of a plan."""

    def __init__(self, plan: BatchPlan) -> None:
        """Reads the examples."""
        self._plan = plan
        self._examples = load_examples(plan.examples)
        self._trained = self._examples.trained
        samples = np.diff(self._examples.ends, prepend=0)[self._trained]
        odds = drawing_odds(self._examples)[self._trained]
        self._odds = _length_shares(samples // FEATURES.hop_size) * odds
        self._clips = np.clip(plan.frames // LENGTHS, 2, _MOST_CLIPS)
        # A batch of short clips holds more of them.
        batches = self._odds.sum(axis=1) / self._clips
        self._length_odds = batches / batches.sum()

    def make(self, number: int) -> Batch:
        """Makes the batch of this number. The same number gives the same batch."""
        # The rounding of matrix products depends on the number of threads.
        with threadpool_limits(1, "blas"):
            return self._make(np.random.default_rng((self._plan.seed, number)))

    def _make(self, rng: Generator) -> Batch:
        length = int(rng.choice(len(LENGTHS), p=self._length_odds))
        odds = self._odds[length]
        drawn = rng.choice(len(odds), self._clips[length], p=odds / odds.sum())
        numbers = self._trained[drawn]
        samples = (int(LENGTHS[length]) - 1) * FEATURES.hop_size
        features = [self._clip(int(one), samples, rng) for one in numbers]
        return Batch(np.stack(features)[:, np.newaxis], numbers)

    def _clip(self, number: int, samples: int, rng: Generator) -> Wave:
        wave = degraded(placed(self._examples.wave(number), samples, rng), rng)
        return blanked(np.ascontiguousarray(mel_db(wave, FEATURES).T), rng)


def _length_shares(frames: NDArray[np.int64]) -> NDArray[np.float64]:
    """Returns how often each piece stands in clips of each length, shape (lengths, pieces).

    Two thirds have their own length or a little less; the others are cut shorter, or silence
    fills them up.
    """
    own = np.searchsorted(LENGTHS, np.maximum(frames, LENGTHS[0]), side="right") - 1
    shares = np.zeros((len(LENGTHS), len(frames)))
    pieces = np.arange(len(frames))
    for shift, share in ((-1, _CUT), (0, 1.0 - _CUT - _FILLED), (1, _FILLED)):
        np.add.at(shares, (np.clip(own + shift, 0, len(LENGTHS) - 1), pieces), share)
    long = shares[_SHORT + 1 :].copy()
    shares[_SHORT + 1 :] = (1.0 - _SHORT_SHARE) * long
    shares[_SHORT] += _SHORT_SHARE * long.sum(axis=0)
    return shares


def drawing_odds(examples: Examples) -> NDArray[np.float64]:
    """Returns how often each example is drawn: kinds of few pieces are drawn more often."""
    kinds = examples.kinds
    present = kinds[examples.trained].sum(axis=0)
    fewest = np.where(kinds > 0, present, np.inf).min(axis=1)
    known = np.isfinite(fewest)
    count = np.where(known, np.maximum(fewest, _FEWEST), _UNKNOWN)
    odds = 1.0 / np.sqrt(count)
    odds[examples.synthetic] *= 0.5
    return np.asarray(odds)
