"""Learning rate and margin over a run. A share of 0 is the start of the run, 1 its end."""

from __future__ import annotations

import math

MARGIN = 0.2
"""Angular margin at the end of a run, in radians."""

_WARM_UP = 0.04


def learning_rate_factor(share: float) -> float:
    """Returns the share of the highest learning rate: rises for 4 % of the run, then a cosine."""
    if share < _WARM_UP:
        return 0.02 + 0.98 * share / _WARM_UP
    done = (share - _WARM_UP) / (1.0 - _WARM_UP)
    return 0.002 + 0.998 * 0.5 * (1.0 + math.cos(math.pi * done))


def margin_at(share: float) -> float:
    """Returns the angular margin: zero for 10 % of the run, full after 40 %."""
    return MARGIN * min(1.0, max(0.0, (share - 0.1) / 0.3))
