"""Prepares recorded speech once: mono, 16 kHz, in several voices, in one file on disk."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile

from tools.training.voices import ALTERATIONS, Alteration, alter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

RATE = 16000
"""Samples a second of the prepared speech."""

_SAMPLES_FILE = "speech.i16"
TABLE_FILE = "speech.json"
"""Name of the table of the prepared speech, in the work folder."""

_SHORTEST_SECONDS = 1.0
_SUFFIXES = {".flac", ".wav"}


class SpeechError(Exception):
    """The folder of speech cannot be used for training. The message says what to change."""


@dataclass(frozen=True)
class Utterance:
    """A recording, and its place in the prepared samples."""

    speaker: str
    alteration: Alteration
    start: int
    length: int


@dataclass(frozen=True)
class Corpus:
    """Prepared speech.

    Attributes:
        utterances: Every recording in every voice.
        samples: Samples of all utterances, one after the other, 16-bit, mapped from disk.
    """

    utterances: tuple[Utterance, ...]
    samples: NDArray[np.int16]

    @property
    def speakers(self) -> tuple[str, ...]:
        """Names of the speakers, sorted."""
        return tuple(sorted({utterance.speaker for utterance in self.utterances}))

    def read(self, utterance: Utterance, start: int = 0, length: int | None = None) -> Wave:
        """Returns a part of an utterance in [-1, 1), shape (samples,)."""
        first = utterance.start + start
        last = utterance.start + (utterance.length if length is None else start + length)
        part = self.samples[first : min(last, utterance.start + utterance.length)]
        return part.astype(np.float32) / np.float32(32768.0)

    def by_class(
        self, speakers: Sequence[str], alterations: Sequence[Alteration]
    ) -> list[tuple[Utterance, ...]]:
        """Returns the utterances of each speaker in each voice, in the order asked for."""
        grouped: dict[tuple[str, Alteration], list[Utterance]] = {}
        for utterance in self.utterances:
            grouped.setdefault((utterance.speaker, utterance.alteration), []).append(utterance)
        return [tuple(grouped[one, voice]) for voice in alterations for one in speakers]


if TYPE_CHECKING:
    Wave = NDArray[np.float32]


def prepare_corpus(speech: Path, work: Path) -> Corpus:
    """Reads a folder of speech into the work folder, or reuses what was read from the same files.

    Args:
        speech: Folder of FLAC or WAV files named `{speaker}-...`.
        work: Folder for the result: about 160 kB for each second of speech.

    Raises:
        SpeechError: The folder is missing, holds no speech, or a file cannot be read.
    """
    files = _speech_files(speech)
    source = [
        [[path.name, path.stat().st_size] for path in files],
        [list(alteration) for alteration in ALTERATIONS],
    ]
    table = work / TABLE_FILE
    if not table.is_file() or json.loads(table.read_text("utf-8"))["source"] != source:
        _write_corpus(files, source, work)
    return open_corpus(work)


def open_corpus(work: Path) -> Corpus:
    """Maps the corpus that `prepare_corpus` wrote into this folder."""
    table = json.loads((work / TABLE_FILE).read_text("utf-8"))
    utterances = tuple(
        Utterance(speaker, Alteration(*alteration), start, length)
        for speaker, alteration, start, length in table["utterances"]
    )
    return Corpus(utterances, np.memmap(work / _SAMPLES_FILE, dtype=np.int16, mode="r"))


def split_speakers(
    speakers: Sequence[str], held_out: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Returns the speakers to train on and those held out. Equal names give equal results.

    Raises:
        SpeechError: There are too few speakers to hold out `held_out` of them.
    """
    if len(speakers) < held_out + 2:
        message = f"{len(speakers)} speakers are too few to hold out {held_out}"
        raise SpeechError(message)
    order = np.random.default_rng(251).permutation(len(speakers))
    chosen = set(order[:held_out].tolist())
    trained = tuple(name for index, name in enumerate(speakers) if index not in chosen)
    return trained, tuple(name for index, name in enumerate(speakers) if index in chosen)


def _speech_files(speech: Path) -> list[Path]:
    if not speech.is_dir():
        message = f"{speech} is no folder; give --speech a folder of FLAC or WAV files"
        raise SpeechError(message)
    files = sorted(path for path in speech.iterdir() if path.suffix.lower() in _SUFFIXES)
    if not files:
        message = f"{speech} holds no .flac or .wav file named like speaker-anything.flac"
        raise SpeechError(message)
    return files


def _write_corpus(files: list[Path], source: list[Any], work: Path) -> None:
    work.mkdir(parents=True, exist_ok=True)
    rows: list[tuple[str, Alteration, int, int]] = []
    position = 0
    unfinished = work / f"{_SAMPLES_FILE}.part"
    with unfinished.open("wb") as out:
        for path in files:
            speaker = path.name.split("-")[0]
            for alteration, wave in _in_every_voice(path):
                out.write(_as_int16(wave).tobytes())
                rows.append((speaker, alteration, position, len(wave)))
                position += len(wave)
    unfinished.replace(work / _SAMPLES_FILE)
    table = {"source": source, "utterances": rows}
    (work / TABLE_FILE).write_text(json.dumps(table), "utf-8")


def _in_every_voice(path: Path) -> Iterator[tuple[Alteration, NDArray[np.float64]]]:
    try:
        wave, rate = soundfile.read(path, always_2d=True)
    except soundfile.LibsndfileError as error:
        message = f"{path} cannot be read as audio ({error}); remove it or replace it"
        raise SpeechError(message) from error
    if len(wave) < _SHORTEST_SECONDS * rate:
        message = f"{path} is shorter than {_SHORTEST_SECONDS} s; remove it"
        raise SpeechError(message)
    mono = wave.mean(axis=1)
    for alteration in ALTERATIONS:
        yield alteration, alter(mono, rate, alteration)


def _as_int16(wave: NDArray[np.float64]) -> NDArray[np.int16]:
    return np.clip(np.rint(wave * 32768.0), -32768, 32767).astype(np.int16)
