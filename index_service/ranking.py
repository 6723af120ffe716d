"""Turns the neighbors that a store found into the answer: rounded, ordered and cut to k."""

from __future__ import annotations

from index_service.store import Found

SPARE = 32
"""Neighbors asked for beyond k if scores around k are equal: ids order them, not chance."""

_DECIMALS = 6  # later digits are noise: they depend on the order in which a store adds


def rank(found: Found, k: int, min_score: float) -> Found:
    """Returns the best k neighbors by score, in [-1, 1], none below `min_score`.

    Equal scores are ordered by id.
    """
    scored = [(_rounded(score), vector_id) for vector_id, score in found]
    scored.sort(key=lambda neighbor: (-neighbor[0], neighbor[1]))
    least = round(min_score, _DECIMALS)  # a score sent back in 32 bits must still reach itself
    return [(vector_id, score) for score, vector_id in scored[:k] if score >= least]


def is_tied(found: Found, k: int) -> bool:
    """Returns True if the best neighbor beyond k has the score of the last one within."""
    scores = sorted((score for _, score in found), reverse=True)[k - 1 : k + 1]
    return len(scores) == 2 and _rounded(scores[0]) == _rounded(scores[1])


def _rounded(score: float) -> float:
    return max(-1.0, min(1.0, round(score, _DECIMALS)))
