"""A calibration for people."""

from __future__ import annotations

from audiosearch.catalog.v1.calibration_pb2 import (
    NORMALIZATION_AS_NORM,
    Calibration,
    OperatingPoint,
    ScoreCalibration,
)

from audiosearch_cli.output import share

Rows = list[tuple[str, ...]]


def describe(calibration: Calibration) -> tuple[list[str], list[str]]:
    """The lines before the figures, and the lines after them."""
    library = calibration.name.split("/")[1]
    cohort = len(calibration.cohort.clips)
    trials = calibration.cosine
    speakers = f"{calibration.clip_count:,} clips of {calibration.speaker_count:,} speakers"
    counts = f"{trials.target_trial_count:,} target, {trials.nontarget_trial_count:,} nontarget"
    before = [
        f"{library}, {calibration.model}, fitted from {speakers}",
        f"trials: {counts}; voiceprints of {calibration.enrollment_clip_count} clips each",
        f"cohort: {cohort:,} clips, the {calibration.cohort.top_count} best scores count"
        if cohort
        else "no cohort: too few speakers to normalise by",
    ]
    decided = "AS-norm" if calibration.normalization == NORMALIZATION_AS_NORM else "cosine"
    after = [
        f"decided on: {decided}; operating point: {_point(calibration.operating_point)}",
        "intervals: 95 %, over speakers drawn anew",
    ]
    return before, after


def figures(calibration: Calibration) -> tuple[tuple[str, ...], Rows]:
    """Columns and rows: each figure without and with AS-norm."""
    kinds = [calibration.cosine]
    columns: tuple[str, ...] = ("figure", "cosine")
    if calibration.HasField("normalized"):
        kinds.append(calibration.normalized)
        columns += ("AS-norm",)
    by_kind = [_figures(kind) for kind in kinds]
    rows = [(name, *(told[name] for told in by_kind)) for name in by_kind[0]]
    return columns, rows


def _figures(scores: ScoreCalibration) -> dict[str, str]:
    chosen = scores.threshold
    return {
        "equal error rate": share(scores.equal_error_rate),
        "minDCF, p_target 0.01": f"{scores.min_dcf:.3f}",
        "Cllr, bits": f"{scores.cllr:.3f}",
        "threshold, log-likelihood ratio": f"{chosen.log_likelihood_ratio:.3f}",
        "expected miss rate": _rate(chosen.miss_rate, chosen.miss_rate_low, chosen.miss_rate_high),
        "expected false-alarm rate": _rate(
            chosen.false_alarm_rate, chosen.false_alarm_rate_low, chosen.false_alarm_rate_high
        ),
    }


def _rate(rate: float, low: float, high: float) -> str:
    return f"{share(rate)} ({share(low)} to {share(high)})"


def _point(point: OperatingPoint) -> str:
    if point.WhichOneof("choice") == "max_false_alarm_rate":
        return f"false-alarm rate of at most {share(point.max_false_alarm_rate)}"
    costs = point.costs
    p_target = costs.p_target if costs.HasField("p_target") else 0.01
    miss = costs.cost_miss if costs.HasField("cost_miss") else 1.0
    alarm = costs.cost_false_alarm if costs.HasField("cost_false_alarm") else 1.0
    return f"p_target {p_target:g}, cost of a miss {miss:g}, of a false alarm {alarm:g}"
