"""Spreads embeddings more evenly over their dimensions, within the last layer of the encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import paddle

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from paddle.nn import Layer

_RIDGE = 0.01
"""Share of the mean power that is added to every direction, so that none is scaled too much."""


def whitening(embeddings: NDArray[np.floating], power: float) -> NDArray[np.float64]:
    """Returns the matrix that divides each principal direction by its spread to some power.

    A power of 1 whitens: all directions get the same spread, those of noise as well. Less of it is
    attenuated whitening (Mukundan et al. 2018). The mean stays, as cosines are used about zero.

    Args:
        embeddings: Shape (clips, dimensions).
        power: From 0, which changes nothing, to 1.

    Returns:
        A symmetric matrix, shape (dimensions, dimensions).
    """
    rows = embeddings.astype(np.float64)
    powers, directions = np.linalg.eigh(rows.T @ rows / len(rows))
    powers = np.maximum(powers, 0.0) + _RIDGE * powers.mean()
    gains = (powers / powers.mean()) ** (-power / 2)
    return np.asarray((directions * gains) @ directions.T)


def whiten(encoder: Layer, embeddings: NDArray[np.floating], power: float) -> None:
    """Folds the whitening of an encoder's embeddings into its last layer, which is linear.

    Args:
        encoder: An EcapaTdnn, changed in place.
        embeddings: Those of many clips, shape (clips, dimensions).
        power: From 0 to 1.
    """
    matrix = whitening(embeddings, power)
    last = encoder.fc.conv
    rows = last.weight.numpy().astype(np.float64)
    folded = np.tensordot(matrix, rows, axes=1).astype(np.float32)
    bias = (matrix @ last.bias.numpy().astype(np.float64)).astype(np.float32)
    last.weight.set_value(paddle.to_tensor(folded))
    last.bias.set_value(paddle.to_tensor(bias))
