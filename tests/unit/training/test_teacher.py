"""A run that learns from a teacher: its file, its vectors, their places, and the run."""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import paddle
import pytest

from tests.unit.training.small_run import RATE, small_run
from tools.training.checkpoint import export_checkpoint, load_state
from tools.training.corpus import Utterance
from tools.training.network import EncoderShape, build_encoder
from tools.training.objective import Places, Turn, cosines_to_places, soft_label_loss
from tools.training.options import OptionsError
from tools.training.recipe import Training
from tools.training.teacher import Lesson, Teacher, TeacherError
from tools.training.torch_file import TorchFileError, read_weights
from tools.training.voices import AS_RECORDED

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

pytestmark = pytest.mark.slow

HIDDEN = 256


class FloatStorage:
    """Stands for PyTorch's class of this name."""


class Stored(NamedTuple):
    """An array in the file, in a storage of its own or of another's numbers."""

    key: str
    array: NDArray[np.float32]

    def __reduce__(self) -> tuple[Any, ...]:
        """As PyTorch writes an array: a storage, an offset, a shape and strides."""
        strides = tuple(each // 4 for each in self.array.strides)
        return rebuild, (Reference(self), 0, self.array.shape, strides, False, OrderedDict())


@dataclass
class Reference:
    """The place of a storage in a pickle."""

    stored: Stored


def rebuild(*_: Any) -> None:
    """Stands for PyTorch's function that builds an array."""


class _Writer(pickle.Pickler):
    def persistent_id(self, value: Any) -> Any:
        if not isinstance(value, Reference):
            return None
        key, array = value.stored
        return ("storage", FloatStorage, key, "cuda:0", array.size, None)


def _pickled(content: Any) -> bytes:
    file = io.BytesIO()
    _Writer(file, protocol=2).dump(content)
    here = __name__.encode()
    return (
        file.getvalue()
        .replace(b"c" + here + b"\nrebuild\n", b"ctorch._utils\n_rebuild_tensor_v2\n")
        .replace(b"c" + here + b"\nFloatStorage\n", b"ctorch\nFloatStorage\n")
    )


def torch_file(arrays: dict[str, NDArray[np.float32]], **others: Any) -> bytes:
    """A checkpoint as PyTorch 1.1 wrote it, with arrays as its "model_state"."""
    stored = OrderedDict(
        (name, Stored(str(n), one)) for n, (name, one) in enumerate(arrays.items())
    )
    parts = [_pickled(0x1950A86A20F9469CFC6C), _pickled(1001), _pickled({"little_endian": True})]
    parts += [_pickled({"step": 3, "model_state": stored, **others})]
    parts += [_pickled([one.key for one in stored.values()])]
    for one in stored.values():
        parts += [one.array.size.to_bytes(8, "little"), one.array.tobytes()]
    return b"".join(parts)


def teachers_weights() -> dict[str, NDArray[np.float32]]:
    """Weights of the shapes of Resemblyzer's encoder."""
    rng = np.random.default_rng(5)
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in range(3):
        shapes[f"lstm.weight_ih_l{layer}"] = (4 * HIDDEN, HIDDEN if layer else 40)
        shapes[f"lstm.weight_hh_l{layer}"] = (4 * HIDDEN, HIDDEN)
        shapes[f"lstm.bias_ih_l{layer}"] = shapes[f"lstm.bias_hh_l{layer}"] = (4 * HIDDEN,)
    shapes |= {"linear.weight": (256, HIDDEN), "linear.bias": (256,)}
    return {
        name: (0.08 * rng.standard_normal(shape)).astype(np.float32)
        for name, shape in shapes.items()
    }


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A teacher of random weights."""
    path = tmp_path_factory.mktemp("teacher") / "pretrained.pt"
    path.write_bytes(torch_file(teachers_weights()))
    return path


def test_weights_are_read_as_they_were_written(pretrained: Path) -> None:
    """Every array has its name, shape and numbers."""
    read = read_weights(pretrained, "model_state")
    written = teachers_weights()
    assert read.keys() == written.keys()
    assert all(np.array_equal(read[name], written[name]) for name in written)


def test_file_that_asks_for_code_is_refused(tmp_path: Path) -> None:
    """Nothing of it is called."""
    path = tmp_path / "evil.pt"
    path.write_bytes(torch_file({}, run=print))
    with pytest.raises(TorchFileError, match=r"print, which holds no weights"):
        read_weights(path, "model_state")


@pytest.mark.parametrize("content", [b"", b"hello", torch_file(teachers_weights())[:-9]])
def test_damaged_file_is_refused(content: bytes, tmp_path: Path) -> None:
    """The message names the file."""
    path = tmp_path / "damaged.pt"
    path.write_bytes(content)
    with pytest.raises(TeacherError, match=r"damaged\.pt"):
        Teacher(path)


def test_other_network_is_refused(tmp_path: Path) -> None:
    """A file of PyTorch that holds something else is no teacher."""
    path = tmp_path / "other.pt"
    path.write_bytes(torch_file({"weight": np.zeros((2, 3), np.float32)}))
    with pytest.raises(TeacherError, match="another network"):
        Teacher(path)


def test_teacher_computes_as_pytorch_does(pretrained: Path) -> None:
    """Gates in PyTorch's order, the last output through a layer and cut off at zero."""
    rng = np.random.default_rng(0)
    wave = (0.1 * rng.standard_normal(16000)).astype(np.float32)
    teacher = Teacher(pretrained)
    weights = teachers_weights()
    outputs = np.pad(teacher.mel(wave), ((0, 59), (0, 0)))
    for layer in range(3):
        outputs = _lstm(outputs, weights, layer)
    vector = np.maximum(weights["linear.weight"] @ outputs[-1] + weights["linear.bias"], 0.0)
    (found,) = teacher.follow(wave)
    assert np.allclose(found, vector / np.linalg.norm(vector), atol=1e-5)


def _lstm(rows: NDArray[Any], weights: dict[str, Any], layer: int) -> NDArray[Any]:
    hidden, cell, outputs = np.zeros(HIDDEN), np.zeros(HIDDEN), []
    kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    ours, recurrent, one, other = (weights[f"lstm.{kind}_l{layer}"] for kind in kinds)
    for row in rows:
        gates = (ours @ row + recurrent @ hidden + one + other).reshape(4, HIDDEN)
        enter, forget, leave = 1.0 / (1.0 + np.exp(-gates[[0, 1, 3]]))
        cell = forget * cell + enter * np.tanh(gates[2])
        hidden = leave * np.tanh(cell)
        outputs.append(hidden)
    return np.array(outputs)


def test_loud_clips_keep_their_level_and_quiet_ones_are_raised(pretrained: Path) -> None:
    """The bands of a quiet clip are those of the same one at -30 dB, never louder."""
    wave = np.random.default_rng(1).standard_normal(8000).astype(np.float32)
    quiet, level, loud = (wave * 10 ** (gain / 20) for gain in (-50.0, -30.0, -20.0))
    teacher = Teacher(pretrained)
    assert np.allclose(teacher.mel(quiet), teacher.mel(level), rtol=1e-2)
    assert np.allclose(teacher.mel(loud), 10 * teacher.mel(level), rtol=1e-2)


def test_places_keep_the_teachers_cosines() -> None:
    """Vectors that are the encoder's, turned and moved, get the encoder's places."""
    rng = np.random.default_rng(2)
    own = rng.standard_normal((40, 6))
    own /= np.linalg.norm(own, axis=1, keepdims=True)
    turn, _ = np.linalg.qr(rng.standard_normal((9, 6)))
    vectors = own @ turn.T
    places = Turn.between(vectors, own).places(vectors)
    centred = own - own.mean(axis=0)
    expected = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    assert np.allclose(places, expected, atol=0.02)


def test_clips_have_the_places_of_their_own_vectors() -> None:
    """A clip without a vector has that of its class, which is the encoder's if it is no voice."""
    rng = np.random.default_rng(3)
    vectors, embeddings = rng.standard_normal((20, 9)), rng.standard_normal((22, 6))
    places = Places.between(vectors, embeddings)
    assert np.allclose(np.linalg.norm(places.classes, axis=1), 1.0)
    assert np.allclose(places.classes[21], embeddings[21] / np.linalg.norm(embeddings[21]))
    found = places.of_clips(
        np.array([3, 5, 21]), np.stack([vectors[4], vectors[5], 0 * vectors[0]])
    )
    assert np.allclose(found, places.classes[[4, 5, 21]])


def test_a_part_of_a_recording_has_half_its_own_vector() -> None:
    """Parts of 1.6 s count as much as they share with it; the other half is the whole."""
    utterance = Utterance("ada", AS_RECORDED, 0, 4 * RATE)
    vectors = np.eye(4, 256, dtype=np.float32)
    lesson = Lesson(vectors, {utterance: (0, 4)})
    whole = lesson.of(utterance)
    assert np.allclose(whole[:4], 0.5)
    first = lesson.of(utterance, 0, RATE) - whole * (lesson.of(utterance, 0, RATE) @ whole)
    assert first.argmax() == 0
    assert lesson.of(utterance, 3 * RATE, RATE)[:4].argmax() == 3


def test_soft_labels_are_met_at_the_places() -> None:
    """No embedding has a lower loss than its place, also where another voice is alike."""
    places = paddle.to_tensor([[1.0, 0.0], [0.98, 0.199], [-1.0, 0.0]])

    def loss(degrees: float) -> float:
        angle = np.radians(degrees)
        clip = paddle.to_tensor([[3 * np.cos(angle), 3 * np.sin(angle)]], dtype="float32")
        return float(soft_label_loss(cosines_to_places(clip, places), places, places[:1]))

    assert loss(0.0) < min(loss(-6.0), loss(6.0))


def test_run_learns_from_the_teacher_and_goes_on(
    speech: Path, pretrained: Path, tmp_path: Path
) -> None:
    """The teacher's vectors are computed once, and a resumed run has the same places."""
    shape = EncoderShape(channels=(16, 16, 16, 16, 48))
    export_checkpoint(build_encoder(shape), shape, 5, tmp_path / "first")
    options = {"start": tmp_path / "first", "teacher": pretrained, "voices": 2}
    lines: list[str] = []
    Training(small_run(speech, tmp_path, pause_after=1, **options), lines.append).run()
    assert any("teacher" in line for line in lines)
    (kept,) = tmp_path.glob("teacher-*.npy")
    parts = np.load(kept)
    assert len(parts) > 3 * 2 * 4
    assert np.allclose(np.linalg.norm(parts, axis=1), 1.0, atol=1e-4)
    before = load_state(tmp_path / "state.pdparams")["places"][0].numpy()
    Training(small_run(speech, tmp_path, resume=True, **options), lines.append).run()
    assert np.array_equal(load_state(tmp_path / "state.pdparams")["places"][0].numpy(), before)


def test_teacher_without_a_start_is_an_error(tmp_path: Path) -> None:
    """The message names both options."""
    with pytest.raises(OptionsError, match=r"--teacher .* --start"):
        small_run(tmp_path, tmp_path, teacher=tmp_path)
