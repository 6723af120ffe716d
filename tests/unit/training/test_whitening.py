"""Whitening of a run's result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import paddle
import pytest

from tests.unit.training.small_run import small_run
from tools.training.network import EncoderShape, build_encoder, embed_batch
from tools.training.options import OptionsError
from tools.training.recipe import Training
from tools.training.whitening import whiten, whitening

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(3)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_the_spread_of_directions_shrinks_by_its_power(power: float) -> None:
    """Directions that spread 10 to 1 are as near as the power says afterwards."""
    rows = RNG.normal(size=(4000, 2)) * (10.0, 1.0)
    spreads = (rows @ whitening(rows, power)).std(axis=0)
    assert spreads[0] / spreads[1] == pytest.approx(10.0 ** (1.0 - power), rel=0.4)


def test_the_last_layer_holds_it() -> None:
    """Embeddings of the changed encoder are the earlier ones, whitened."""
    encoder = build_encoder(EncoderShape(channels=(16, 16, 16, 16, 48)))
    encoder.eval()
    features = paddle.to_tensor(RNG.normal(size=(5, 80, 60)).astype(np.float32))
    with paddle.no_grad():
        before = embed_batch(encoder, features).numpy()
        whiten(encoder, before, 0.5)
        after = embed_batch(encoder, features).numpy()
    expected = before @ whitening(before, 0.5)
    assert np.allclose(after, expected, atol=1e-3 * np.abs(expected).max())


def test_a_run_whitens_its_result(speech: Path, tmp_path: Path) -> None:
    """Only the last layer of the checkpoint is another one."""
    exported: list[dict[str, Any]] = []
    for power in (0.0, 0.5):
        work = tmp_path / str(power)
        Training(small_run(speech, work, whiten=power), [].append).run()
        weights = paddle.load(str(work / "checkpoint/model/model.pdparams"))
        exported.append({name: value.numpy() for name, value in weights.items()})
    plain, whitened = exported
    changed = {name for name in plain if not np.array_equal(plain[name], whitened[name])}
    assert changed == {"backbone.fc.conv.weight", "backbone.fc.conv.bias"}


def test_more_than_whole_is_refused(tmp_path: Path) -> None:
    """The option is a share."""
    with pytest.raises(OptionsError, match="--whiten"):
        small_run(tmp_path, tmp_path, whiten=1.5)
