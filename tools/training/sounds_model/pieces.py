"""Cuts unpacked recordings and synthetic sounds into pieces of up to 2 s, the examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import soundfile
import soxr

from tools.training.sounds.classes import draw_classes, render
from tools.training.sounds_model.kinds import KINDS, kinds_of, series_of
from tools.training.sounds_model.sources import HELD_OUT, SOURCES, origin_of
from tools.training.sounds_model.unpacking import sound_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.random import Generator
    from numpy.typing import NDArray

    Wave = NDArray[np.float32]

RATE = 32000
"""Samples a second of the pieces, Hz."""

LONGEST = 2 * RATE
_SHORTEST = RATE // 10
_MOST_A_FILE = 6
_READ_SECONDS = 30
_PEAK = 0.7
_SYNTHETIC = "synthesis"
_SPEECH = KINDS.index("Speech")


@dataclass(frozen=True)
class Piece:
    """Up to 2 s of a sound.

    Attributes:
        wave: Samples at 32 kHz with the peak 0.7, shape (samples,).
        origin: The recordings it is from: a package, a drum kit, a folder of speech, synthesis.
        series: Name that takes of the same sound share.
        kinds: Numbers of its kinds; none if they are not known.
        first: True for the first piece of a file.
    """

    wave: Wave
    origin: str
    series: str
    kinds: tuple[int, ...] = ()
    first: bool = True

    @property
    def held_out(self) -> bool:
        """True for a piece that training never hears."""
        return self.origin in HELD_OUT

    @property
    def synthetic(self) -> bool:
        """True for a sound that the recipe makes itself."""
        return self.origin == _SYNTHETIC


def unpacked_pieces(folder: Path) -> Iterator[Piece]:
    """Reads the packages that were unpacked into a folder. A file that can't be read is left out.

    A file of speech gives one piece, any other up to six.
    """
    for path in _chosen(sound_files(folder)):
        kinds = tuple(kinds_of(path))
        try:
            wave = read(folder / path)
        except soundfile.LibsndfileError:
            continue
        most = 1 if _SPEECH in kinds else _MOST_A_FILE
        for number, part in enumerate(cut(wave, most)):
            yield Piece(part, origin_of(path), series_of(path), kinds, number == 0)


def speech_pieces(folder: Path, most: int = 251) -> Iterator[Piece]:
    """Reads recordings of speech from a folder, one piece of each."""
    for path in sorted(folder.iterdir())[:most]:
        for part in cut(read(path), 1):
            yield Piece(part, "speech", f"speech/{path.stem}", (_SPEECH,))


def synthetic_pieces(per_family: int, variants: int, rng: Generator) -> Iterator[Piece]:
    """Makes variants of the classes of synthetic sound, half of them an octave higher."""
    for number, sound in enumerate(draw_classes(per_family)):
        for _ in range(variants):
            samples = int(RATE * np.exp(rng.uniform(np.log(0.4), np.log(2.0))))
            if rng.random() < 0.5:
                wave = render(sound, rng, samples)
            else:
                wave = soxr.resample(render(sound, rng, samples // 2), RATE // 2, RATE, "LQ")
            yield Piece(_scaled(wave[:LONGEST]), _SYNTHETIC, f"{_SYNTHETIC}/{number}")


def read(path: Path) -> Wave:
    """Reads the first 30 s of a file as one channel at 32 kHz.

    Raises:
        soundfile.LibsndfileError: The file is no sound that can be read.
    """
    with soundfile.SoundFile(path) as file:
        rate = file.samplerate
        channels = file.read(_READ_SECONDS * rate, dtype="float32", always_2d=True)
    mean = channels.mean(axis=1)
    # Channels of opposite sign would cancel each other.
    cancels = _peak(mean) <= 0.2 * _peak(channels)
    wave = channels[:, 0] if cancels else mean
    return np.asarray(soxr.resample(wave, rate, RATE, "MQ"), np.float32)


def cut(wave: Wave, most: int) -> list[Wave]:
    """Cuts a recording into pieces of 2 s; silence at both ends is left out."""
    if len(wave) < RATE // 20 or _peak(wave) < 1e-3:
        return []
    loud = np.flatnonzero(np.abs(wave) > 0.01 * _peak(wave))
    wave = wave[max(0, loud[0] - RATE // 100) : loud[-1] + RATE // 10]
    starts = range(0, max(1, len(wave) - RATE // 2), LONGEST)
    parts = (wave[start : start + LONGEST] for start in starts)
    whole = [part for part in parts if len(part) >= _SHORTEST and _peak(part) > 1e-3]
    return [_scaled(part) for part in whole[:most]]


def _chosen(paths: list[str]) -> list[str]:
    """Leaves out most files of speech, of which some packages hold hundreds."""
    rng = np.random.default_rng(1)
    dropped: set[str] = set()
    for source in SOURCES:
        own = [path for path in paths if path.split("/")[0] == source.package]
        spoken = [path for path in own if _SPEECH in kinds_of(path)]
        dropped.update(str(path) for path in rng.permutation(spoken)[source.most_speech :])
    return [path for path in paths if path not in dropped]


def _scaled(wave: Wave) -> Wave:
    return np.asarray(wave * (_PEAK / max(_peak(wave), 1e-6)), np.float32)


def _peak(wave: Wave) -> float:
    return float(np.abs(wave).max(initial=0.0))
