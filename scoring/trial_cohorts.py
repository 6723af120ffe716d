"""The cohort of a calibration: the choice of its clips, and AS-norm of trials by it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scoring.as_norm import LEAST_SPREAD, MOST_COHORT, top_count
from scoring.trials import Numbers, Trials, Vectors, Voiceprints

BLOCK = 256
"""Voices that are scored together; this bounds memory to some 20 MB."""
NEVER_BEST = -2.0
"""Less than any cosine."""
Floats = NDArray[np.float64]


def choose_cohort(
    speakers: Numbers, random: np.random.Generator, most: int = MOST_COHORT
) -> Numbers:
    """Rows of at most `most` clips, spread evenly over speakers.

    One clip of each speaker is taken in a random order, then a second of each, until there are
    enough.

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
    """Vectors of the cohort and their speakers."""

    vectors: Vectors
    """Shape (cohort, dimension)."""

    speakers: Numbers
    """Shape (cohort,)."""

    top: int
    """Number of best scores that count; 0 if there is too little to normalise by."""

    @classmethod
    def of(cls, vectors: Vectors, speakers: Numbers) -> TrialCohort:
        """Chooses `top` by the size of the cohort without the two speakers of a trial."""
        left = np.sort(np.bincount(speakers))[::-1][2:]
        return cls(vectors, speakers, top_count(int((left > 0).sum()), int(left.sum())))

    def normalise(
        self, trials: Trials, voiceprints: Voiceprints, vectors: Vectors, speakers: Numbers
    ) -> Floats:
        """AS-norm of each trial, by the cohort without either of its speakers.

        A real decision leaves out only the clips of the claimed speaker, because the other voice is
        unknown. A stranger is not in the cohort. So the test clip's speaker is left out here as
        well, and the figures hold for strangers.

        Args:
            trials: to normalise.
            voiceprints: of the trials.
            vectors: of the clips, shape (clips, dimension).
            speakers: number of the speaker of each clip, shape (clips,).

        Returns:
            Shape (trials,); NaN if the cohort's best scores are all the same.
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
        names = np.unique(self.speakers)
        columns = np.searchsorted(names, others)
        columns[~np.isin(others, names)] = len(names)
        order = np.argsort(rows, kind="stable")
        means, spreads = np.empty(len(rows)), np.empty(len(rows))
        for start in range(0, len(voices), BLOCK):
            ends = np.searchsorted(rows, [start, start + BLOCK], sorter=order)
            chosen = order[slice(*ends)]
            scores = voices[start : start + BLOCK] @ self.vectors.T
            scores[owners[start : start + BLOCK, None] == self.speakers] = NEVER_BEST
            places = rows[chosen] - start, columns[chosen]
            mean, spread = best_without_each(scores, self.speakers, self.top)
            means[chosen], spreads[chosen] = mean[places], spread[places]
        spreads[spreads <= LEAST_SPREAD] = np.nan
        return means, spreads


def best_without_each(
    scores: NDArray[np.floating], speakers: Numbers, top: int
) -> tuple[Floats, Floats]:
    """Mean and spread of the `top` best scores, without each speaker in turn, and with all.

    The best scores are summed once for all speakers. To leave a speaker out, its scores among the
    best are subtracted and the next best ones are added. The j-th best score of a speaker (from 0)
    is among them if its rank is less than `top` + j.

    Args:
        scores: of voices with the cohort, shape (voices, cohort).
        speakers: speaker of each column, shape (cohort,).
        top: number of best scores that count; so many remain without any one speaker.

    Returns:
        Two arrays of shape (voices, speakers + 1): without each speaker, by rising number, and last
        with all speakers.
    """
    size = len(speakers)
    order = np.argsort(-scores, axis=1)
    ranked = np.take_along_axis(scores, order, axis=1).astype(np.float64)
    _, starts, counts = np.unique(np.sort(speakers), return_index=True, return_counts=True)
    ranks = np.sort(speakers[order] * size + np.arange(size), axis=1) % size
    goes = ranks - (np.arange(size) - np.repeat(starts, counts)) < top
    gone = np.add.reduceat(goes, starts, axis=1, dtype=np.int64)
    last = np.pad(gone, ((0, 0), (0, 1))) + top - 1
    sums = []
    for power in (1, 2):
        powers = ranked**power
        lost = np.where(goes, np.take_along_axis(powers, ranks, axis=1), 0.0)
        lost = np.pad(np.add.reduceat(lost, starts, axis=1), ((0, 0), (0, 1)))
        sums.append(np.take_along_axis(np.cumsum(powers, axis=1), last, axis=1) - lost)
    mean = sums[0] / top
    return mean, np.sqrt(np.maximum(sums[1] / top - mean**2, 0.0))
