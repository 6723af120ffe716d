"""Charts of a calibration as PNG: the error rates at each threshold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from audiosearch.catalog.v1.calibration_pb2 import (
    NORMALIZATION_AS_NORM,
    Calibration,
    ScoreCalibration,
)

from audiosearch_evaluation.charts import BLUE, ORANGE, det_axes
from scoring.error_rates import ErrorRates, Floats, det_points, normal_deviates

ENDS = ("", "_low", "_high")


def draw_det(calibration: Calibration, path: Path) -> None:
    """Draws miss rate over false-alarm rate for both kinds of scores, with the chosen points."""
    from matplotlib.figure import Figure  # noqa: PLC0415  an extra

    figure = Figure(figsize=(6, 6), layout="constrained")
    axes = det_axes(figure, _title(calibration))
    for name, color, scores in _kinds(calibration):
        label = f"{name}, equal error rate {100 * scores.equal_error_rate:.2f} %"
        axes.plot(*det_points(_rates(scores)), color=color, linewidth=2, label=label)
        chosen = np.array([scores.threshold.false_alarm_rate, scores.threshold.miss_rate])
        if ((chosen > 0) & (chosen < 1)).all():
            alarm, miss = normal_deviates(chosen)
            axes.plot([alarm], [miss], "o", color=color)
    axes.legend()
    figure.savefig(path, dpi=120)


def draw_thresholds(calibration: Calibration, path: Path) -> None:
    """Draws both rates over the threshold of the scores that decide, with the chosen one."""
    from matplotlib.figure import Figure  # noqa: PLC0415  an extra

    normalized = calibration.normalization == NORMALIZATION_AS_NORM
    scores = calibration.normalized if normalized else calibration.cosine
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    for name, field, color in (
        ("miss rate", "miss_rate", ORANGE),
        ("false-alarm rate", "false_alarm_rate", BLUE),
    ):
        places, rates, lows, highs = _over_thresholds(scores, field)
        axes.plot(places, rates, color=color, label=name)
        axes.fill_between(places, lows, highs, color=color, alpha=0.2, linewidth=0)
    chosen = scores.threshold.log_likelihood_ratio
    axes.axvline(chosen, color="black", linestyle="--", label=f"threshold {chosen:.2f}")
    axes.set(
        xlabel=f"threshold, log-likelihood ratio of the {'AS-norm' if normalized else 'cosine'}",
        ylabel="rate, %",
        ylim=(0, 100),
        title=_title(calibration),
    )
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)


def _kinds(calibration: Calibration) -> list[tuple[str, str, ScoreCalibration]]:
    kinds = [("cosine", BLUE, calibration.cosine)]
    if calibration.HasField("normalized"):
        kinds.append(("AS-norm", ORANGE, calibration.normalized))
    return kinds


def _rates(scores: ScoreCalibration) -> ErrorRates:
    told = [
        (each.log_likelihood_ratio, each.miss_rate, each.false_alarm_rate) for each in scores.rates
    ]
    return ErrorRates(*np.array(told, np.float64).reshape(-1, 3)[::-1].T)


def _over_thresholds(scores: ScoreCalibration, field: str) -> Floats:
    """Thresholds, the rate at each in per cent, and the ends of its interval; (4, points)."""
    told = [
        (each.log_likelihood_ratio, *(100 * getattr(each, field + end) for end in ENDS))
        for each in scores.rates
    ]
    return np.array(told, np.float64).reshape(-1, 4).T


def _title(calibration: Calibration) -> str:
    library = calibration.name.split("/")[1]
    return f"{library}: {calibration.speaker_count} speakers, {calibration.clip_count:,} clips"
