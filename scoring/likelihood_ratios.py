"""Log-likelihood ratios: the conversion of scores to them, and their cost."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MOST_STEPS = 100
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Line(NamedTuple):
    """Natural log-likelihood ratio = slope * score + intercept."""

    slope: float
    intercept: float

    def ratios(self, scores: NDArray[np.floating]) -> Floats:
        """The ratios of scores, of the same shape."""
        return self.slope * np.asarray(scores, np.float64) + self.intercept


def fit_line(scores: NDArray[np.floating], targets: Flags) -> Line:
    """Fits the line by logistic regression, weighted so that both kinds of trials count the same.

    With an effective prior of 0.5 the log odds of the regression are the log-likelihood ratio
    (N. Brummer, J. du Preez, "Application-independent evaluation of speaker detection", Computer
    Speech & Language 20, 2006). One of n trials of a kind is treated as one of the other kind
    (J. Platt, "Probabilistic outputs for support vector machines", 1999). Otherwise the slope would
    have no bound if a threshold separates the trials without an error.

    Args:
        scores: higher means more alike, shape (trials,).
        targets: True if it is the speaker's voice, shape (trials,); both kinds occur.

    Returns:
        The line. Its slope is 0 if all scores are the same, and negative if targets score lower.
    """
    values = np.asarray(scores, np.float64)
    spread = float(values.std())
    if spread <= np.finfo(np.float32).eps:
        return Line(0.0, 0.0)
    mean = float(values.mean())
    count, others = int(targets.sum()), int((~targets).sum())
    weights = np.where(targets, 0.5 / count, 0.5 / others)
    aims = np.where(targets, (count + 1) / (count + 2), 1 / (others + 2))
    design = np.stack([(values - mean) / spread, np.ones(len(values))], axis=1)
    slope, intercept = _minimise(design, aims, weights)
    return Line(slope / spread, intercept - slope * mean / spread)


def _minimise(design: Floats, aims: Floats, weights: Floats) -> tuple[float, float]:
    """Slope and intercept by Newton's method. A step that increases the loss is halved."""
    at: Floats = np.zeros(2)
    step: NDArray[np.floating] = np.zeros(2)
    loss = np.inf
    for _ in range(MOST_STEPS):
        logits = design @ (at + step)
        now = float(weights @ (np.logaddexp(0, logits) - aims * logits))
        if now > loss:
            step /= 2
            continue
        at += step
        gain, loss = loss - now, now
        if gain < 1e-12:
            break
        chances = 1 / (1 + np.exp(-logits))
        slopes = design.T @ (weights * (chances - aims))
        curves = (design * (weights * chances * (1 - chances))[:, None]).T @ design
        step = -np.linalg.solve(curves, slopes)
    return float(at[0]), float(at[1])


def cllr(ratios: Floats, targets: Flags) -> float:
    """Cost of log-likelihood ratios in bits. 0 is perfect; 1 is as good as no ratios at all.

    The cost is half the sum of two means: of log2(1 + 1/LR) over target trials and of
    log2(1 + LR) over the others (Brummer & du Preez 2006).
    """
    misses = np.logaddexp(0, -ratios[targets]).mean()
    alarms = np.logaddexp(0, ratios[~targets]).mean()
    return float((misses + alarms) / 2 / np.log(2))
