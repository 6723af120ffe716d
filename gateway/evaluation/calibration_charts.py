"""What a calibration measured, as PNG: which errors come with which threshold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from audiosearch.catalog.v1.calibration_pb2 import (
    NORMALIZATION_AS_NORM,
    Calibration,
    OperatingRates,
    ScoreCalibration,
)

from gateway.evaluation.charts import BLUE, ORANGE, det_axes
from gateway.evaluation.rates import Floats, normal_deviates


def draw_det(calibration: Calibration, path: Path) -> None:
    """Draws miss rate over false-alarm rate of both kinds of scores, the chosen points marked."""
    from matplotlib.figure import Figure  # noqa: PLC0415  an extra

    figure = Figure(figsize=(6, 6), layout="constrained")
    axes = det_axes(figure, _title(calibration))
    for name, color, scores in _kinds(calibration):
        misses, alarms = _rates(scores.rates)
        inside = (misses > 0) & (misses < 1) & (alarms > 0) & (alarms < 1)
        label = f"{name}, equal error rate {100 * scores.equal_error_rate:.2f} %"
        places = normal_deviates(alarms[inside]), normal_deviates(misses[inside])
        axes.plot(*places, color=color, linewidth=2, label=label)
        chosen = np.array([scores.threshold.false_alarm_rate, scores.threshold.miss_rate])
        if ((chosen > 0) & (chosen < 1)).all():
            alarm, miss = normal_deviates(chosen)
            axes.plot([alarm], [miss], "o", color=color)
    axes.legend()
    figure.savefig(path, dpi=120)


def draw_thresholds(calibration: Calibration, path: Path) -> None:
    """Draws both rates over the threshold of the scores decided on, the chosen one marked."""
    from matplotlib.figure import Figure  # noqa: PLC0415  an extra

    normalized = calibration.normalization == NORMALIZATION_AS_NORM
    scores = calibration.normalized if normalized else calibration.cosine
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    places = [each.log_likelihood_ratio for each in scores.rates]
    misses, alarms = _rates(scores.rates)
    axes.plot(places, 100 * misses, color=ORANGE, label="miss rate")
    axes.plot(places, 100 * alarms, color=BLUE, label="false-alarm rate")
    for color, lows, highs in (
        (ORANGE, *_interval(scores.rates, "miss_rate")),
        (BLUE, *_interval(scores.rates, "false_alarm_rate")),
    ):
        axes.fill_between(places, 100 * lows, 100 * highs, color=color, alpha=0.2, linewidth=0)
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


def _rates(rates: Sequence[OperatingRates]) -> tuple[Floats, Floats]:
    """Miss and false-alarm rates, shape (points,) each."""
    told = np.array([(each.miss_rate, each.false_alarm_rate) for each in rates], np.float64)
    return told[:, 0], told[:, 1]


def _interval(rates: Sequence[OperatingRates], name: str) -> tuple[Floats, Floats]:
    """Ends of the intervals of a rate, shape (points,) each."""
    ends = [(getattr(each, f"{name}_low"), getattr(each, f"{name}_high")) for each in rates]
    told = np.array(ends, np.float64)
    return told[:, 0], told[:, 1]


def _title(calibration: Calibration) -> str:
    library = calibration.name.split("/")[1]
    return f"{library}: {calibration.speaker_count} speakers, {calibration.clip_count:,} clips"
