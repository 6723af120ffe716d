"""The cohort: which clips it holds, and how trials are normalised by it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.speakers.normalization import LEAST_SPREAD, MOST_COHORT, top_count
from gateway.speakers.trials import Numbers, Trials, Vectors, Voiceprints

BLOCK = 512
"""Voices that are looked at together: bounds memory to some 10 MB."""
Floats = NDArray[np.float64]


def choose_cohort(
    speakers: Numbers, random: np.random.Generator, most: int = MOST_COHORT
) -> Numbers:
    """Rows of at most `most` clips, spread evenly over speakers.

    The first clip of each speaker in a random order, then each one's second, until they are enough.

    Args:
        speakers: number of the speaker of each clip, shape (clips,).
        random: source of the choice.
        most: clips to choose.
    """
    shuffled = random.permutation(len(speakers))
    order = shuffled[np.argsort(speakers[shuffled], kind="stable")]
    sizes = np.bincount(speakers)
    starts = np.repeat(np.cumsum(sizes) - sizes, sizes)
    turns = np.arange(len(order)) - starts
    places = random.permutation(len(sizes))[speakers[order]]
    return np.sort(order[np.lexsort((places, turns))][:most])


@dataclass(frozen=True)
class TrialCohort:
    """Vectors of the cohort and whose they are."""

    vectors: Vectors
    """Shape (cohort, dimension)."""

    speakers: Numbers
    """Shape (cohort,)."""

    top: int
    """How many of the best scores count; 0 when there is too little to normalise by."""

    @classmethod
    def of(cls, vectors: Vectors, speakers: Numbers) -> TrialCohort:
        """Chooses `top` by what is left without the two speakers of a trial."""
        left = np.sort(np.bincount(speakers))[::-1][2:]
        return cls(vectors, speakers, top_count(int((left > 0).sum()), int(left.sum())))

    def normalise(
        self, trials: Trials, voiceprints: Voiceprints, vectors: Vectors, speakers: Numbers
    ) -> Floats:
        """AS-norm of each trial, by the cohort without either speaker of it.

        In use only the clips of the speaker that is decided on are left out, as nobody knows whose
        the other voice is. That of a stranger is not in the cohort: so the test clip's speaker is
        left out here as well, for the figures to be those of strangers.

        Args:
            trials: to normalise.
            voiceprints: of the trials.
            vectors: of the clips, shape (clips, dimension).
            speakers: number of the speaker of each clip, shape (clips,).

        Returns:
            Shape (trials,); NaN where the cohort's best scores are all the same.
        """
        by_voiceprint = self._against(
            voiceprints.vectors, voiceprints.speakers, trials.voiceprints, trials.second
        )
        by_query = self._against(vectors, speakers, trials.clips, trials.first)
        scores = trials.scores.astype(np.float64)
        sides = [(scores - mean) / spread for mean, spread in (by_voiceprint, by_query)]
        return (sides[0] + sides[1]) / 2

    def _against(
        self, voices: Vectors, owners: Numbers, rows: Numbers, others: Numbers
    ) -> tuple[Floats, Floats]:
        """Mean and spread of the best scores of voice rows[i] without its owner and others[i].

        Returns:
            Two arrays of shape (rows,).
        """
        known = np.where(np.isin(others, self.speakers), others, -1)
        base = int(max(self.speakers.max(), 0)) + 2
        codes, back = np.unique(rows * base + known + 1, return_inverse=True)
        found = np.empty((len(codes), 2))
        for start in range(0, len(codes), BLOCK):
            row, other = np.divmod(codes[start : start + BLOCK], base)
            scores = voices[row] @ self.vectors.T
            scores[self.speakers == owners[row, None]] = -np.inf
            scores[self.speakers == other[:, None] - 1] = -np.inf
            best = np.partition(scores, -self.top, axis=1)[:, -self.top :].astype(np.float64)
            found[start : start + BLOCK] = np.stack([best.mean(axis=1), best.std(axis=1)], axis=1)
        found[found[:, 1] <= LEAST_SPREAD] = np.nan
        return found[back, 0], found[back, 1]
