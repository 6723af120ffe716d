"""How the learning rate and the margin change over a run; a share of 0 is its start, 1 its end."""

from __future__ import annotations

import math

MARGIN = 0.2
"""Angular margin in radians that a run ends with."""

_WARM_UP = 0.04


def learning_rate_factor(share: float) -> float:
    """Return the share of the highest learning rate: up in 4 % of the run, down by a cosine."""
    if share < _WARM_UP:
        return 0.02 + 0.98 * share / _WARM_UP
    done = (share - _WARM_UP) / (1.0 - _WARM_UP)
    return 0.002 + 0.998 * 0.5 * (1.0 + math.cos(math.pi * done))


def margin_at(share: float) -> float:
    """Return the angular margin: none at first, whole after 40 % of the run."""
    return MARGIN * min(1.0, max(0.0, (share - 0.1) / 0.3))
