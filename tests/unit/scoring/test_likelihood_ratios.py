"""Log-likelihood ratios: by hand, in closed form, and beside scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from scoring.likelihood_ratios import Line, cllr, fit_line


def normal_scores(
    targets: int,
    others: int,
    seed: int,
    means: tuple[float, float] = (0.5, 0.1),
    spread: float = 0.2,
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of both kinds by normal distributions of one spread."""
    random = np.random.default_rng(seed)
    kinds = np.arange(targets + others) < targets
    return np.where(kinds, *means) + spread * random.standard_normal(len(kinds)), kinds


def test_cllr_by_hand() -> None:
    """A target at LR 3 costs log2(4/3), one at 1/3 two bits; another's at 1 costs one bit."""
    ratios = np.log(np.array([3.0, 1 / 3, 1.0]))
    expected = ((np.log2(4 / 3) + 2) / 2 + 1) / 2
    assert cllr(ratios, np.array([True, True, False])) == pytest.approx(expected)


def test_cllr_of_ratios_that_say_nothing_is_one() -> None:
    """And that of sure and right ones 0; of sure and wrong ones it is as large as they are sure."""
    kinds = np.array([True, False, False])
    sure = np.array([700.0, -700.0, -700.0])
    assert cllr(np.zeros(3), kinds) == pytest.approx(1)
    assert cllr(sure, kinds) == pytest.approx(0, abs=1e-12)
    assert cllr(-sure, kinds) == pytest.approx(700 / np.log(2))


def test_the_line_of_normal_scores_is_that_of_their_densities() -> None:
    """The logarithm of both densities: slope (m1 - m0) / s^2, intercept -(m1^2 - m0^2) / 2 s^2."""
    line = fit_line(*normal_scores(100_000, 200_000, seed=0))
    assert line.slope == pytest.approx(0.4 / 0.04, rel=0.02)
    assert line.intercept == pytest.approx(-(0.25 - 0.01) / 0.08, rel=0.02)


def test_the_line_does_not_depend_on_how_many_trials_there_are_of_a_kind() -> None:
    """Each counts for half, so ten times the others tell the same."""
    scores, kinds = normal_scores(5000, 5000, seed=1)
    again = np.concatenate([scores, *[scores[~kinds]] * 9])
    line = fit_line(scores, kinds)
    other = fit_line(again, np.arange(len(again)) < 5000)
    assert other == pytest.approx(line, rel=1e-3)


@pytest.mark.parametrize(("targets", "others"), [(40, 60), (3000, 50_000), (2, 500)])
def test_beside_scikit_learn(targets: int, others: int) -> None:
    """The same line: each trial once as its kind and once, with little weight, as the other."""
    scores, kinds = normal_scores(targets, others, seed=targets)
    aims = np.where(kinds, (targets + 1) / (targets + 2), 1 / (others + 2))
    weights = np.where(kinds, 0.5 / targets, 0.5 / others) * 1000
    peer = LogisticRegression(C=1e9, tol=1e-10, max_iter=1000).fit(
        np.tile(scores, 2)[:, None],
        np.repeat([1, 0], len(scores)),
        np.concatenate([weights * aims, weights * (1 - aims)]),
    )
    line = fit_line(scores, kinds)
    assert line.slope == pytest.approx(peer.coef_[0, 0], rel=1e-3)
    assert line.intercept == pytest.approx(peer.intercept_[0], rel=1e-3)


@pytest.mark.parametrize("count", [1, 10, 10_000])
def test_trials_without_an_error_give_a_finite_line(count: int) -> None:
    """No surer than the trials allow: at their scores the odds are n + 1 to one."""
    scores = np.repeat([0.8, 0.1], count)
    line = fit_line(scores, scores > 0.5)
    expected = np.log(count + 1)
    assert line.ratios(np.array([0.8, 0.1])) == pytest.approx([expected, -expected], rel=1e-3)


def test_scores_far_apart_and_far_from_zero() -> None:
    """Found wherever the scores lie; a shift of all of them changes the intercept alone."""
    scores, kinds = normal_scores(500, 500, seed=2)
    line = fit_line(scores, kinds)
    far = fit_line(scores * 1e3 + 1e6, kinds)
    assert far.slope == pytest.approx(line.slope / 1e3, rel=1e-4)
    assert far.ratios(scores * 1e3 + 1e6) == pytest.approx(line.ratios(scores), abs=1e-3)


def test_scores_that_are_all_the_same_say_nothing() -> None:
    """And those of targets that are lower say the contrary."""
    kinds = np.arange(10) < 5
    assert fit_line(np.full(10, 0.3, np.float32), kinds) == Line(0, 0)
    assert fit_line(np.where(kinds, 0.1, 0.2) + np.arange(10) / 50, kinds).slope < 0
