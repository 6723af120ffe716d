"""An evaluation for people and for programs."""

from __future__ import annotations

from audiosearch_evaluation.evaluating import Evaluation
from scoring.figures import P_TARGET, Figure
from scoring.intervals import LEAST_DRAWN_SPEAKERS


def rows(evaluation: Evaluation) -> list[tuple[str, str, str]]:
    """Name, value and interval of each figure."""
    found = evaluation.verification
    lines = [
        ("equal error rate", *_share(found.equal_error_rate)),
        (f"minDCF, p_target {P_TARGET}", *_number(found.min_dcf)),
    ]
    if evaluation.retrieval:
        lines += [
            (f"recall@{k}", *_share(figure)) for k, figure in evaluation.retrieval.recall.items()
        ]
        mean = evaluation.retrieval.mean_average_precision
        lines.append(("mean average precision", *_number(mean)))
    return lines


def describe(evaluation: Evaluation) -> list[str]:
    """Sentences on the evaluated data, and on the intervals or the reason why some are missing."""
    found, options = evaluation.verification, evaluation.options
    part = ""
    if evaluation.clips < evaluation.clips_met:
        part = f" of {evaluation.clips_met:,}, chosen with seed {options.seed}"
    trials = f"{found.target_trials:,} target, {found.other_trials:,} nontarget"
    lines = [
        f"{evaluation.library}, {evaluation.model}, {evaluation.clips:,} clips{part}",
        f"trials from {evaluation.trials_from}: {trials}",
    ]
    if any(between for _, _, between in rows(evaluation)):
        lines.append(
            f"intervals: 95 %, {options.resamples} draws of {evaluation.drawn}, seed {options.seed}"
        )
    if note := _note(evaluation):
        lines.append(note)
    return lines


def to_json(evaluation: Evaluation) -> dict[str, object]:
    """All figures and counts, without the trials themselves."""
    found, options = evaluation.verification, evaluation.options
    answer: dict[str, object] = {
        "library": evaluation.library,
        "model": evaluation.model,
        "trialsFrom": evaluation.trials_from,
        "clipCount": evaluation.clips,
        "clipCountMet": evaluation.clips_met,
        "targetTrialCount": found.target_trials,
        "nontargetTrialCount": found.other_trials,
        "equalErrorRate": _json(found.equal_error_rate),
        "minDcf": {
            **_json(found.min_dcf),
            "pTarget": P_TARGET,
            "costMiss": 1.0,
            "costFalseAlarm": 1.0,
        },
        "intervals": {
            "level": 0.95,
            "over": evaluation.drawn,
            "draws": options.resamples,
            "seed": options.seed,
            "note": _note(evaluation),
        },
    }
    if evaluation.retrieval:
        retrieval = evaluation.retrieval
        answer["retrieval"] = {
            "queryCount": retrieval.queries,
            "recallAt": {str(k): _json(figure) for k, figure in retrieval.recall.items()},
            "meanAveragePrecision": _json(retrieval.mean_average_precision),
        }
    return answer


def _note(evaluation: Evaluation) -> str:
    """The reason why error rates have no interval; empty if they have one or none was wanted."""
    if evaluation.verification.equal_error_rate.interval or not evaluation.options.resamples:
        return ""
    return (
        "no interval of equal error rate and minDCF: it takes trials of "
        f"{LEAST_DRAWN_SPEAKERS} speakers or more to draw them anew; add clips of other speakers"
    )


def _json(figure: Figure) -> dict[str, object]:
    between = figure.interval
    return {
        "value": figure.value,
        "low": between.low if between else None,
        "high": between.high if between else None,
    }


def _share(figure: Figure) -> tuple[str, str]:
    between = figure.interval
    told = f"{100 * between.low:.2f} to {100 * between.high:.2f} %" if between else ""
    return f"{100 * figure.value:.2f} %", told


def _number(figure: Figure) -> tuple[str, str]:
    between = figure.interval
    told = f"{between.low:.3f} to {between.high:.3f}" if between else ""
    return f"{figure.value:.3f}", told
