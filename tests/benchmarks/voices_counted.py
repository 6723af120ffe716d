"""What was decided, held against whose voice it was: rates with their intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from gateway.evaluation.bootstrap import Interval, intervals
from gateway.evaluation.figures import Resampling, Scored, Verification, verify
from tests.benchmarks.voices_asked import Asked, Run

DRAWS = 1000
SEED = 0


@dataclass(frozen=True)
class Rate:
    """A share of so many, its 95 % interval over people drawn anew, and what was expected of it."""

    value: float
    count: int
    interval: Interval | None
    expected: float | None = None


def rates(runs: Sequence[Run], place: int, people: Sequence[str]) -> dict[str, Rate]:
    """What happened at the operating point of a place, over all runs."""
    asked = [(run, run.asked[place]) for run in runs]
    known, names, strange, named = [], [], [], []
    for run, one in asked:
        for voice, name in zip(one.truth, one.named, strict=True):
            whose = people.index(voice)
            if voice in run.enrolled:
                known.append((whose, name == voice))
                names.append((whose, name not in {"", voice}))
            else:
                strange.append((whose, bool(name)))
                named.append((whose, bool(name)))
    miss, alarm = _trials(asked, people, own=True), _trials(asked, people, own=False)
    expected = [one.expected.threshold for _, one in asked]
    found = {
        "right name": _rate(known, people),
        "wrong name": _rate(names, people),
        "miss rate": _rate(miss, people, [each.miss_rate for each in expected]),
        "false-alarm rate": _rate(alarm, people, [each.false_alarm_rate for each in expected]),
    }
    if strange:
        at_most = [one.stranger_rate for _, one in asked]
        found["stranger named"] = _rate(strange, people, at_most)
        strangers = _trials(asked, people, own=False, strangers=True)
        found["false-alarm rate, strangers"] = _rate(
            strangers, people, [each.false_alarm_rate for each in expected]
        )
    return found


def rank_one(runs: Sequence[Run], people: Sequence[str]) -> Rate:
    """How often the best score is the right speaker's, whatever the threshold."""
    told = [
        (people.index(voice), first == voice)
        for run in runs
        for voice, first in zip(run.truth, run.ranked_first, strict=True)
        if voice in run.enrolled
    ]
    return _rate(told, people)


def equal_error_rates(run: Run) -> dict[str, Verification]:
    """Of the trials of all test clips with all enrolled speakers, by kind of score."""
    whose = np.array([run.enrolled.index(voice) for voice in run.truth])
    first = np.repeat(whose, len(run.enrolled))
    second = np.tile(np.arange(len(run.enrolled)), len(whose))
    resampling = Resampling(len(run.enrolled), DRAWS, SEED)
    kinds = {"cosine": run.cosines, "AS-norm": run.normalized}
    return {
        kind: verify(Scored(scores.ravel(), first == second, first, second), resampling)
        for kind, scores in kinds.items()
    }


def _trials(
    asked: Sequence[tuple[Run, Asked]],
    people: Sequence[str],
    *,
    own: bool,
    strangers: bool = False,
) -> list[tuple[int, bool]]:
    """Errors of trials with the own voiceprint, or with others', by whose voice it was."""
    told = []
    for run, one in asked:
        for voice, row in zip(one.truth, one.accepted, strict=True):
            if strangers and voice in run.enrolled:
                continue
            for name, accepted in zip(run.enrolled, row, strict=True):
                if (name == voice) == own:
                    told.append((people.index(voice), accepted != own))
    return told


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
