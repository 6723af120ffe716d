"""The figures of `make bench-models`, counted by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tools.benchmarks.models.sounds import by_chance, collections
from tools.benchmarks.models.voices import RATE, cut, measure


def at(*degrees: float) -> np.ndarray:
    """Unit vectors in a plane."""
    radians = np.radians(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1)


def test_only_sounds_that_training_never_heard_are_asked_with(tmp_path: Path) -> None:
    """Kits are told from each other; what names no kind is left out, and so is all else."""
    kits = "hydrogen-drumkits/usr/share/hydrogen/data/drumkits"
    for name in (
        f"{kits}/VariBreaks/VP Kick.flac",
        f"{kits}/VariBreaks/VP Snare.flac",
        f"{kits}/Millo-Drums_v.1/kick.wav",
        f"{kits}/Millo-Drums_v.1/x.wav",
        f"{kits}/HardElectro1/Clap_1.flac",
        "sonic-pi-samples/usr/share/sonic-pi/samples/bd_808.flac",
        "wesnoth-1.16-data/sounds/bow.ogg",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    drums, samples = collections(tmp_path)
    assert (drums.name, len(drums.paths), len(set(drums.groups))) == ("drum kits", 3, 2)
    assert (samples.name, len(samples.paths)) == ("samples", 1)
    assert by_chance(drums).searches == 2


def test_pieces_do_not_overlap() -> None:
    """Of 2.2 s there are two pieces of a second, and of 0.5 s none."""
    speech = {"ann": np.arange(2.2 * RATE), "ben": np.zeros(RATE // 2)}
    pieces, speakers = cut(speech, 1.0)
    assert [piece[0] for piece in pieces] == [0, RATE]
    assert speakers.tolist() == [0, 0]


def test_voices_that_are_told_apart_have_no_errors() -> None:
    """A refused piece is counted, and left out of the trials."""

    def embed(files: Sequence[bytes]) -> np.ndarray:
        vectors = at(0, 0, 0, 90, 90, 90)
        vectors[2] = np.nan
        return vectors[: len(files)]

    heard = measure(embed, {"ann": np.zeros(3 * RATE), "ben": np.zeros(3 * RATE)}, 1.0)
    assert (heard.pieces, heard.refused) == (6, 1)
    assert (heard.equal_error_rate, heard.nearest) == (0, 1)
