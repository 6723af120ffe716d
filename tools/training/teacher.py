"""The teacher of a distillation: Resemblyzer's speaker encoder, on PaddlePaddle.

GE2E (Wan et al. 2018), three LSTM layers over 40 mel bands, trained on thousands of speakers by
Resemblyzer's authors. Only the training uses it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import paddle
from paddle.nn import functional

from embedding_service.network.features import FeatureSettings, mel_db
from tools.training.corpus import TABLE_FILE
from tools.training.torch_file import TorchFileError, read_weights

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tools.training.corpus import Corpus, Utterance

    Wave = NDArray[np.float32]

DIMENSIONS = 256
"""Dimensions of the teacher's vectors."""

_BANDS = 40
_HIDDEN = 256
_LAYERS = 3
_FEATURES = FeatureSettings(n_mels=_BANDS, lowest_hz=0.0)
_PART_FRAMES = 160
"""Frames of the parts that the teacher was trained on, 1.6 s."""

_STEP_FRAMES = 80
"""Frames between the begins of two parts."""

_LEVEL_DBFS = -30.0
"""Level that quieter clips are raised to."""


class TeacherError(Exception):
    """The file holds no such teacher. The message says why."""


class Teacher:
    """Resemblyzer's encoder."""

    def __init__(self, path: Path) -> None:
        """Loads the encoder.

        Args:
            path: `pretrained.pt` of the package resemblyzer 0.1.4.

        Raises:
            TeacherError: The file is missing, damaged, or holds another network.
        """
        try:
            weights = read_weights(path, "model_state")
        except TorchFileError as error:
            raise TeacherError(str(error)) from error
        self._lstm = paddle.nn.LSTM(_BANDS, _HIDDEN, num_layers=_LAYERS)
        self._linear = paddle.nn.Linear(_HIDDEN, DIMENSIONS)
        try:
            for kind in ("weight", "bias"):
                for layer in range(_LAYERS):
                    for part in ("ih", "hh"):
                        name = f"{kind}_{part}_l{layer}"
                        getattr(self._lstm, name).set_value(weights[f"lstm.{name}"])
            self._linear.weight.set_value(weights["linear.weight"].T)
            self._linear.bias.set_value(weights["linear.bias"])
        except (KeyError, ValueError) as error:
            message = f"{path} holds another network than Resemblyzer's encoder: {error}"
            raise TeacherError(message) from error

    def follow(self, clip: Wave) -> NDArray[np.float32]:
        """Returns unit vectors of parts of 1.6 s every 0.8 s, shape (parts, 256).

        Args:
            clip: Mono samples at 16 kHz; one shorter than a part is padded.
        """
        bands = self.mel(clip)
        bands = np.pad(bands, ((0, max(0, _PART_FRAMES - len(bands))), (0, 0)))
        starts = np.arange(_parts_count(len(clip))) * _STEP_FRAMES
        return self._embed(np.stack([bands[start : start + _PART_FRAMES] for start in starts]))

    def _embed(self, parts: NDArray[np.float32]) -> NDArray[np.float32]:
        with paddle.no_grad():
            _, (hidden, _) = self._lstm(paddle.to_tensor(parts))
            vectors = functional.normalize(functional.relu(self._linear(hidden[-1])), axis=1)
        return np.asarray(vectors.numpy())

    def mel(self, wave: Wave) -> NDArray[np.float32]:
        """Returns the power in each mel band, shape (frames, bands)."""
        level = 10.0 * np.log10(max(float(np.mean(np.square(wave))), 1e-10))
        raised = wave * np.float32(10.0 ** (max(0.0, _LEVEL_DBFS - level) / 20.0))
        return np.asarray(10.0 ** (mel_db(raised, _FEATURES).T / 10.0), np.float32)


@dataclass(frozen=True)
class Lesson:
    """The teacher's vectors of clean voices.

    Attributes:
        vectors: Unit vectors of parts of 1.6 s that begin every 0.8 s, shape (parts, 256).
        rows: Of each recording in each voice the row of the first part, and the end of the last.
    """

    vectors: Wave
    rows: dict[Utterance, tuple[int, int]]

    def of(self, utterance: Utterance, start: int = 0, length: int | None = None) -> Wave:
        """Returns the vector of a part of a recording, half of it that of the whole, shape (256,).

        Args:
            utterance: The recording.
            start: First sample.
            length: Number of samples; None means all.
        """
        first, end = self.rows[utterance]
        parts = self.vectors[first:end]
        whole = _unit(parts.sum(axis=0))
        if length is None:
            return whole
        begins = np.arange(end - first) * _STEP_FRAMES * _FEATURES.hop_size
        ends = begins + _PART_FRAMES * _FEATURES.hop_size
        shared = np.minimum(ends, start + length) - np.maximum(begins, start)
        return _unit(_unit(np.maximum(shared, 1.0) @ parts) + whole)


def _unit(row: Wave) -> Wave:
    return np.asarray(row / np.linalg.norm(row), np.float32)


def taught(path: Path, corpus: Corpus, voices: Sequence[Sequence[Utterance]], work: Path) -> Lesson:
    """Returns the teacher's vectors of all voices, clean.

    Args:
        path: The teacher's file.
        corpus: Prepared speech.
        voices: The recordings of each voice.
        work: Folder that keeps the vectors, for another run with the same teacher and voices.

    Raises:
        TeacherError: The file holds no such teacher.
    """
    teacher = Teacher(path)
    name = hashlib.sha256(path.read_bytes())
    name.update(repr(voices).encode() + (work / TABLE_FILE).read_bytes())
    kept = work / f"teacher-{name.hexdigest()[:16]}.npy"
    spoken = [utterance for voice in voices for utterance in voice]
    counts = [_parts_count(utterance.length) for utterance in spoken]
    if not kept.is_file():
        rows = [teacher.follow(corpus.read(utterance)) for utterance in spoken]
        unfinished = kept.with_suffix(".part")
        with unfinished.open("wb") as file:
            np.save(file, np.concatenate(rows))
        unfinished.replace(kept)
    ends = np.cumsum(counts).tolist()
    places = {
        utterance: (end - count, end)
        for utterance, count, end in zip(spoken, counts, ends, strict=True)
    }
    return Lesson(np.load(kept, mmap_mode="r"), places)


def _parts_count(samples: int) -> int:
    return max(1, (samples // _FEATURES.hop_size - _PART_FRAMES) // _STEP_FRAMES + 1)
