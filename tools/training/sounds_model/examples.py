"""The prepared examples: pieces of sound, their kinds and the teacher's vectors, in one file."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tools.training.sounds_model.kinds import KINDS
from tools.training.sounds_model.pieces import (
    RATE,
    Piece,
    speech_pieces,
    synthetic_pieces,
    unpacked_pieces,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    Wave = NDArray[np.float32]
    Teach = Callable[[list[Wave], int], Wave]

_FULL = 32767.0
_AT_ONCE = 16


@dataclass(frozen=True)
class Examples:
    """All examples; those that are held out too.

    Attributes:
        samples: All pieces one after another, 16 bit.
        ends: Place after the last sample of each piece, shape (pieces,).
        origins: Recordings that each piece is from.
        series: Name that takes of one sound share.
        kinds: 1 for the kinds of a piece, else 0, shape (pieces, kinds).
        first: True for the first piece of a file.
        held_out: True for pieces that training never hears.
        synthetic: True for sounds that the recipe made.
        teacher: The teacher's unit vectors, shape (pieces, 512).
    """

    samples: NDArray[np.int16]
    ends: NDArray[np.int64]
    origins: NDArray[np.str_]
    series: NDArray[np.str_]
    kinds: NDArray[np.float32]
    first: NDArray[np.bool_]
    held_out: NDArray[np.bool_]
    synthetic: NDArray[np.bool_]
    teacher: NDArray[np.float32]

    def __len__(self) -> int:
        """Number of pieces."""
        return len(self.ends)

    def wave(self, number: int) -> Wave:
        """Returns the samples of a piece at 32 kHz, shape (samples,)."""
        start = self.ends[number - 1] if number else 0
        return self.samples[start : self.ends[number]].astype(np.float32) / np.float32(_FULL)

    @property
    def trained(self) -> NDArray[np.int64]:
        """Numbers of the pieces to train on."""
        return np.flatnonzero(~self.held_out)

    @property
    def examined(self) -> NDArray[np.int64]:
        """Numbers of the pieces to examine with: the first of each file of a known kind."""
        return np.flatnonzero(self.held_out & self.first & self.kinds.any(axis=1))


def make_examples(
    sources: Path,
    speech: Path | None,
    teach: Teach,
    sounds_per_family: int = 8,
    variants: int = 4,
) -> Examples:
    """Reads the sources, makes the synthetic sounds, and asks the teacher about every piece.

    Args:
        sources: Folder of the unpacked packages.
        speech: Folder of recordings of speech; None for none.
        teach: Returns the teacher's unit vectors of clips at a sample rate.
        sounds_per_family: Classes of synthetic sound for each family.
        variants: Sounds of each class.
    """
    pieces = [
        *unpacked_pieces(sources),
        *(speech_pieces(speech) if speech else ()),
        *synthetic_pieces(sounds_per_family, variants, np.random.default_rng(5)),
    ]
    kinds = np.zeros((len(pieces), len(KINDS)), np.float32)
    for number, piece in enumerate(pieces):
        kinds[number, list(piece.kinds)] = 1.0
    return Examples(
        samples=np.concatenate([_as_16_bit(piece.wave) for piece in pieces]),
        ends=np.cumsum([len(piece.wave) for piece in pieces]),
        origins=np.array([piece.origin for piece in pieces]),
        series=np.array([piece.series for piece in pieces]),
        kinds=kinds,
        first=np.array([piece.first for piece in pieces]),
        held_out=np.array([piece.held_out for piece in pieces]),
        synthetic=np.array([piece.synthetic for piece in pieces]),
        teacher=_taught(pieces, teach),
    )


def save_examples(examples: Examples, path: Path) -> None:
    """Writes the examples as one file, about 0.6 GB for all sources."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.part")
    with unfinished.open("wb") as file:
        np.savez(file, **vars(examples))
    unfinished.replace(path)


def load_examples(path: Path) -> Examples:
    """Reads the file that `save_examples` wrote."""
    with np.load(path, allow_pickle=False) as file:
        return Examples(**{name: file[name] for name in file.files})


def _as_16_bit(wave: Wave) -> NDArray[np.int16]:
    return np.asarray(np.rint(wave * _FULL), np.int16)


def _taught(pieces: Iterable[Piece], teach: Teach) -> Wave:
    waves = iter([piece.wave for piece in pieces])
    rows = []
    while part := list(itertools.islice(waves, _AT_ONCE)):
        rows.append(teach(part, RATE))
    return np.concatenate(rows)
