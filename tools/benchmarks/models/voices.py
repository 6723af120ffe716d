"""Measures how well a model tells voices apart, by the length of what is heard of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scoring.error_rates import equal_error_rate, error_rates
from tools.benchmarks.quality_changes import RATE, Clip, wav
from tools.benchmarks.segments import HELD_OUT, read
from tools.training.corpus import split_speakers

LENGTHS = (0.5, 1.0, 2.0, 5.0)
"""Seconds of a piece of speech."""

Embed = Callable[[Sequence[bytes]], NDArray[np.floating]]
"""Vectors of files, shape (files, dimension), of unit length; a row of NaN for each refused one."""


@dataclass(frozen=True)
class Heard:
    """The results at one length."""

    seconds: float
    pieces: int
    refused: int
    equal_error_rate: float
    """Over all pairs of two pieces that were not refused."""
    nearest: float
    """Share of pieces whose nearest other piece is of the same speaker."""


def held_out(folder: Path) -> Mapping[str, Clip]:
    """Returns the recording of each speaker whom the recipe of the bundled model holds out.

    Args:
        folder: Recordings named `{speaker}-...`, the folder that the model was trained with.

    Raises:
        tools.training.corpus.SpeechError: The folder has too few speakers to hold some out.
    """
    speech = read(folder)
    return {name: speech[name] for name in split_speakers(sorted(speech), HELD_OUT)[1]}


def measure(embed: Embed, speech: Mapping[str, Clip], seconds: float) -> Heard:
    """Cuts each recording into pieces that do not overlap, and compares all pieces."""
    pieces, speakers = cut(speech, seconds)
    vectors = embed([wav(piece) for piece in pieces])
    kept = ~np.isnan(vectors).any(axis=1)
    scores = vectors[kept] @ vectors[kept].T
    same = speakers[kept, None] == speakers[None, kept]
    trials = ~np.eye(len(scores), dtype=bool)
    np.fill_diagonal(scores, -np.inf)
    return Heard(
        seconds=seconds,
        pieces=len(pieces),
        refused=int((~kept).sum()),
        equal_error_rate=equal_error_rate(error_rates(scores[trials], same[trials])),
        nearest=float(same[np.arange(len(scores)), scores.argmax(axis=1)].mean()),
    )


def cut(speech: Mapping[str, Clip], seconds: float) -> tuple[list[Clip], NDArray[np.intp]]:
    """Returns pieces of equal length, and the number of each one's speaker."""
    length = round(seconds * RATE)
    pieces, speakers = [], []
    for number, samples in enumerate(speech.values()):
        for start in range(0, len(samples) - length + 1, length):
            pieces.append(samples[start : start + length])
            speakers.append(number)
    return pieces, np.array(speakers, dtype=np.intp)
