"""The objective: an additive angular margin softmax, or with a teacher a softmax of soft labels.

The margin separates the classes by at least an angle. The teacher says how far apart they are.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import paddle
from paddle import nn
from paddle.nn import functional

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[np.floating]

SCALE = 30.0
"""Sharpness of the softmax over cosines."""

_EDGE = 1e-6
"""Distance of cosines from 1 and -1, which keeps the gradient of the sine finite."""


class AngularMarginClassifier(nn.Layer):  # type: ignore[misc]  # paddle has no types
    """Class centres on the unit sphere (ArcFace: Deng et al. 2019)."""

    def __init__(self, dimensions: int, classes: int) -> None:
        """Draws a centre for each class.

        Args:
            dimensions: Dimensions of the embeddings.
            classes: Number of classes.
        """
        super().__init__()
        self.centres = self.create_parameter(
            [dimensions, classes], default_initializer=nn.initializer.XavierNormal()
        )

    def begin_at(self, embeddings: paddle.Tensor) -> None:
        """Places each class's centre at its embedding, shape (classes, dimensions)."""
        self.centres.set_value(functional.normalize(embeddings, axis=1).transpose([1, 0]))

    def forward(self, embeddings: paddle.Tensor) -> paddle.Tensor:
        """Returns the cosine of each embedding to each centre, shape (clips, classes)."""
        unit = functional.normalize(embeddings, axis=1)
        return paddle.matmul(unit, functional.normalize(self.centres, axis=0))


def margin_loss(cosines: paddle.Tensor, labels: paddle.Tensor, margin: float) -> paddle.Tensor:
    """Returns the mean cross entropy, with the class of each clip moved away by `margin`.

    Args:
        cosines: Shape (clips, classes).
        labels: Own class of each clip, shape (clips,).
        margin: Angle in radians added to the angle between a clip and its class.
    """
    own = functional.one_hot(labels, cosines.shape[1])
    cosine = (cosines * own).sum(axis=1, keepdim=True).clip(-1.0 + _EDGE, 1.0 - _EDGE)
    sine = paddle.sqrt(1.0 - paddle.square(cosine))
    moved = cosine * math.cos(margin) - sine * math.sin(margin)
    # Beyond 180 degrees the cosine would rise again, so a straight line continues its fall.
    fallback = cosine - margin * math.sin(margin)
    moved = paddle.where(cosine > math.cos(math.pi - margin), moved, fallback)
    logits = SCALE * (cosines + own * (moved - cosine))
    return functional.cross_entropy(logits, labels)


class Turn(NamedTuple):
    """The way from the teacher's vectors to places in the space of the encoder.

    The teacher's vectors lose their mean, which all voices share. They are turned, without being
    stretched, to lie as near as they can to the encoder's (orthogonal Procrustes). So cosines
    between places are those of the teacher, but for dimensions that the encoder has not.

    Attributes:
        mean: Mean of the teacher's vectors, shape (teacher's dimensions,).
        matrix: Shape (teacher's dimensions, dimensions).
    """

    mean: Matrix
    matrix: Matrix

    @classmethod
    def between(cls, vectors: Matrix, embeddings: Matrix) -> Turn:
        """Finds it from vectors and embeddings of the same voices, in rows."""
        mean = _unit(vectors).mean(axis=0)
        centred = _unit(_unit(vectors) - mean)
        left, _, right = np.linalg.svd(centred.T @ _unit(embeddings), full_matrices=False)
        return cls(mean, left @ right)

    def places(self, vectors: Matrix) -> Matrix:
        """Returns unit vectors, shape (rows, dimensions)."""
        return _unit(_unit(_unit(vectors) - self.mean) @ self.matrix)


class Places(NamedTuple):
    """The places of clips by the teacher, in the space of the encoder, as unit vectors.

    Attributes:
        classes: The place of each class, shape (classes, dimensions).
        turn: The way from the teacher's vectors to places.
    """

    classes: Matrix
    turn: Turn

    @classmethod
    def between(cls, vectors: Matrix, embeddings: Matrix) -> Places:
        """Finds them.

        Args:
            vectors: The teacher's of the voices, which are the first classes.
            embeddings: The encoder's of all classes; those that are no voices keep theirs.
        """
        turn = Turn.between(vectors, embeddings[: len(vectors)])
        return cls(np.concatenate([turn.places(vectors), _unit(embeddings[len(vectors) :])]), turn)

    def of_clips(self, labels: NDArray[np.int64], vectors: Matrix) -> Matrix:
        """Returns the places of clips, shape (clips, dimensions).

        Args:
            labels: Class of each clip.
            vectors: The teacher's of each clip; zeros for the place of its class.
        """
        places = self.classes[labels]
        heard = vectors.any(axis=1)
        places[heard] = self.turn.places(vectors[heard])
        return places


def _unit(rows: Matrix) -> Matrix:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def cosines_to_places(embeddings: paddle.Tensor, places: paddle.Tensor) -> paddle.Tensor:
    """Returns the cosine of each embedding to each place, a unit vector, shape (clips, places)."""
    return paddle.matmul(functional.normalize(embeddings, axis=1), places, transpose_y=True)


def soft_label_loss(
    cosines: paddle.Tensor, places: paddle.Tensor, targets: paddle.Tensor
) -> paddle.Tensor:
    """Returns the mean cross entropy to the classes as a clip at its target would see them.

    Voices that the teacher finds alike share a clip; one hard label would tear them apart.

    Args:
        cosines: Of the clips to the places, shape (clips, classes).
        places: Place of each class, unit vectors, shape (classes, dimensions).
        targets: Place of each clip by the teacher, unit vectors, shape (clips, dimensions).
    """
    expected = functional.softmax(SCALE * paddle.matmul(targets, places, transpose_y=True))
    return functional.cross_entropy(SCALE * cosines, expected, soft_label=True)


def accuracy(cosines: paddle.Tensor, labels: paddle.Tensor) -> float:
    """Returns the share of clips whose nearest centre is that of their class."""
    return float((cosines.argmax(axis=1) == labels).astype("float32").mean())
