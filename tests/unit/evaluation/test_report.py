"""The report of an evaluation."""

from __future__ import annotations

from audiosearch_evaluation.evaluating import RECALL_AT, Evaluation
from audiosearch_evaluation.options import Options
from audiosearch_evaluation.report import describe, rows, to_json

from scoring.figures import Resampling, Scored, judge, verify
from scoring.pairs import all_pairs
from scoring.retrieval import retrieve
from tests.voices import voices


def evaluation(speakers: int, resamples: int = 50, *, searched: bool = True) -> Evaluation:
    """Of so many speakers with six clips each."""
    vectors, labels = voices(speakers, 6, 1.2, seed=4)
    pairs = all_pairs(vectors, labels, seed=0)
    scored = Scored(pairs.scores, pairs.targets, labels[pairs.first], labels[pairs.second])
    resampling, answers = Resampling(speakers, resamples, seed=0), retrieve(vectors, labels)
    return Evaluation(
        library="voices",
        model="models/some",
        trials_from="every two clips, by speaker",
        clips=len(labels),
        clips_met=len(labels),
        drawn=f"{speakers} speakers",
        options=Options(resamples=resamples),
        scored=scored,
        verification=verify(scored, resampling),
        retrieval=judge(answers, labels[answers.queries], RECALL_AT, resampling)
        if searched
        else None,
    )


def intervals(found: Evaluation) -> dict[str, str]:
    """The interval beside each figure in the table."""
    return {name: between for name, _, between in rows(found)}


def test_intervals_are_told_with_their_draws() -> None:
    """Of all figures, and nothing is missing."""
    found = evaluation(4)
    assert all(intervals(found).values())
    assert describe(found)[2:] == ["intervals: 95 %, 50 draws of 4 speakers, seed 0"]
    told = to_json(found)
    assert told["intervals"]["note"] == ""
    assert told["minDcf"]["low"] < told["minDcf"]["high"]


def test_why_error_rates_of_two_speakers_have_no_interval() -> None:
    """Those of retrieval have theirs; programs read the same words."""
    found = evaluation(2)
    told = intervals(found)
    assert told["equal error rate"] == told["minDCF, p_target 0.01"] == ""
    assert told["mean average precision"]
    drawn, why = describe(found)[2:]
    assert drawn == "intervals: 95 %, 50 draws of 2 speakers, seed 0"
    assert why.startswith("no interval of equal error rate and minDCF: ")
    assert "3 speakers" in why
    written = to_json(found)
    assert written["intervals"]["note"] == why
    for name in ("equalErrorRate", "minDcf"):
        assert (written[name]["low"], written[name]["high"]) == (None, None)


def test_no_draws_are_told_where_nothing_has_an_interval() -> None:
    """A list of trials of two speakers; and who asked for no draws knows why there are none."""
    (why,) = describe(evaluation(2, searched=False))[2:]
    assert why.startswith("no interval")
    bare = evaluation(4, resamples=0)
    assert describe(bare)[2:] == []
    assert to_json(bare)["intervals"]["note"] == ""
    assert not any(intervals(bare).values())
