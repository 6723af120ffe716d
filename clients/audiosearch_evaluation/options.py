"""Options of every evaluation."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """Options of an evaluation."""

    most_clips: int = 5000
    """Clips at most in trials made from labels; of more, a random part is used."""

    resamples: int = 200
    """Draws for the intervals; 0 for none."""

    seed: int = 0
