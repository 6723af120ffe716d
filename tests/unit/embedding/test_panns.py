"""The family PANNs: PaddleSpeech's vectors and tags, and the checkpoints that are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
import yaml
from paddle.audio.features import LogMelSpectrogram

from embedding_service.checkpoints.archive import CheckpointError, read_checkpoint
from embedding_service.checkpoints.checkpoint import Checkpoint, Source
from embedding_service.network import families
from embedding_service.network.batching import Batcher, Work
from embedding_service.network.engine import LOWEST_COSINE, Options
from embedding_service.network.families.panns import features as panns_features
from embedding_service.network.families.panns.network import Shape
from embedding_service.network.families.panns.packing import Batches, rounded_up
from embedding_service.network.family import Purpose
from embedding_service.network.model import Model
from embedding_service.network.precision import Precision, compile_graph
from tools.servers.checkpoints import (
    PANNS_FEATURES,
    random_panns,
    write_official_panns,
    write_panns,
)

RATE = 32000
LABELS = ("Bark", "Male speech, man speaking", "Bell")
SHAPES = {
    kind: Shape(kind, width, len(LABELS), dimension=32)
    for kind, width in (("CNN14", 1 / 32), ("CNN10", 1 / 16), ("CNN6", 1 / 16))
}


def noise(seconds: float, seed: int = 0) -> Any:
    """Noise at 32 kHz, of a swelling level."""
    random = np.random.default_rng(seed)
    level = 0.1 * np.exp(np.sin(np.arange(round(RATE * seconds)) / 5000))
    return (level * random.standard_normal(len(level))).astype(np.float32)


def tone(seconds: float) -> Any:
    """A single frequency."""
    return (0.3 * np.sin(np.arange(round(RATE * seconds)) / 9)).astype(np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint of a narrow CNN6."""
    shape = SHAPES["CNN6"]
    return write_panns(tmp_path / "narrow", random_panns(shape), shape, LABELS)


@pytest.mark.parametrize("made", [noise(2), noise(0.2) * 1e-4, np.zeros(RATE, np.float32)])
def test_features_are_paddles(made: Any) -> None:
    """They equal those of PaddleSpeech's classifiers up to the rounding of its arithmetic."""
    theirs = LogMelSpectrogram(
        sr=RATE, n_fft=1024, hop_length=320, win_length=1024, f_min=50.0, f_max=14000.0, n_mels=64
    )(paddle.to_tensor(made[np.newaxis])).numpy()[0]
    settings = panns_features.settings_of({"feature": PANNS_FEATURES})
    ours = panns_features.log_mel(made, settings, least_frames=16)
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_a_short_clip_is_followed_by_silence() -> None:
    """It has as many frames as the network needs, those of its own sound first."""
    settings = panns_features.settings_of({"feature": PANNS_FEATURES})
    short = panns_features.log_mel(noise(0.1), settings, least_frames=32)
    filled = np.concatenate([noise(0.1), np.zeros(round(0.3 * RATE), np.float32)])
    np.testing.assert_array_equal(
        short, panns_features.log_mel(filled, settings, least_frames=32)[:, :32]
    )


@pytest.mark.parametrize("kind", SHAPES)
def test_vectors_and_tags_are_paddlespeechs(kind: str, tmp_path: Path) -> None:
    """Clips of any length together give what the class gives for each alone."""
    shape = SHAPES[kind]
    made = random_panns(shape)
    checkpoint = write_panns(tmp_path / kind, made, shape, LABELS)
    network = families.build(read_checkpoint(checkpoint), threads=1)
    clips = [noise(2), noise(0.1), tone(0.77), noise(2, 1), noise(1.37), tone(3.3), noise(1.99)]
    features = [network.features(clip) for clip in clips]
    run = compile_graph(network.graph(), network.packing, Precision.FP32, threads=1).run
    ours = run(features)
    for number, clip in enumerate(features):
        with paddle.no_grad():
            made.extract_embedding = True
            vector = made(paddle.to_tensor(clip.T[np.newaxis, np.newaxis])).numpy()[0]
            made.extract_embedding = False
            tags = made(paddle.to_tensor(clip.T[np.newaxis, np.newaxis])).numpy()[0]
        np.testing.assert_allclose(ours.vectors[number], vector, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(ours.tags[number], tags, atol=1e-4)
    assert ours.vectors.min() >= 0
    theirs = network.paddle(features[:2])
    np.testing.assert_allclose(ours.tags[:2], theirs.tags, atol=1e-4)


def test_its_description(folder: Path) -> None:
    """Purpose, sizes, features and names of the tags follow from the checkpoint."""
    traits = families.build(read_checkpoint(folder), threads=1).traits
    assert (traits.family, traits.purpose, traits.tags) == ("panns_cnn6", Purpose.SOUNDS, LABELS)
    assert (traits.dimension, traits.sample_rate, traits.min_score) == (32, RATE, 0)
    assert traits.features == "64 log-mel bands, 32 ms every 10 ms"


def test_it_passes_the_gate(folder: Path) -> None:
    """The engine that is chosen gives PaddleSpeech's vectors; tags come with them."""
    checkpoint = Checkpoint("own", Source.SETTING, read_checkpoint(folder))
    model = Model(checkpoint, Options(threads=1))
    assert model.info.measured.lowest_cosine >= LOWEST_COSINE
    assert model.info.measured.precision is not Precision.PADDLE
    samples = noise(2)
    work = Work("key:a", len(samples), model)
    with Batcher([model]) as batcher:
        found = batcher.submit(work.left, lambda: samples, work).result()
    assert np.linalg.norm(found.vector) == pytest.approx(1, abs=1e-6)
    assert found.tags.shape == (len(LABELS),)


@pytest.mark.parametrize("kind", ["CNN10", "CNN6"])
def test_the_official_layout(kind: str, tmp_path: Path) -> None:
    """The file of weights tells the class; half the precision on disk is as good."""
    made = random_panns(Shape(kind))
    weights = read_checkpoint(write_official_panns(tmp_path / "official", made, kind))
    network = families.build(weights, threads=1)
    assert network.traits.family == f"panns_{kind.lower()}"
    assert (network.traits.dimension, len(network.traits.tags)) == (512, 527)
    halves = {key: array.astype(np.float16) for key, array in weights.arrays.items()}
    weights.arrays.update(halves)  # type: ignore[attr-defined]  # a plain dictionary
    again = families.build(weights, threads=1)
    clip = [network.features(noise(0.5))]
    one, other = network.paddle(clip).vectors[0], again.paddle(clip).vectors[0]
    assert one @ other / np.linalg.norm(one) / np.linalg.norm(other) > 0.999


def _config(folder: Path, section: str, **changes: Any) -> None:
    file = folder / "conf" / "model.yaml"
    config = yaml.safe_load(file.read_text())
    config[section] |= changes
    file.write_text(yaml.safe_dump(config))


def _weights(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    file = str(folder / "model" / "model.pdparams")
    weights = paddle.load(file)
    change(weights)
    paddle.save(weights, file)


def _labels(folder: Path, text: str) -> None:
    (folder / "conf" / "labels.txt").write_text(text)


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda f: _labels(f, "Bark\nBell\n"), "names 2 kinds of sound, but .* knows 3"),
        (lambda f: _labels(f, "Bark\nBell\nBark\n"), "names 'Bark' twice"),
        (lambda f: _labels(f, "Bark\nBell\n" + "x" * 200), "can't be a name"),
        (lambda f: _labels(f, ""), "names 0 kinds of sound"),
        (lambda f: (f / "conf" / "labels.txt").unlink(), "conf/labels.txt"),
        (lambda f: _config(f, "model", **{"class": "CNN10"}), "is missing"),
        (lambda f: _config(f, "model", width=1 / 32), "has shape"),
        (lambda f: _config(f, "model", width=3), "width must be"),
        (lambda f: _config(f, "feature", n_mels=80), "n_mels must be 64"),
        (lambda f: _config(f, "feature", window="kaiser"), "window must be hann"),
        (lambda f: _config(f, "feature", f_max=None), "f_max is missing"),
        (lambda f: _config(f, "feature", f_max=20000), "f_min and f_max can't be"),
        (lambda f: _config(f, "feature", hop_length=0), "hop_length must be"),
        (lambda f: _weights(f, lambda w: w.pop("fc1.weight")), "fc1.weight is missing"),
        (
            lambda f: _weights(f, lambda w: w.update({"fc1.bias": w["fc1.bias"] * np.nan})),
            "fc1.bias holds values that are no numbers",
        ),
    ],
)
def test_checkpoints_that_are_refused(
    folder: Path, harm: Callable[[Path], Any], words: str
) -> None:
    """Each flaw is one error that names the file and the reason."""
    harm(folder)
    with pytest.raises(CheckpointError, match=words):
        families.build(read_checkpoint(folder), threads=1)


def test_few_shapes() -> None:
    """Clips of up to a minute need few sizes of batch, and little is added to them."""
    lengths = range(16, 6002)
    sizes = [rounded_up(length) for length in lengths]
    assert len(set(sizes)) <= 110
    assert all(length <= size for length, size in zip(lengths, sizes, strict=True))
    assert all(size <= 1.07 * length for length, size in zip(lengths[84:], sizes[84:], strict=True))
    assert rounded_up(201) == 201


def test_batches() -> None:
    """Each clip is in one batch, with others of its size; long clips run alone."""
    lengths = [201, 100, 201, 6001, 200, 201, 102, 201, 201, 6001]
    groups = [list(group) for group in Batches().groups(lengths)]
    assert sorted(number for group in groups for number in group) == list(range(len(lengths)))
    assert [0, 2, 4, 5] in groups
    assert all(len({rounded_up(lengths[number]) for number in group}) == 1 for group in groups)
    assert [3] in groups
    assert list(Batches().groups([])) == []
