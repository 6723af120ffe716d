"""The strategies of examples."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.search.examples import average, best_scores
from gateway.search.query import Values
from serving.errors import Reason, ServiceError


def rows(*angles: float) -> Values:
    """Unit vectors of a plane, by their angles in degrees."""
    turned = np.radians(angles)
    return np.stack([np.cos(turned), np.sin(turned)], axis=1).astype(np.float32)


NONE = np.empty((0, 0), np.float32)


def test_the_average_is_between_the_positive_examples() -> None:
    """And of unit length."""
    assert average(rows(0, 90), NONE) == pytest.approx(rows(45)[0], abs=1e-6)


def test_negative_examples_push_the_average_away() -> None:
    """Twice the positive mean less the negative one."""
    expected = 2 * rows(0)[0] - rows(90)[0]
    found = average(rows(0), rows(90))
    assert found == pytest.approx(expected / np.linalg.norm(expected), abs=1e-6)


def test_examples_that_cancel_each_other_out_are_refused() -> None:
    """Nothing is like them."""
    with pytest.raises(ServiceError) as raised:
        average(rows(0, 180), NONE)
    assert raised.value.reason is Reason.FIELD_INVALID


def test_the_best_score_is_that_of_the_nearest_example() -> None:
    """The negative square where a negative example is nearer."""
    scores = best_scores(rows(0, 50, 80, 200), rows(0, 60), rows(90))
    cosine = np.cos(np.radians([0, 10, 10, 110]))
    assert scores == pytest.approx([cosine[0], cosine[1], -(cosine[2] ** 2), -(cosine[3] ** 2)])
    assert best_scores(rows(200), rows(0), NONE) == pytest.approx(np.cos(np.radians([200])))
