"""Turns the neighbors that a store found into the answer: rounded, ordered and cut to k."""

from __future__ import annotations

from index_service.store import Found

SPARE = 32
"""Neighbors that are asked for beyond k, so that ids, not chance, order equal scores around k."""

_DECIMALS = 6  # later digits are noise: they depend on the order in which a store adds


def rank(found: Found, k: int, min_score: float) -> Found:
    """Returns the best k neighbors by score, in [-1, 1], none below `min_score`.

    Equal scores are ordered by id.
    """
    scored = [
        (max(-1.0, min(1.0, round(score, _DECIMALS))), vector_id) for vector_id, score in found
    ]
    scored.sort(key=lambda neighbor: (-neighbor[0], neighbor[1]))
    least = round(min_score, _DECIMALS)  # a score sent back in 32 bits must still reach itself
    return [(vector_id, score) for score, vector_id in scored[:k] if score >= least]
