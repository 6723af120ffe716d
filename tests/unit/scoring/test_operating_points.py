"""Operating points: thresholds by hand."""

from __future__ import annotations

from math import inf, log, nan

import pytest
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

from scoring.operating_points import (
    check_operating_point,
    log_likelihood_ratio,
    set_operating_point,
)
from serving.errors import Reason, ServiceError


def scores(equal_error_rate: float = 0.1, nontargets: int = 1000) -> ScoreCalibration:
    """As measured, at five thresholds."""
    points = [(-5, 0, 1), (0, 0.1, 0.2), (2, 0.2, 0.05), (4, 0.5, 0.01), (8, 1, 0)]
    return ScoreCalibration(
        slope=2,
        intercept=-1,
        equal_error_rate=equal_error_rate,
        nontarget_trial_count=nontargets,
        rates=[
            OperatingRates(
                log_likelihood_ratio=ratio,
                miss_rate=miss,
                miss_rate_low=miss / 2,
                miss_rate_high=(1 + miss) / 2,
                false_alarm_rate=alarm,
                false_alarm_rate_low=alarm / 2,
                false_alarm_rate_high=(1 + alarm) / 2,
            )
            for ratio, miss, alarm in points
        ],
    )


def chosen(point: OperatingPoint, nontargets: int = 1000) -> OperatingRates:
    """The threshold of plain cosines."""
    calibration = Calibration(operating_point=point, cosine=scores(nontargets=nontargets))
    set_operating_point(calibration)
    return calibration.cosine.threshold


def costs(**values: float) -> OperatingPoint:
    """An operating point by costs."""
    return OperatingPoint(costs=DetectionCosts(**values))


def test_a_score_becomes_a_log_likelihood_ratio() -> None:
    """By the line: 2 * 0.75 - 1."""
    assert log_likelihood_ratio(scores(), 0.75) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        (OperatingPoint(), log(99)),
        (costs(), log(99)),
        (costs(p_target=0.5), 0),
        (costs(p_target=0.5, cost_false_alarm=10), log(10)),
        (costs(p_target=0.5, cost_miss=10), -log(10)),
        (costs(p_target=0.2, cost_miss=3, cost_false_alarm=6), log(8)),
    ],
)
def test_the_bayes_threshold(point: OperatingPoint, expected: float) -> None:
    """ln(cost_false_alarm * (1 - p_target) / (cost_miss * p_target)), with the defaults of each."""
    assert chosen(point).log_likelihood_ratio == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("p_target", "miss", "alarm"),
    [
        # Thresholds of 0, ln 2, ln 1000 and -ln 1e6: at a measured one, between, above, below all.
        (0.5, 0.1, 0.2),
        (1 / 3, 0.2, 0.05),
        (1 / 1001, 1, 0),
        (1 - 1e-6, 0, 1),
        (1e-300, 1, 0),
    ],
)
def test_rates_of_the_bayes_threshold(p_target: float, miss: float, alarm: float) -> None:
    """Those of the next higher measured one, with their intervals."""
    rates = chosen(costs(p_target=p_target))
    assert (rates.miss_rate, rates.false_alarm_rate) == (miss, alarm)
    assert (rates.miss_rate_low, rates.miss_rate_high) == (miss / 2, (1 + miss) / 2)
    assert rates.false_alarm_rate_low == alarm / 2
    assert rates.false_alarm_rate_high == (1 + alarm) / 2


@pytest.mark.parametrize(
    ("most", "threshold"), [(0.9, 0), (0.2, 0), (0.1, 2), (0.05, 2), (0.01, 4), (0.005, 8)]
)
def test_the_lowest_threshold_with_so_few_false_alarms(most: float, threshold: float) -> None:
    """A measured one, and its rates."""
    rates = chosen(OperatingPoint(max_false_alarm_rate=most))
    assert rates in scores().rates
    assert rates.log_likelihood_ratio == threshold


def test_so_few_false_alarms_must_have_been_measurable() -> None:
    """One in a thousand takes a thousand trials; the message says how many."""
    point = OperatingPoint(max_false_alarm_rate=1e-3)
    assert chosen(point, nontargets=1000).false_alarm_rate == 0
    with pytest.raises(ServiceError, match="1,000 or more") as error:
        chosen(point, nontargets=999)
    assert error.value.reason is Reason.SPEAKERS_TOO_FEW


@pytest.mark.parametrize(
    ("normalized", "expected"),
    [
        (None, NORMALIZATION_NONE),
        (0.09, NORMALIZATION_AS_NORM),
        (0.1, NORMALIZATION_NONE),
        (0.11, NORMALIZATION_NONE),
    ],
)
def test_which_scores_are_decided_on(
    normalized: float | None, expected: Normalization.ValueType
) -> None:
    """The normalised ones if they had the lower equal error rate; both get their threshold."""
    calibration = Calibration(cosine=scores(0.1))
    if normalized is not None:
        calibration.normalized.CopyFrom(scores(normalized))
    set_operating_point(calibration)
    assert calibration.normalization == expected
    assert calibration.cosine.HasField("threshold")
    assert calibration.normalized.HasField("threshold") == calibration.HasField("normalized")


@pytest.mark.parametrize("wanted", [NORMALIZATION_NONE, NORMALIZATION_AS_NORM])
def test_scores_that_are_asked_for_are_decided_on(wanted: Normalization.ValueType) -> None:
    """Also the worse ones."""
    for normalized in (0.01, 0.4):
        calibration = Calibration(
            normalization=wanted, cosine=scores(), normalized=scores(normalized)
        )
        set_operating_point(calibration)
        assert calibration.normalization == wanted


def test_normalised_scores_that_are_not_there() -> None:
    """Asked for, they are an error that says what to do; a number that is no normalization, too."""
    calibration = Calibration(normalization=NORMALIZATION_AS_NORM, cosine=scores())
    with pytest.raises(ServiceError, match="add some and calibrate again") as error:
        set_operating_point(calibration)
    assert error.value.reason is Reason.SPEAKERS_TOO_FEW
    with pytest.raises(ServiceError, match="normalization: 7") as error:
        set_operating_point(Calibration(normalization=7, cosine=scores()))
    assert error.value.reason is Reason.FIELD_INVALID


def test_another_operating_point_takes_the_place_of_the_one_before() -> None:
    """Nothing of the old threshold is left."""
    calibration = Calibration(cosine=scores(), normalized=scores())
    calibration.operating_point.max_false_alarm_rate = 0.05
    set_operating_point(calibration)
    assert calibration.cosine.threshold.log_likelihood_ratio == 2
    calibration.operating_point.CopyFrom(costs(p_target=1 / 1001))
    calibration.normalization = NORMALIZATION_UNSPECIFIED
    set_operating_point(calibration)
    assert calibration.cosine.threshold.log_likelihood_ratio == pytest.approx(log(1000))
    assert calibration.cosine.threshold.false_alarm_rate == 0


@pytest.mark.parametrize("value", [0.0, 1.0, -0.1, 1.5, nan, inf])
@pytest.mark.parametrize("name", ["max_false_alarm_rate", "costs.p_target"])
def test_shares_out_of_range(name: str, value: float) -> None:
    """FIELD_INVALID with the field's whole name."""
    point = costs(p_target=value)
    if name == "max_false_alarm_rate":
        point = OperatingPoint(max_false_alarm_rate=value)
    with pytest.raises(ServiceError, match=f"calibration.operating_point.{name}: ") as error:
        check_operating_point(point, "calibration.operating_point")
    assert error.value.reason is Reason.FIELD_INVALID
    assert error.value.metadata == {"field": f"calibration.operating_point.{name}"}


@pytest.mark.parametrize("value", [0.0, -1.0, nan, inf])
@pytest.mark.parametrize("name", ["cost_miss", "cost_false_alarm"])
def test_costs_out_of_range(name: str, value: float) -> None:
    """More than nothing, and finite."""
    with pytest.raises(ServiceError, match=f"operating_point.costs.{name}: ") as error:
        check_operating_point(costs(**{name: value}), "operating_point")
    assert error.value.reason is Reason.FIELD_INVALID


@pytest.mark.parametrize(
    "point",
    [
        OperatingPoint(),
        costs(),
        costs(p_target=0.2, cost_miss=3, cost_false_alarm=6),
        costs(p_target=1e-300, cost_miss=1e-300, cost_false_alarm=1e300),
        OperatingPoint(max_false_alarm_rate=0.5),
    ],
)
def test_points_that_can_be_used(point: OperatingPoint) -> None:
    """Also extreme ones have a finite threshold."""
    check_operating_point(point, "operating_point")
    assert abs(chosen(point).log_likelihood_ratio) < 1e4
