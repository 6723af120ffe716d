"""The weights that a run gives: a moving average of those it passes through."""

from __future__ import annotations

from typing import TYPE_CHECKING

import paddle

if TYPE_CHECKING:
    from paddle.nn import Layer

_EVERY = 8
"""Steps between two additions; more often costs time and changes nothing."""

_MEMORY = 400
"""Steps that the average reaches back, once there have been enough."""


def blend_in(average: Layer, other: Layer, share: float) -> None:
    """Move the first encoder's weights towards the other's by a share of the way."""
    with paddle.no_grad():
        weights = other.state_dict()
        for name, weight in average.state_dict().items():
            weight.lerp_(weights[name], share)


def average_in(average: Layer, current: Layer, step: int) -> None:
    """Move an encoder of averages towards the current one, running statistics included.

    Args:
        average: Changed in place; of the same shape as `current`.
        current: The encoder being trained.
        step: Steps trained so far; the first ones are copied, later ones blended in.
    """
    if step > _EVERY and step % _EVERY:
        return
    share = _EVERY / min(_MEMORY, max(step, _EVERY))
    blend_in(average, current, share)
