"""The model gives PaddleSpeech's own vectors, and refuses weights that do not fit."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from embedding_service.checkpoints.archive import CheckpointError, read_checkpoint
from embedding_service.checkpoints.checkpoint import Checkpoint, Source
from embedding_service.checkpoints.wanted import BUNDLED
from embedding_service.network.batching import Batcher, Work
from embedding_service.network.engine import SHIPPED, Options
from embedding_service.network.families import paddlespeech
from embedding_service.network.features import FeatureSettings, log_mel
from embedding_service.network.model import Model
from embedding_service.network.precision import Precision


def load(folder: Path) -> Model:
    """Loads a checkpoint folder."""
    return Model(Checkpoint("some-model", Source.SETTING, read_checkpoint(folder)))


def embed(model: Model, samples: Any) -> Any:
    """Embeds one piece of audio."""
    with Batcher([model]) as batcher:
        piece = batcher.submit(len(samples), lambda: samples, Work("key:a", len(samples), model))
        return piece.result().vector


def noise(seconds: float, seed: int = 0) -> Any:
    """Noise at 16 kHz."""
    random = np.random.default_rng(seed)
    return (0.1 * random.standard_normal(round(16000 * seconds))).astype(np.float32)


@pytest.mark.parametrize("seconds", [0.1, 0.5, 1, 5, 60])
def test_paddlespeechs_own_route(network: Any, write: Callable[..., Path], seconds: float) -> None:
    """Its embedding equals that of PaddleSpeech's VectorExecutor, scaled to length 1."""
    vector = embed(load(write()), noise(seconds))
    with paddle.no_grad():
        features = paddle.to_tensor(log_mel(noise(seconds), FeatureSettings())).unsqueeze(0)
        theirs = network.backbone(features, paddle.ones([1])).squeeze().numpy()
    assert vector.dtype == np.float32
    assert vector.shape == (192,)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)
    assert vector @ theirs / np.linalg.norm(theirs) > 0.9999


@pytest.mark.parametrize("name", ["ecapatdnn_small-16k", "panns_small-32k"])
def test_a_second_start(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It imports no Paddle and is equal, until a file of the first one is damaged."""
    checkpoint = Checkpoint(name, Source.BUNDLED, read_checkpoint(BUNDLED[name]))
    first = Model(checkpoint, Options(cache=tmp_path))
    imports: list[str] = []
    imported = paddlespeech.imported
    monkeypatch.setattr(
        paddlespeech, "imported", lambda *given: imports.append(given[0]) or imported(*given)
    )
    second = Model(checkpoint, Options(cache=tmp_path))
    assert imports == []
    assert second.info.traits == first.info.traits
    clip = [first.features(noise(1))]
    np.testing.assert_array_equal(second.run(clip).vectors, first.run(clip).vectors)
    for path in (path for path in tmp_path.rglob("*") if path.is_file()):
        path.write_bytes(path.read_bytes()[:-1])
    assert Model(checkpoint, Options(cache=tmp_path)).info.traits == first.info.traits
    assert imports


@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_model_needs_no_paddle(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not at its first start either. If this fails, `python -m tools.checked_models` is due."""
    monkeypatch.setitem(sys.modules, "paddle", None)
    checkpoint = Checkpoint(name, Source.BUNDLED, read_checkpoint(BUNDLED[name]))
    model = Model(checkpoint, Options(precision=Precision.FP32, shipped=SHIPPED))
    assert model.info.measured.holds
    assert np.isfinite(model.run([model.features(noise(1))]).vectors).all()


def test_known_weights_with_other_settings(write: Callable[..., Path], tmp_path: Path) -> None:
    """Weights that fitted one shape of a network are held against another one again."""
    folder = write("checkpoint")
    weights = read_checkpoint(folder)
    options = Options(cache=tmp_path / "cache")
    Model(Checkpoint("some-model", Source.SETTING, weights), options)
    config = {**weights.config, "model": {**weights.config["model"], "lin_neurons": 100}}
    other = dataclasses.replace(weights, config=config)
    with pytest.raises(CheckpointError, match=r"fc\.conv"):
        Model(Checkpoint("some-model", Source.SETTING, other), options)


def test_identity(write: Callable[..., Path]) -> None:
    """The same weights have the same name, other weights another one."""
    one = load(write("one")).info
    same = load(write("same")).info
    other = load(write("other", lambda w: w.update(weight=w["weight"] + 1))).info
    assert one.name == same.name == f"models/some-model-{one.weights_sha256[:12]}-p3"
    assert other.name != one.name


def test_the_classifier_may_be_absent(write: Callable[..., Path]) -> None:
    """Only the backbone's weights are needed."""
    whole = embed(load(write("whole")), noise(1))
    bare = embed(load(write("bare", lambda w: w.pop("weight"))), noise(1))
    assert whole @ bare > 0.9999


def drop(weights: dict[str, Any]) -> None:
    """Takes one weight away."""
    del weights["backbone.fc.conv.bias"]


def add(weights: dict[str, Any]) -> None:
    """Adds one that the network lacks."""
    weights["backbone.more"] = weights["backbone.fc.conv.bias"]


def reshape(weights: dict[str, Any]) -> None:
    """Gives one another shape."""
    weights["backbone.fc.conv.bias"] = weights["backbone.fc.conv.bias"][:100]


def spoil(weights: dict[str, Any]) -> None:
    """Makes one NaN."""
    weights["backbone.fc.conv.bias"] = weights["backbone.fc.conv.bias"] * float("nan")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (drop, "fc.conv.bias is missing"),
        (add, "more is unknown"),
        (reshape, r"fc.conv.bias has shape \(100,\), not \(192,\)"),
        (spoil, "fc.conv.bias holds values that are no numbers"),
        (dict.clear, r"is missing.*\(and \d+ more\)"),
    ],
)
def test_weights_that_do_not_fit(write: Callable[..., Path], change: Any, words: str) -> None:
    """Weights that are not exactly the network's are refused, naming them."""
    with pytest.raises(CheckpointError, match=words):
        load(write(change=change))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"sr": None}, "sr must be"),
        ({"n_mels": 40}, "n_mels"),
        ({"model": None}, "lacks model"),
        ({"model": {"input_size": 80, "odd": 1}}, "odd"),
        ({"model": {"input_size": 80, "channels": [7, 7, 7, 7, 21]}}, "model"),
    ],
)
def test_settings_that_do_not_fit(
    write: Callable[..., Path], config: dict[str, Any], words: str
) -> None:
    """A conf/model.yaml that makes no such network is refused, naming the key."""
    with pytest.raises(CheckpointError, match=words):
        load(write(**config))
