"""Rate and time left of a long import."""

from __future__ import annotations

import pytest
from audiosearch_cli.rate import Rate, span


def test_the_rate_is_that_of_the_last_minute() -> None:
    """After an hour of skipping 100 a second, two minutes of 2 a second count alone."""
    rate = Rate(0.0)
    for second in range(1, 3601):
        rate.update(100 * second, float(second))
    assert rate.per_second == pytest.approx(100)
    for second in range(1, 121):
        rate.update(360_000 + 2 * second, 3600.0 + second)
    assert rate.per_second == pytest.approx(2)
    assert rate.left(7200) == pytest.approx(3600)
    assert rate.describe(360_240 + 7200) == "2.0 clips/s, 1 h 00 min left"


def test_nothing_is_promised_while_nothing_moves() -> None:
    """Neither at the start nor in an outage of a minute."""
    rate = Rate(0.0)
    assert rate.describe(10) == "0.0 clips/s, stalled"
    rate.update(5, 10.0)
    assert rate.describe(10) == "0.5 clips/s, 10 s left"
    for second in range(11, 80):
        rate.update(5, float(second))
    assert rate.describe(10) == "0.0 clips/s, stalled"
    assert rate.describe(0) == "0.0 clips/s"


def test_times_for_people() -> None:
    """Seconds, minutes, hours."""
    assert [span(s) for s in (0.4, 59.4, 60, 725, 27_000)] == [
        "0 s",
        "59 s",
        "1 min 00 s",
        "12 min 05 s",
        "7 h 30 min",
    ]
