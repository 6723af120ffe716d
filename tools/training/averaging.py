"""The result of a run: a moving average of its weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import paddle

if TYPE_CHECKING:
    from paddle.nn import Layer

_EVERY = 8
"""Steps between two additions. More frequent ones cost time and change nothing."""

_MEMORY = 400
"""Most steps that the average reaches back."""


def blend_in(average: Layer, other: Layer, share: float) -> None:
    """Moves the weights of `average` towards those of `other` by a share of their distance."""
    with paddle.no_grad():
        weights = other.state_dict()
        for name, weight in average.state_dict().items():
            weight.lerp_(weights[name], share)


def average_in(average: Layer, current: Layer, step: int) -> None:
    """Moves an encoder of averages towards the current one, running statistics included.

    Args:
        average: Changed in place; of the same shape as `current`.
        current: The encoder being trained.
        step: Steps trained so far. The first ones are copied, later ones are blended in.
    """
    if step > _EVERY and step % _EVERY:
        return
    share = _EVERY / min(_MEMORY, max(step, _EVERY))
    blend_in(average, current, share)
