"""A checkpoint as large as the official one: downloaded, unpacked, converted, run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
from paddlespeech.vector.models.ecapa_tdnn import EcapaTdnn

from embedding_service.checkpoints.checkpoint import Source, find
from embedding_service.checkpoints.official import Official
from embedding_service.network.batching import Batcher, Work
from embedding_service.network.engine import LOWEST_COSINE, Options
from embedding_service.network.features import FeatureSettings, log_mel
from embedding_service.network.model import Model
from tools.servers.checkpoints import OFFICIAL_SHAPE, write_checkpoint

pytestmark = pytest.mark.slow

NAME = "sv0_ecapa_tdnn_voxceleb12_ckpt_0_2_0"


@pytest.fixture(scope="module")
def backbone() -> Any:
    """PaddleSpeech's network in its official shape, weights drawn by lot."""
    paddle.seed(11)
    made = EcapaTdnn(**OFFICIAL_SHAPE)
    made.eval()
    return made


@pytest.fixture
def folder(backbone: Any, tmp_path: Path) -> Path:
    """Its checkpoint as the official one is laid out."""
    return write_checkpoint(tmp_path / NAME, OFFICIAL_SHAPE, backbone.state_dict())


def noise(seconds: float) -> Any:
    """Noise of a swelling level."""
    random = np.random.default_rng(round(10 * seconds))
    level = np.exp(np.sin(np.arange(round(16000 * seconds)) / 5000))
    return (0.03 * level * random.standard_normal(len(level))).astype(np.float32)


def agreement(model: Model, backbone: Any, seconds: float) -> float:
    """Cosine similarity of the model's and PaddleSpeech's embedding."""
    samples = noise(seconds)
    with Batcher([model]) as batcher:
        piece = batcher.submit(len(samples), lambda: samples, Work("key:a", len(samples), model))
        ours = piece.result().vector
    with paddle.no_grad():
        features = paddle.to_tensor(log_mel(samples, FeatureSettings())).unsqueeze(0)
        theirs = backbone(features, paddle.ones([1])).squeeze().numpy()
    return float(ours @ theirs / np.linalg.norm(theirs))


@pytest.mark.timeout(600)
def test_from_its_address_to_vectors(
    server: Any, backbone: Any, folder: Path, pack: Callable[..., Path], tmp_path: Path
) -> None:
    """It is downloaded once, then taken from the cache, and gives PaddleSpeech's vectors."""
    archive = pack(folder, NAME)
    address = f"{server.address}/{NAME}.tar.gz"
    official = Official("ecapatdnn_voxceleb12-16k", "1.0", address, server.give(archive))
    home, cache = tmp_path / "home", Options(cache=tmp_path / "cache")
    found = find(None, official, home)
    assert found.source is Source.DOWNLOAD
    asked = server.asked
    model = Model(found, cache)
    assert model.info.traits.parameter_count == 20_805_952
    assert model.info.measured.lowest_cosine >= LOWEST_COSINE
    for seconds in (0.5, 3.3, 8):
        assert agreement(model, backbone, seconds) >= LOWEST_COSINE
    again = find(None, official, home, offline=True)
    assert (again.source, server.asked) == (Source.CACHE, asked)
    set_by_hand = find(archive, official, tmp_path / "elsewhere", offline=True)
    assert set_by_hand.source is Source.SETTING
    assert again.weights.sha256 == set_by_hand.weights.sha256 == model.info.weights_sha256
