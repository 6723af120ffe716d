"""The projection of vectors to places in two dimensions.

`rough` is a principal component analysis. It is quick but sees only the two widest directions.
`refine` is t-SNE (van der Maaten and Hinton, 2008) as computed by openTSNE. It keeps neighbours
together.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

FEW = 10
"""Clips up to which the rough places are final, because t-SNE needs more neighbours."""

PERPLEXITY = 30.0
"""Effective number of neighbours of each clip; fewer in a small library."""

EARLY_STEPS, STEPS = 250, 500
INTERVAL = 2
"""Width of the cells in which forces are interpolated. With openTSNE's default of 1, the last steps
for 20,000 clips take 57 s instead of 10 s, and 0.59 instead of 0.56 of the ten nearest neighbours
are kept.
"""
_EXAGGERATION, _RATE = 12.0, 200.0
"""Attraction of neighbours at first, and the least learning rate. Without a least rate, a few
points would collapse into one.
"""
_REPORT_EVERY = 10
_MANY = 2000
"""Clips from which on more than one thread is faster."""
_NOTHING = 1e-6
"""Half the width below which all points count as the same, because only rounding differs."""
_SPREAD = 1e-4
"""Spread of the first places. It is small, so that t-SNE can move the points at once."""

Vectors = NDArray[np.float32]
"""Unit vectors, one a row."""
Places = NDArray[np.float32]
"""x and y in [-1, 1], shape (n, 2)."""


def rough(vectors: Vectors) -> Places:
    """Places along the two directions in which the vectors differ most, for any number of vectors.

    The same vectors always give the same places: the sign of a direction is chosen so that its
    largest component is positive.
    """
    if len(vectors) < 2:
        return np.zeros((len(vectors), 2), np.float32)
    centred = vectors - vectors.mean(0)
    _, directions = np.linalg.eigh(centred.T @ centred)
    axes = directions[:, :-3:-1]
    axes *= np.sign(axes[np.abs(axes).argmax(0), [0, 1]])
    return fitted(centred @ axes)


def refine(vectors: Vectors, start: Places, report: Callable[[float], None]) -> Places:
    """Places by t-SNE.

    Args:
        vectors: more than FEW of them.
        start: current places; the map keeps its overall shape.
        report: called with the share of the work that is done.
    """
    import openTSNE  # noqa: PLC0415  heavy: only where a map is made

    near = openTSNE.affinity.PerplexityBasedNN(
        vectors,
        perplexity=min(PERPLEXITY, (len(vectors) - 1) / 3),
        metric="euclidean",  # for unit vectors this gives the same order as the cosine
        n_jobs=_threads(len(vectors)),
        random_state=0,
    )
    done, share = 0, 0.2

    def note(_iteration: int, _error: float, _embedding: Any) -> None:
        nonlocal done
        done += _REPORT_EVERY
        report(share + (1 - share) * done / (EARLY_STEPS + STEPS))

    report(share)
    points = openTSNE.TSNEEmbedding(
        _scattered(start),
        near,
        ints_in_interval=INTERVAL,
        n_jobs=_threads(len(vectors)),
        random_state=0,
        callbacks=note,
        callbacks_every_iters=_REPORT_EVERY,
    )
    early, late = max(_RATE, len(vectors) / _EXAGGERATION), max(_RATE, len(vectors))
    points = points.optimize(
        EARLY_STEPS, exaggeration=_EXAGGERATION, momentum=0.5, learning_rate=early
    )
    points = points.optimize(STEPS, momentum=0.8, learning_rate=late)
    return fitted(np.asarray(points))


def fitted(positions: NDArray[Any]) -> Places:
    """The same picture, centred in [-1, 1] and as large as fits."""
    low, high = positions.min(0), positions.max(0)
    half = max(float((high - low).max()) / 2, _NOTHING)
    inside: Places = np.clip((positions - (low + high) / 2) / half, -1, 1).astype(np.float32)
    return inside


def turned(places: Places, rows: NDArray[np.int64] | slice, like: Places) -> Places:
    """The same picture, turned or mirrored so that these rows are closest to other places.

    Orthogonal Procrustes (Schönemann, 1966).
    """
    some = places[rows]
    u, _, v = np.linalg.svd((some - some.mean(0)).T @ (like - like.mean(0)))
    return fitted(places @ (u @ v))


def _threads(count: int) -> int:
    """The number of threads. They wait for each other at every step, so few clips get only one."""
    return min(4, os.cpu_count() or 1) if count >= _MANY else 1


def _scattered(start: Places) -> NDArray[np.float64]:
    """The first places for t-SNE: small, with no two the same."""
    noise = np.random.default_rng(0).standard_normal(start.shape)
    return _SPREAD * (start / max(float(start[:, 0].std()), _NOTHING) + 1e-3 * noise)
