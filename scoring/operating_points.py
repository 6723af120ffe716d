"""Operating points: the choice of a threshold, and the error rates of decisions by it."""

from __future__ import annotations

from math import isfinite, log, log1p

from audiosearch.catalog.v1.calibration_pb2 import (
    NORMALIZATION_AS_NORM,
    NORMALIZATION_NONE,
    NORMALIZATION_UNSPECIFIED,
    Calibration,
    DetectionCosts,
    Normalization,
    OperatingPoint,
    OperatingRates,
    ScoreCalibration,
)

from serving.errors import Reason, ServiceError

P_TARGET = 0.01
COST = 1.0


def check_operating_point(point: OperatingPoint, field: str) -> None:
    """Raises FIELD_INVALID unless the values of an operating point are in their ranges.

    Args:
        point: to check.
        field: place of the point in the request, for the message.
    """
    if point.WhichOneof("choice") == "max_false_alarm_rate":
        _require_share(point.max_false_alarm_rate, f"{field}.max_false_alarm_rate")
        return
    costs, prefix = _costs(point), f"{field}.costs"
    _require_share(costs.p_target, f"{prefix}.p_target")
    for name in ("cost_miss", "cost_false_alarm"):
        value = getattr(costs, name)
        if not (isfinite(value) and value > 0):
            raise _invalid(f"{prefix}.{name}", f"must be more than 0 and finite, not {value:g}")


def set_operating_point(calibration: Calibration) -> None:
    """Sets the threshold of each kind of score, and the kind to decide on if it is not set.

    Reads `operating_point`, whose values are in their ranges, and sets `normalization` and the
    `threshold` of `cosine` and `normalized`.

    Raises:
        ServiceError: SPEAKERS_TOO_FEW if AS-norm is asked for and there is no cohort to normalise
            by, or if there are too few trials for the false-alarm rate asked for; FIELD_INVALID for
            an unknown normalization.
    """
    calibration.normalization = _normalization(calibration)
    for scores in _measured(calibration):
        scores.threshold.CopyFrom(_threshold(scores, calibration.operating_point))


def log_likelihood_ratio(of: ScoreCalibration, score: float) -> float:
    """The natural logarithm of the likelihood ratio of a score: the speaker against others."""
    return of.slope * score + of.intercept


def _normalization(calibration: Calibration) -> Normalization.ValueType:
    wanted = calibration.normalization
    if wanted not in Normalization.values():
        raise _invalid("normalization", f"{wanted} is none")
    if wanted == NORMALIZATION_AS_NORM and not calibration.HasField("normalized"):
        raise ServiceError(
            Reason.SPEAKERS_TOO_FEW,
            "there are too few speakers to normalise by: AS-norm needs clips of six or so; add "
            "some and calibrate again, or decide on plain cosines (NORMALIZATION_NONE)",
        )
    if wanted != NORMALIZATION_UNSPECIFIED:
        return wanted
    better = (
        calibration.HasField("normalized")
        and calibration.normalized.equal_error_rate < calibration.cosine.equal_error_rate
    )
    return NORMALIZATION_AS_NORM if better else NORMALIZATION_NONE


def _measured(calibration: Calibration) -> list[ScoreCalibration]:
    normalized = [calibration.normalized] if calibration.HasField("normalized") else []
    return [calibration.cosine, *normalized]


def _threshold(scores: ScoreCalibration, point: OperatingPoint) -> OperatingRates:
    if point.WhichOneof("choice") == "max_false_alarm_rate":
        return _by_rate(scores, point.max_false_alarm_rate)
    return _by_costs(scores, _costs(point))


def _by_rate(scores: ScoreCalibration, most: float) -> OperatingRates:
    """The lowest measured threshold with at most that many false alarms."""
    if scores.nontarget_trial_count * most < 1:
        raise ServiceError(
            Reason.SPEAKERS_TOO_FEW,
            f"{scores.nontarget_trial_count} trials with other speakers can't show a false-alarm "
            f"rate of {most:g}: it takes {1 / most:,.0f} or more; add clips of more speakers and "
            "calibrate again, or choose a higher rate",
        )
    return next(rates for rates in scores.rates if rates.false_alarm_rate <= most)


def _by_costs(scores: ScoreCalibration, costs: DetectionCosts) -> OperatingRates:
    """The Bayes threshold: ln(cost_false_alarm * (1 - p_target) / (cost_miss * p_target)).

    Its rates are those of the next higher measured threshold. As far as all thresholds are kept, no
    score lies between the two.
    """
    alarming = log(costs.cost_false_alarm) + log1p(-costs.p_target)
    threshold = alarming - log(costs.cost_miss) - log(costs.p_target)
    above = (rates for rates in scores.rates if rates.log_likelihood_ratio >= threshold)
    found = OperatingRates()
    found.CopyFrom(next(above, scores.rates[-1]))
    found.log_likelihood_ratio = threshold
    return found


def _costs(point: OperatingPoint) -> DetectionCosts:
    """The detection costs of a point, with the default for each that is not set."""
    costs = DetectionCosts(p_target=P_TARGET, cost_miss=COST, cost_false_alarm=COST)
    costs.MergeFrom(point.costs)
    return costs


def _require_share(value: float, field: str) -> None:
    if not 0 < value < 1:
        raise _invalid(field, f"must be more than 0 and less than 1, not {value:g}")


def _invalid(field: str, why: str) -> ServiceError:
    return ServiceError(Reason.FIELD_INVALID, f"{field}: {why}", {"field": field})
