"""The objective: the teacher's vectors, alike sounds near each other, and tags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import paddle
from paddle.nn import functional

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tools.training.sounds_model.examples import Examples

_TEMPERATURE = 0.1
_LEFT_OUT = 0.5
"""Share of its mean that is subtracted from each number of the teacher's vectors."""

_WEIGHTS = {"teacher": 1.0, "relations": 5.0, "tags": 4.0, "alike": 0.1}


def targets(examples: Examples) -> NDArray[np.float32]:
    """Returns what the model is to give for each example, unit vectors, shape (examples, 512).

    Each number of the teacher's vectors is divided by its spread over the recordings trained on,
    half of its mean is subtracted, and values below 0 become 0: the vectors of this family of
    networks are never negative, and the mean would make all of them alike.
    """
    real = examples.teacher[~examples.held_out & ~examples.synthetic]
    spread = real.std(axis=0) + 1e-3 * real.std()
    above = np.maximum(0.0, (examples.teacher - _LEFT_OUT * real.mean(axis=0)) / spread)
    lengths = np.linalg.norm(above, axis=1, keepdims=True)
    return np.asarray(above / np.maximum(lengths, 1e-6), np.float32)


def tag_weights(kinds: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns the weight of a tag that applies, 1 to 8: rare tags weigh more."""
    labelled = kinds[kinds.any(axis=1)]
    present = np.maximum(labelled.sum(axis=0), 1.0)
    rarity = np.sqrt((len(labelled) - present) / present)
    return np.asarray(np.clip(rarity, 1.0, 8.0), np.float32)


def alike(examples: Examples, numbers: NDArray[np.int64]) -> NDArray[np.float32]:
    """Returns 1 for pairs of examples that share a kind or are takes of one synthetic sound."""
    kinds, series = examples.kinds[numbers], examples.series[numbers]
    made = examples.synthetic[numbers]
    pairs = (kinds @ kinds.T) > 0
    pairs |= (series[:, None] == series[None]) & made[:, None]
    pairs |= numbers[:, None] == numbers[None]
    np.fill_diagonal(pairs, val=False)
    return pairs.astype(np.float32)


def losses(
    vectors: Any, logits: Any, wanted: Any, pairs: Any, kinds: Any, weights: Any
) -> dict[str, Any]:
    """Returns the parts of the loss, weighted.

    Args:
        vectors: The model's vectors, shape (clips, 512).
        logits: Its tags before the sigmoid, shape (clips, kinds).
        wanted: Unit vectors to give, shape (clips, 512).
        pairs: 1 for pairs of clips that are alike, shape (clips, clips).
        kinds: 1 for the kinds of a clip; a row of 0 where none is known.
        weights: Weight of each tag that applies.
    """
    unit = functional.normalize(vectors, axis=1)
    cosines = unit @ unit.t()
    parts = {
        "teacher": (1.0 - (unit * wanted).sum(axis=1)).mean(),
        "relations": _relations(cosines, wanted @ wanted.t()),
        "tags": _tags(logits, kinds, weights),
        "alike": _alike(cosines, pairs),
    }
    return {name: _WEIGHTS[name] * part for name, part in parts.items()}


def _relations(cosines: Any, wanted: Any) -> Any:
    """Mean square of the difference of cosines between clips (Park et al. 2019)."""
    others = 1.0 - paddle.eye(len(cosines))
    return (((cosines - wanted) ** 2) * others).sum() / others.sum()


def _tags(logits: Any, kinds: Any, weights: Any) -> Any:
    known = (kinds.sum(axis=1, keepdim=True) > 0).astype("float32")
    entropy = functional.binary_cross_entropy_with_logits(
        logits, kinds, reduction="none", pos_weight=weights
    )
    return (entropy * known).sum() / (known.sum() * logits.shape[1] + 1.0)


def _alike(cosines: Any, pairs: Any) -> Any:
    """Contrast of clips that are alike with all others (Khosla et al. 2020)."""
    scores = cosines / _TEMPERATURE - 1e9 * paddle.eye(len(cosines))
    shares = scores - paddle.logsumexp(scores, axis=1, keepdim=True)
    count = pairs.sum(axis=1)
    means = (shares * pairs).sum(axis=1) / paddle.clip(count, min=1.0)
    return -means.sum() / paddle.clip((count > 0).astype("float32").sum(), min=1.0)
