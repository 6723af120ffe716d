"""The comparison of the answers of two indexes, and of vectors by labels."""

from __future__ import annotations

import pytest

from scoring.answers import agreement, separation


def test_equal_answers_overlap_wholly() -> None:
    """The order of the ten says nothing but for the first."""
    same = agreement([["a", "b"], ["c"]], [["b", "a"], ["c"]])
    assert same == (1, 1)


def test_the_overlap_is_the_mean_share_of_the_longer_list() -> None:
    """A clip without any neighbor in both says nothing."""
    found = agreement([["a", "b", "c", "d"], ["a"], []], [["d", "e"], ["b"], []])
    assert found.overlap == pytest.approx((1 / 4 + 0) / 2)
    assert found.same_nearest_count == 0
    assert agreement([[]], [[]]) == (1, 0)


def test_labels_that_lie_apart_have_no_errors() -> None:
    """Clips without a label are left out; labels that mean nothing are told by chance."""
    vectors = [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [1.0, 0.0]]
    assert separation(vectors, ["a", "a", "b", "b", ""]) == 0
    assert separation(vectors, ["a", "b", "a", "b", ""]) > 0.5
