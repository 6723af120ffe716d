"""The figures of `make voices`, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from audiosearch.catalog.v1.calibration_pb2 import (
    NORMALIZATION_NONE,
    Calibration,
    OperatingRates,
    ScoreCalibration,
)

from tools.benchmarks.voices_asked import Asked, Run
from tools.benchmarks.voices_counted import equal_error_rates, rank_one, rates

PEOPLE = ["ann", "bob", "stranger"]


@pytest.fixture
def run() -> Run:
    """Two are enrolled; two clips of Ann, one of Bob, one of somebody else."""
    threshold = OperatingRates(miss_rate=0.4, false_alarm_rate=0.1)
    calibration = Calibration(
        normalization=NORMALIZATION_NONE, cosine=ScoreCalibration(threshold=threshold)
    )
    truth = ["ann", "ann", "bob", "stranger"]
    accepted = np.array([[True, False], [False, False], [True, True], [False, True]])
    asked = Asked(
        "a point", calibration, truth, ["ann", "", "ann", "bob"], accepted, stranger_rate=0.2
    )
    cosines = np.array([[0.9, 0.1], [0.2, 0.3], [0.1, 0.8], [0.1, 0.2]])
    return Run("stranger", PEOPLE[:2], [asked], truth, cosines, None)


def test_decisions_are_counted(run: Run) -> None:
    """Names of clips, errors of trials, and what was expected of them."""
    found = rates([run], 0, PEOPLE)
    told = {name: (rate.value, rate.count, rate.expected) for name, rate in found.items()}
    assert told == {
        "enrolled: named right": (pytest.approx(1 / 3), 3, None),
        "enrolled: named wrong": (pytest.approx(1 / 3), 3, None),
        "miss rate": (pytest.approx(1 / 3), 3, pytest.approx(0.4)),
        "false-alarm rate, enrolled": (pytest.approx(1 / 3), 3, pytest.approx(0.1)),
        "false-alarm rate, strangers": (pytest.approx(1 / 2), 2, pytest.approx(0.1)),
        "stranger: named at all": (1.0, 1, pytest.approx(0.2)),
    }


def test_ranks_need_no_threshold(run: Run) -> None:
    """Two of the three who are enrolled are nearest to themselves; nobody counts the stranger."""
    found = rank_one([run], PEOPLE)
    assert (found.value, found.count) == (pytest.approx(2 / 3), 3)


def test_error_rates_of_all_trials() -> None:
    """Three targets and three others, of which one is above one target."""
    cosines = np.array([[0.9, 0.1], [0.2, 0.3], [0.1, 0.8]])
    run = Run("", PEOPLE[:2], [], ["ann", "ann", "bob"], cosines, cosines * 10)
    found = equal_error_rates(run)
    assert set(found) == {"cosine", "AS-norm"}
    for each in found.values():
        assert (each.target_trials, each.other_trials) == (3, 3)
        assert each.equal_error_rate.value == pytest.approx(1 / 3)
