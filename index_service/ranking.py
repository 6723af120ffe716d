"""Turns what a store found into the answer: rounded, ordered, cut."""

from __future__ import annotations

from index_service.store import Found

SPARE = 32
"""Neighbors to ask a store for beyond k, so that ties there are broken by id, not by chance."""

_DECIMALS = 6  # the next ones are noise: they change with the order in which a store adds up


def rank(found: Found, k: int, min_score: float) -> Found:
    """The best k by score, equal scores by id, none below `min_score`; scores lie in [-1, 1]."""
    scored = [
        (max(-1.0, min(1.0, round(score, _DECIMALS))), vector_id) for vector_id, score in found
    ]
    scored.sort(key=lambda neighbor: (-neighbor[0], neighbor[1]))
    least = round(min_score, _DECIMALS)  # so that a score, as 32 bits carry it, reaches itself
    return [(vector_id, score) for score, vector_id in scored[:k] if score >= least]
