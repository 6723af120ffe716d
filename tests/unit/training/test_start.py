"""A run that begins with a checkpoint, and the average of weights that every run gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import paddle
import pytest

from tests.unit.training.small_run import small_run
from tools.training.averaging import average_in, blend_in
from tools.training.batches import BatchMaker, BatchPlan
from tools.training.checkpoint import StartError, export_checkpoint, load_weights
from tools.training.corpus import prepare_corpus
from tools.training.network import EncoderShape, build_encoder
from tools.training.objective import AngularMarginClassifier
from tools.training.options import OptionsError
from tools.training.recipe import Training

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

SHAPE = EncoderShape(channels=(16, 16, 16, 16, 48))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of fresh weights."""
    folder = tmp_path_factory.mktemp("checkpoint")
    paddle.seed(11)
    export_checkpoint(build_encoder(SHAPE), SHAPE, 5, folder)
    return folder


def _weights(encoder: Any) -> dict[str, Any]:
    return {name: value.numpy().copy() for name, value in encoder.state_dict().items()}


def _change(speech: Path, checkpoint: Path, work: Path, **options: Any) -> dict[str, Any]:
    """Returns the change of the weights by one small step from the checkpoint, by name."""
    Training(small_run(speech, work, start=checkpoint, steps=1, **options), [].append).run()
    first, last = build_encoder(SHAPE), build_encoder(SHAPE)
    load_weights(first, checkpoint)
    load_weights(last, work / "checkpoint")
    before, after = _weights(first), _weights(last)
    return {name: after[name] - before[name] for name in before}


@pytest.fixture(scope="module")
def change(
    speech: Path, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """The change by a run that keeps nothing of the checkpoint besides."""
    return _change(speech, checkpoint, tmp_path_factory.mktemp("change"))


def test_run_begins_with_the_checkpoints_weights(change: dict[str, Any]) -> None:
    """One small step from it: the result is close to the checkpoint and yet another."""
    assert any(each.any() for each in change.values())
    assert all(np.abs(each).max() < 1e-3 for each in change.values() if each.ndim == 3)


def test_missing_checkpoint_is_an_error(tmp_path: Path) -> None:
    """The message names the option."""
    with pytest.raises(StartError, match="--start"):
        load_weights(build_encoder(SHAPE), tmp_path)


def test_checkpoint_of_another_shape_is_an_error(checkpoint: Path) -> None:
    """The message says which option to change."""
    wider = build_encoder(EncoderShape(channels=(24, 24, 24, 24, 72)))
    with pytest.raises(StartError, match="--width"):
        load_weights(wider, checkpoint)


def test_typical_clips_show_every_class_once(speech: Path, tmp_path: Path) -> None:
    """In order, so that their embeddings can be the classes' first centres."""
    prepare_corpus(speech, tmp_path)
    maker = BatchMaker(BatchPlan(1, tmp_path, ("ada", "bob"), voices=2, sounds_per_family=1))
    batches = list(maker.typical(8))
    labels = np.concatenate([batch.labels for batch in batches])
    assert np.array_equal(labels, np.arange(maker.class_count))
    assert all(len(batch.features) == len(batch.labels) for batch in batches)


def test_centres_begin_where_the_classes_are() -> None:
    """Each embedding has cosine 1 to the centre of its class."""
    classifier = AngularMarginClassifier(8, 3)
    embeddings = paddle.to_tensor(np.random.default_rng(0).normal(size=(3, 8)).astype("float32"))
    classifier.begin_at(embeddings)
    assert np.allclose(np.diag(classifier(embeddings).numpy()), 1.0, atol=1e-5)


def test_average_follows_the_weights_slowly() -> None:
    """First it is the weights themselves, later it lies between its past and theirs."""
    average, current = build_encoder(SHAPE), build_encoder(SHAPE)
    average_in(average, current, 1)
    copied, theirs = _weights(average), _weights(current)
    assert all(np.allclose(copied[name], theirs[name], atol=1e-6) for name in theirs)
    for weight in current.state_dict().values():
        weight.set_value(weight + 1.0)
    average_in(average, current, 801)
    assert all(np.array_equal(_weights(average)[name], copied[name]) for name in copied)
    average_in(average, current, 800)
    moved = _weights(average)
    assert all(np.allclose(moved[name] - theirs[name], 0.02, atol=1e-4) for name in theirs)


def test_result_keeps_a_share_of_the_start(
    speech: Path, checkpoint: Path, tmp_path: Path, change: dict[str, Any]
) -> None:
    """The same run exports weights so much nearer to the checkpoint."""
    half = _change(speech, checkpoint, tmp_path, keep=0.5)
    assert all(np.allclose(half[name], change[name] / 2, atol=1e-5) for name in change)


def test_share_of_no_start_is_an_error(tmp_path: Path) -> None:
    """The message names both options."""
    with pytest.raises(OptionsError, match=r"--keep .* --start"):
        small_run(tmp_path, tmp_path, keep=0.4)


def test_blending_goes_a_share_of_the_way() -> None:
    """A quarter of the way lies a quarter of the difference from the first."""
    first, other = build_encoder(SHAPE), build_encoder(SHAPE)
    before, theirs = _weights(first), _weights(other)
    blend_in(first, other, 0.25)
    after = _weights(first)
    assert all(
        np.allclose(after[name], 0.75 * before[name] + 0.25 * theirs[name], atol=1e-5)
        for name in before
    )
