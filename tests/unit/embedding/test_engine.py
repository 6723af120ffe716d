"""The engine gives PaddleSpeech's vectors, in the fastest precision that does, or none."""

from __future__ import annotations

import dataclasses
import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
from paddlespeech.vector.models.ecapa_tdnn import EcapaTdnn

from embedding_service.checkpoints.archive import read_checkpoint
from embedding_service.checkpoints.wanted import BUNDLED
from embedding_service.network import precision, reference
from embedding_service.network.engine import (
    LOWEST_COSINE,
    SHIPPED,
    EngineError,
    Measured,
    Options,
    fastest,
    open_engine,
)
from embedding_service.network.families import ecapatdnn
from embedding_service.network.families.ecapatdnn import graph
from embedding_service.network.family import Network
from embedding_service.network.features import FeatureSettings, log_mel
from embedding_service.network.precision import Precision
from embedding_service.network.sealed import SealedFiles
from embedding_service.settings import EmbeddingSettings

NARROW = {"input_size": 80, "channels": [64, 64, 64, 64, 192], "attention_channels": 16}
FEATURES = FeatureSettings()


def network_of(backbone: Any, shape: Mapping[str, Any]) -> Network:
    """Describes a Paddle network to the engine."""
    return ecapatdnn.network_of(backbone, shape, FEATURES, "5e" * 32)


def arrays_of(backbone: Any) -> dict[str, Any]:
    """The weights of a Paddle network by name."""
    return {key: value.numpy() for key, value in backbone.state_dict().items()}


def drawn(shape: Mapping[str, Any]) -> Network:
    """Such a network as the engine takes it."""
    return network_of(drawn_backbone(shape), shape)


def drawn_backbone(shape: Mapping[str, Any]) -> Any:
    """A network of random weights whose normalisations know what comes through them."""
    paddle.seed(3)
    backbone = EcapaTdnn(**shape)
    for layer in backbone.sublayers():
        if isinstance(layer, paddle.nn.BatchNorm1D):
            layer._momentum = 0.0
            layer.weight.set_value(paddle.uniform(layer.weight.shape, min=0.5, max=1.5))
            layer.bias.set_value(paddle.uniform(layer.bias.shape, min=-0.5, max=0.5))
    with paddle.no_grad():
        sounds = [log_mel(s, FEATURES)[:, :51] for s in reference.signals(16000) if len(s) >= 8000]
        backbone(paddle.to_tensor(np.stack(sounds)))
    backbone.eval()
    return backbone


def spoken(seconds: float, seed: int = 0) -> Any:
    """One clip: features of noise whose level and colour change, each of shape (bands, frames)."""
    random = np.random.default_rng(seed)
    noise = random.standard_normal(round(16000 * seconds))
    level = np.exp(2 * np.sin(np.arange(len(noise)) / 3000 + seed))
    return [log_mel((0.02 * level * np.convolve(noise, [1, seed / 5], "same")), FEATURES)]


def cosines(one: Any, other: Any) -> Any:
    """Cosine similarity row by row."""
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return np.sum(one.astype(float) * other, axis=1) / lengths


@pytest.fixture(scope="module")
def narrow() -> Network:
    """The official shape, but narrow."""
    return drawn(NARROW)


@pytest.fixture(scope="module")
def bundled() -> Network:
    """The checkpoint that comes with the project."""
    weights = read_checkpoint(BUNDLED["ecapatdnn_small-16k"])
    backbone = EcapaTdnn(**weights.config["model"])
    backbone.set_state_dict(
        {k.removeprefix("backbone."): v for k, v in weights.arrays.items() if k != "weight"}
    )
    backbone.eval()
    return network_of(backbone, weights.config["model"])


@pytest.mark.parametrize("name", ["narrow", "bundled"])
def test_paddlespeechs_vectors(name: str, request: pytest.FixtureRequest) -> None:
    """From 0.5 to 20 s, the chosen engine's vectors are PaddleSpeech's."""
    network = request.getfixturevalue(name)
    engine = open_engine(network, Options())
    assert engine.measured.lowest_cosine >= LOWEST_COSINE
    assert engine.measured.speed_ratio > 0
    for seconds in (0.5, 1, 5, 20):
        theirs = network.paddle(spoken(seconds)).vectors
        assert cosines(engine.run(spoken(seconds)).vectors, theirs).min() >= LOWEST_COSINE


@pytest.mark.parametrize(
    "change",
    [
        {"global_context": False},
        {"channels": [32, 64, 64, 192], "kernel_sizes": [3, 3, 3, 1], "dilations": [2, 1, 5, 1]},
        {"channels": [48, 48, 48, 96], "kernel_sizes": [5, 3, 3, 3], "dilations": [1, 2, 3, 2]},
        {"res2net_scale": 4, "se_channels": 16, "lin_neurons": 64},
        {"res2net_scale": 2},
    ],
)
def test_every_shape(change: dict[str, Any]) -> None:
    """For all settings of EcapaTdnn the graph computes the same, up to fp32's rounding."""
    if "channels" in change:
        change = {**change, "channels": [*change["channels"][:-1], sum(change["channels"][1:-1])]}
    network = drawn(NARROW | change)
    run = precision.compile_graph(network.graph(), network.packing, Precision.FP32, threads=2).run
    for clips in (spoken(0.1), spoken(1.7), spoken(0.3) + spoken(1.1, 1) + spoken(0.2, 2)):
        ours, theirs = run(clips).vectors, network.paddle(clips).vectors
        np.testing.assert_allclose(ours, theirs, atol=1e-4 * np.abs(theirs).max())


def test_clips_of_unlike_lengths(narrow: Network) -> None:
    """Clips give together what they give one by one, however many and however long they are."""
    engine = open_engine(narrow, Options())
    lengths = [0.1, 3, 0.4, 12, 1.7, 0.25, *(0.1 + 0.03 * index for index in range(40))]
    clips = [clip for seed, length in enumerate(lengths) for clip in spoken(length, seed)]
    one_by_one = np.concatenate([engine.run([clip]).vectors for clip in clips])
    assert cosines(engine.run(clips).vectors, one_by_one).min() > 0.99999


@pytest.mark.parametrize(("runs", "there"), [(1, 1), (2, 2), (0, 4), (64, 4)])
def test_many_threads(narrow: Network, runs: int, there: int) -> None:
    """Calls from many threads at once give what they give alone, with any share of the cores."""
    engine = open_engine(narrow, Options(threads=4, runs=runs))
    assert engine.runs == there
    clips = [spoken(0.5 + 0.1 * (seed % 4), seed) for seed in range(24)]
    alone = [engine.run(clip).vectors for clip in clips]
    with ThreadPoolExecutor(8) as pool:
        for run in (engine.run, engine.run_beside):
            together = [outputs.vectors for outputs in pool.map(run, clips)]
            assert cosines(np.concatenate(alone), np.concatenate(together)).min() > 0.99999


def broken(*_: object) -> Any:
    """Stands where nothing may be run again."""
    pytest.fail("made again, though it was kept")


def test_what_is_kept(narrow: Network, tmp_path: Path) -> None:
    """A second start neither runs PaddleSpeech's network nor converts it."""
    first = open_engine(narrow, Options(cache=tmp_path))
    # As on another processor, features differ in their last bits.
    rounded = lambda samples: np.nextafter(narrow.features(samples), np.float32(0))  # noqa: E731
    unused = dataclasses.replace(narrow, paddle=broken, graph=broken, features=rounded)
    again = open_engine(unused, Options(cache=tmp_path))
    assert again.measured.precision is first.measured.precision
    assert again.measured.speed_ratio == first.measured.speed_ratio
    np.testing.assert_array_equal(again.run(spoken(1)).vectors, first.run(spoken(1)).vectors)


def test_the_choice_of_another_start(narrow: Network, tmp_path: Path) -> None:
    """A choice stays, with other threads too and beside a precision that would be faster now."""
    open_engine(narrow, Options(cache=tmp_path))
    (choice,) = tmp_path.rglob("choice*")
    kept = SealedFiles(choice.parent)
    before = Measured(Precision.FP32, 1.0, 0.5)
    kept.write(choice.name, before.to_bytes())
    again = open_engine(narrow, Options(cache=tmp_path, threads=1))
    assert (again.measured.precision, again.measured.speed_ratio) == (Precision.FP32, 0.5)


@pytest.mark.parametrize(
    ("times", "best"),
    [([3.0, 2.0, 1.9], 2), ([3.0, 2.0, 1.99], 1), ([2.0, 1.95, 1.92], 0), ([1.0, 2.0, 3.0], 0)],
)
def test_a_tie(times: list[float], best: int) -> None:
    """Of precisions that are about as fast, the highest is chosen."""
    assert fastest(times) == best


def test_other_weights(narrow: Network, tmp_path: Path) -> None:
    """Cached files belong to their weights and settings alone."""
    options = Options(precision=Precision.FP32, cache=tmp_path)
    open_engine(narrow, options)
    other = dataclasses.replace(drawn(NARROW | {"lin_neurons": 64}), sha256="6f" * 32)
    assert open_engine(other, options).run(spoken(1)).vectors.shape == (1, 64)
    shape = NARROW | {"dilations": [1, 1, 1, 1, 1]}
    same_weights = drawn(shape)
    assert cosines(
        open_engine(same_weights, options).run(spoken(1)).vectors,
        same_weights.paddle(spoken(1)).vectors,
    ) == pytest.approx(1, abs=1e-4)


def flip(data: bytes) -> bytes:
    """Changes one bit in the middle."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


@pytest.fixture(scope="module")
def kept(narrow: Network, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """The cache of the narrow network, and its vector of a clip."""
    folder = tmp_path_factory.mktemp("kept")
    return folder, open_engine(narrow, Options(cache=folder)).run(spoken(1)).vectors


@pytest.mark.parametrize("damage", [flip, lambda data: data[:-1]])
def test_damaged_files(
    narrow: Network,
    kept: tuple[Path, Any],
    tmp_path: Path,
    damage: Callable[[bytes], bytes],
) -> None:
    """A damaged file is made again, never trusted."""
    folder, vector = kept
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 3
    for path in files:
        whole = path.read_bytes()
        path.write_bytes(damage(whole))
        engine = open_engine(narrow, Options(cache=tmp_path))
        assert cosines(engine.run(spoken(1)).vectors, vector) == pytest.approx(1, abs=1e-4)
        assert len(path.read_bytes()) >= len(whole) - 20
        assert path.read_bytes() != damage(whole)


def test_no_room_for_files(narrow: Network, tmp_path: Path) -> None:
    """A cache that can't be written costs time, not the start."""
    (tmp_path / "file").write_text("in the way")
    engine = open_engine(narrow, Options(cache=tmp_path / "file"))
    assert engine.measured.lowest_cosine >= LOWEST_COSINE


@pytest.fixture(scope="module")
def wrong(narrow: Network) -> Network:
    """A conversion with one layer's dilation mistaken."""
    shape = {**NARROW, "dilations": [1, 2, 3, 3, 1]}
    mistaken = functools.partial(graph.build, arrays_of(drawn_backbone(NARROW)), shape)
    return dataclasses.replace(narrow, graph=mistaken)


@pytest.mark.parametrize("named", [None, Precision.FP32])
def test_a_wrong_conversion(wrong: Network, tmp_path: Path, named: Precision | None) -> None:
    """A graph that computes something else is refused, with the cosine, and not kept."""
    with pytest.raises(EngineError, match=r"lowest cosine is 0\.\d+, and 0.9999 is needed"):
        open_engine(wrong, Options(precision=named, cache=tmp_path))
    assert not list(tmp_path.rglob("graph*"))
    assert not list(tmp_path.rglob("choice*"))


@pytest.fixture(scope="module")
def delicate(narrow: Network) -> Network:
    """A network whose vectors are small differences of large numbers: it needs fp32."""
    typical = np.mean(narrow.paddle(reference.features(narrow)).vectors, axis=0)
    backbone = drawn_backbone(NARROW)
    backbone.fc.conv.bias.set_value(arrays_of(backbone)["fc.conv.bias"] - typical)
    return network_of(backbone, NARROW)


def test_a_precision_that_does_not_hold(delicate: Network) -> None:
    """It is not chosen, however fast; naming it is refused with its cosine."""
    assert open_engine(delicate, Options()).measured.precision is Precision.FP32
    if Precision.BF16 in precision.available():
        words = r"in bf16, .* lowest cosine is 0\.\d+, and 0.9999"
    else:
        words = "is bf16, which this processor does not support"
    with pytest.raises(EngineError, match=words):
        open_engine(delicate, Options(precision=Precision.BF16))


def test_nothing_is_reported(tmp_path: Path) -> None:
    """The engine leaves no number of the user's in the home folder, and reports to nobody."""
    code = "from embedding_service.network import precision; print(precision.machine())"
    environment = {**os.environ, "HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert not list(tmp_path.rglob("*"))


def test_paddle_itself(narrow: Network) -> None:
    """PaddleSpeech's own network can be named."""
    engine = open_engine(narrow, Options(precision=Precision.PADDLE))
    np.testing.assert_array_equal(engine.run(spoken(1)).vectors, narrow.paddle(spoken(1)).vectors)


def test_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Precision, threads, runs, device and the folder of what is kept are settings."""
    default = Options.of(EmbeddingSettings())
    assert (default.precision, default.threads, default.runs) == (None, 0, 0)
    monkeypatch.setenv("AUDIOSEARCH_ENCODER_PRECISION", "mixed")
    monkeypatch.setenv("AUDIOSEARCH_ENCODER_CACHE", str(tmp_path))
    monkeypatch.setenv("AUDIOSEARCH_ENCODER_THREADS", "3")
    monkeypatch.setenv("AUDIOSEARCH_ENCODER_RUNS", "2")
    monkeypatch.setenv("AUDIOSEARCH_DEVICE", "cpu")
    wanted = Options(Precision.MIXED, tmp_path, 3, 2, shipped=SHIPPED)
    assert Options.of(EmbeddingSettings()) == wanted
