"""What all evaluations take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """How to evaluate."""

    most_clips: int = 5000
    """Clips that take part in trials made from labels; of more a random part."""

    resamples: int = 200
    """Draws for the intervals; 0 for none."""

    seed: int = 0
