"""The teacher of a distillation: Resemblyzer's speaker encoder, on PaddlePaddle.

GE2E (Wan et al. 2018), three LSTM layers over 40 mel bands, trained on thousands of speakers by
Resemblyzer's authors. Only the training uses it.
"""

from __future__ import annotations

import hashlib
import math
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

_PARTS_AT_ONCE = 64
_CLIPS_AT_ONCE = 8
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

    def embed(self, clips: Sequence[Wave]) -> NDArray[np.float32]:
        """Returns the mean of the unit vectors of each clip's parts, shape (clips, 256).

        Args:
            clips: Mono samples at 16 kHz; one shorter than a part is padded.
        """
        parts = [_parts(self.mel(clip)) for clip in clips]
        owners = np.repeat(np.arange(len(clips)), [len(each) for each in parts])
        rows = np.concatenate(parts)
        sums = np.zeros((len(clips), DIMENSIONS), np.float32)
        for start in range(0, len(rows), _PARTS_AT_ONCE):
            chosen = slice(start, start + _PARTS_AT_ONCE)
            np.add.at(sums, owners[chosen], self._embed_parts(rows[chosen]))
        return np.asarray(sums / np.linalg.norm(sums, axis=1, keepdims=True))

    def _embed_parts(self, parts: NDArray[np.float32]) -> NDArray[np.float32]:
        with paddle.no_grad():
            _, (hidden, _) = self._lstm(paddle.to_tensor(parts))
            vectors = functional.normalize(functional.relu(self._linear(hidden[-1])), axis=1)
        return np.asarray(vectors.numpy())

    def mel(self, wave: Wave) -> NDArray[np.float32]:
        """Returns the power in each mel band, shape (frames, bands)."""
        level = 10.0 * np.log10(max(float(np.mean(np.square(wave))), 1e-10))
        raised = wave * np.float32(10.0 ** (max(0.0, _LEVEL_DBFS - level) / 20.0))
        return np.asarray(10.0 ** (mel_db(raised, _FEATURES).T / 10.0), np.float32)


def _parts(bands: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cuts bands, shape (frames, bands), into as few parts as cover them all."""
    bands = np.pad(bands, ((0, max(0, _PART_FRAMES - len(bands))), (0, 0)))
    count = math.ceil(len(bands) / _PART_FRAMES)
    starts = np.linspace(0, len(bands) - _PART_FRAMES, count).astype(int)
    return np.stack([bands[start : start + _PART_FRAMES] for start in starts])


def taught(path: Path, corpus: Corpus, voices: Sequence[Sequence[Utterance]], work: Path) -> Wave:
    """Returns the teacher's vector of each voice, whole and clean, shape (voices, 256).

    The vector is the sum of those of the voice's recordings.

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
    if not kept.is_file():
        owners = np.repeat(np.arange(len(voices)), [len(voice) for voice in voices])
        spoken = [utterance for voice in voices for utterance in voice]
        rows = np.zeros((len(voices), DIMENSIONS), np.float32)
        for start in range(0, len(spoken), _CLIPS_AT_ONCE):
            chosen = slice(start, start + _CLIPS_AT_ONCE)
            vectors = teacher.embed([corpus.read(utterance) for utterance in spoken[chosen]])
            np.add.at(rows, owners[chosen], vectors)
        unfinished = kept.with_suffix(".part")
        with unfinished.open("wb") as file:
            np.save(file, rows)
        unfinished.replace(kept)
    return np.asarray(np.load(kept), np.float32)
