"""Trials like real decisions: voiceprints of some clips against the other clips."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scoring.mean_voice import mean_voice
from scoring.pairs import MOST_PER_KIND

MOST_DRAWS = 10
"""Voiceprints that are drawn of one speaker at most."""
MOST_VOICEPRINTS = 5000
"""Voiceprints of all speakers at most, but at least one for each speaker."""
Numbers = NDArray[np.int64]
Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Voiceprints:
    """Means of randomly drawn clips of one speaker each, of unit length."""

    vectors: Vectors
    """Shape (voiceprints, dimension)."""

    speakers: Numbers
    """Shape (voiceprints,)."""

    clips: Numbers
    """Rows of the clips of each, shape (voiceprints, clips of each)."""


@dataclass(frozen=True)
class Trials:
    """Voiceprints against clips, in arrays of shape (trials,)."""

    voiceprints: Numbers
    clips: Numbers
    first: Numbers
    """Number of the voiceprint's speaker."""

    second: Numbers
    """Number of the clip's speaker."""

    scores: NDArray[np.float32]
    """Cosines."""

    @property
    def targets(self) -> NDArray[np.bool_]:
        """True for each trial whose clip is of the voiceprint's speaker, shape (trials,)."""
        return np.equal(self.first, self.second)

    def where(self, kept: NDArray[np.bool_]) -> Trials:
        """The trials that `kept` selects, shape (trials,)."""
        return Trials(
            self.voiceprints[kept],
            self.clips[kept],
            self.first[kept],
            self.second[kept],
            self.scores[kept],
        )


def usable_count(sizes: Numbers, wanted: int) -> int:
    """Clips for each voiceprint: `wanted`, or fewer so that two speakers have one clip more.

    Args:
        sizes: clips of each speaker, shape (speakers,).
        wanted: at least 1.

    Returns:
        0 if no two speakers have two clips each.
    """
    second = int(np.sort(sizes)[-2]) if len(sizes) > 1 else 0
    return max(0, min(wanted, second - 1))


def draw_voiceprints(
    vectors: Vectors, speakers: Numbers, count: int, random: np.random.Generator
) -> Voiceprints:
    """Voiceprints of `count` clips each, for each speaker that has at least one clip more."""
    rows = _rows_of_speakers(speakers)
    able = [number for number, own in enumerate(rows) if len(own) > count]
    times = max(1, min(MOST_DRAWS, MOST_VOICEPRINTS // len(able)))
    owners = np.repeat(np.array(able, np.int64), times)
    clips = np.stack([random.permutation(rows[owner])[:count] for owner in owners])
    return Voiceprints(np.stack([mean_voice(vectors[own]) for own in clips]), owners, clips)


def make_trials(
    vectors: Vectors,
    speakers: Numbers,
    voiceprints: Voiceprints,
    random: np.random.Generator,
    most: int = MOST_PER_KIND,
) -> Trials:
    """Trials of each voiceprint against the clips that are not in it.

    If there are many more than `most` trials of a kind, each is kept with the same probability.

    Args:
        vectors: of unit length, shape (clips, dimension).
        speakers: number of the speaker of each, shape (clips,).
        voiceprints: of these clips.
        random: source of the choice.
        most: trials of each kind that are kept.
    """
    own = np.bincount(speakers)[voiceprints.speakers]
    targets = int(own.sum()) - voiceprints.clips.size
    others = int((len(speakers) - own).sum())
    chances = min(1.0, most / others), min(1.0, most / targets)
    parts = list(_kept(speakers, voiceprints, chances, random))
    clips = np.concatenate(parts)
    owners = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    scores = [vectors[part] @ voice for part, voice in zip(parts, voiceprints.vectors, strict=True)]
    first = voiceprints.speakers[owners]
    return Trials(owners, clips, first, speakers[clips], np.concatenate(scores))


def _kept(
    speakers: Numbers,
    voiceprints: Voiceprints,
    chances: tuple[float, float],
    random: np.random.Generator,
) -> Iterator[Numbers]:
    """For each voiceprint, the rows of the clips that it is compared with."""
    for owner, inside in zip(voiceprints.speakers, voiceprints.clips, strict=True):
        chance = np.where(speakers == owner, chances[1], chances[0])
        chance[inside] = 0.0
        yield np.flatnonzero(random.random(len(speakers)) < chance)


def _rows_of_speakers(speakers: Numbers) -> list[Numbers]:
    """Rows of each speaker's clips, by the speaker's number."""
    order = np.argsort(speakers, kind="stable")
    return np.split(order, np.cumsum(np.bincount(speakers))[:-1])
