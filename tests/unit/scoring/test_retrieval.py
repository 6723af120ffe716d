"""Retrieval by label, by hand and beside scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from scoring.retrieval import average_precision, first_rank, retrieve


def test_average_precision_by_hand() -> None:
    """Relevant at ranks 1, 3 and 5: (1/1 + 2/3 + 3/5) / 3."""
    scores = np.array([5.0, 4.0, 3.0, 2.0, 1.0])
    relevant = np.array([True, False, True, False, True])
    assert average_precision(scores, relevant) == pytest.approx((1 + 2 / 3 + 3 / 5) / 3)
    assert first_rank(scores, relevant) == 1
    assert first_rank(scores, ~relevant) == 2
    assert first_rank(np.ones(5), relevant) == 3


@pytest.mark.parametrize("decimals", [1, 6])
def test_average_precision_beside_scikit_learn(decimals: int) -> None:
    """With ties and without."""
    random = np.random.default_rng(decimals)
    for _ in range(20):
        relevant = random.random(50) < 0.2
        relevant[0] = True
        scores = np.round(random.standard_normal(50) + relevant, decimals)
        expected = average_precision_score(relevant, scores)
        assert average_precision(scores, relevant) == pytest.approx(expected)


def test_every_clip_asks_for_its_like_and_is_left_out_itself() -> None:
    """Four clips of two labels, and one of a label that no other has, which does not ask."""
    angles = np.radians([0, 10, 15, 90, 100])
    vectors = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
    found = retrieve(vectors, np.array([0, 0, 1, 1, 2]))
    assert found.queries.tolist() == [0, 1, 2, 3]
    # 0 finds 1 first. 1 finds 2 (5 degrees), then 0. 2 finds 1, 0, then 3. 3 finds 4, then 2.
    assert found.first_rank.tolist() == [1, 2, 3, 2]
    assert found.average_precision == pytest.approx([1, 1 / 2, 1 / 3, 1 / 2])
    assert found.recall_at(1).mean() == 0.25
    assert found.recall_at(2).mean() == 0.75
    with pytest.raises(ValueError, match="share a label"):
        retrieve(vectors, np.arange(5))
