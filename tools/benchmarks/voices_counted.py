"""Compares the decisions with the true speakers: error rates with their intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from scoring.figures import Resampling, Scored, Verification, verify
from scoring.intervals import Interval, intervals
from tools.benchmarks.voices_asked import Asked, Run

DRAWS = 1000
SEED = 0


@dataclass(frozen=True)
class Rate:
    """A share of `count`, its 95 % interval by resampling people, and its expected value."""

    value: float
    count: int
    interval: Interval | None
    expected: float | None = None


def rates(runs: Sequence[Run], place: int, people: Sequence[str]) -> dict[str, Rate]:
    """Returns the rates at the operating point of number `place`, over all runs."""
    asked = [(run, run.asked[place]) for run in runs]
    expected = [one.expected.threshold for _, one in asked]
    misses = [each.miss_rate for each in expected]
    alarms = [each.false_alarm_rate for each in expected]
    known, strange = _names(asked, people, known=True), _names(asked, people, known=False)
    others = _trials(asked, people, known=True, own=False)
    found = {
        "enrolled: named right": _rate([(who, right) for who, _, right in known], people),
        "enrolled: named wrong": _rate([(who, some and not ok) for who, some, ok in known], people),
        "miss rate": _rate(_trials(asked, people, known=True, own=True), people, misses),
        "false-alarm rate, enrolled": _rate(others, people, alarms),
    }
    if strange:
        trials = _trials(asked, people, known=False, own=False)
        found["false-alarm rate, strangers"] = _rate(trials, people, alarms)
        most = [one.stranger_rate for _, one in asked]
        found["stranger: named at all"] = _rate(
            [(who, some) for who, some, _ in strange], people, most
        )
    return found


def _names(
    asked: Sequence[tuple[Run, Asked]], people: Sequence[str], *, known: bool
) -> list[tuple[int, bool, bool]]:
    """Returns speaker, named or not, and named right or not for each clip.

    The clips are those of enrolled speakers if `known`, else those of strangers.
    """
    return [
        (people.index(voice), bool(name), name == voice)
        for run, one in asked
        for voice, name in zip(one.truth, one.named, strict=True)
        if (voice in run.enrolled) == known
    ]


def rank_one(runs: Sequence[Run], people: Sequence[str]) -> Rate:
    """Returns the share of clips whose highest score is the right speaker's, at any threshold."""
    told = [
        (people.index(voice), first == voice)
        for run in runs
        for voice, first in zip(run.truth, run.ranked_first, strict=True)
        if voice in run.enrolled
    ]
    return _rate(told, people)


def equal_error_rates(run: Run) -> dict[str, Verification]:
    """Returns the figures of the trials of all clips with all speakers, by kind of score."""
    whose = np.array([run.enrolled.index(voice) for voice in run.truth])
    first = np.repeat(whose, len(run.enrolled))
    second = np.tile(np.arange(len(run.enrolled)), len(whose))
    resampling = Resampling(len(run.enrolled), DRAWS, SEED)
    kinds = {"cosine": run.cosines}
    if run.normalized is not None:
        kinds["AS-norm"] = run.normalized
    return {
        kind: verify(Scored(scores.ravel(), first == second, first, second), resampling)
        for kind, scores in kinds.items()
    }


def _trials(
    asked: Sequence[tuple[Run, Asked]], people: Sequence[str], *, known: bool, own: bool
) -> list[tuple[int, bool]]:
    """Returns speaker and error or not for each trial, with the own voiceprint or with others'."""
    return [
        (people.index(voice), accepted != own)
        for run, one in asked
        for voice, row in zip(one.truth, one.accepted, strict=True)
        if (voice in run.enrolled) == known
        for name, accepted in zip(run.enrolled, row, strict=True)
        if (name == voice) == own
    ]


def _rate(
    told: Sequence[tuple[int, bool]], people: Sequence[str], expected: Sequence[float] = ()
) -> Rate:
    whose = np.array([person for person, _ in told])
    flags = np.array([flag for _, flag in told], np.float64)
    return Rate(
        float(flags.mean()),
        len(flags),
        _interval(_mean_of_draw(whose, flags), len(people)),
        float(np.mean(expected)) if len(expected) else None,
    )


def _mean_of_draw(
    whose: np.ndarray, flags: np.ndarray
) -> Callable[[np.ndarray], tuple[float, ...]]:
    def mean(counts: np.ndarray) -> tuple[float, ...]:
        weights = counts[whose]
        if not weights.any():
            raise ValueError("nobody is drawn")
        return (float(flags @ weights / weights.sum()),)

    return mean


def _interval(figure: Callable[[np.ndarray], tuple[float, ...]], people: int) -> Interval | None:
    try:
        return intervals(figure, people, DRAWS, SEED)[0]
    except ValueError:
        return None
