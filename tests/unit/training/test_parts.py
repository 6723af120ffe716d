"""The parts of the training recipe: sounds, augmentation, network, objective, measuring."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import pytest

from tools.training import augmentation
from tools.training.baseline import Baseline
from tools.training.network import EncoderShape, build_encoder, embed_batch
from tools.training.objective import SCALE, margin_loss
from tools.training.schedule import learning_rate_factor, margin_at
from tools.training.sounds.classes import FAMILIES, draw_classes, render

RATE = 16000


def _wave(seconds: float, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    rng = np.random.default_rng(seed)
    return (0.1 * rng.standard_normal(round(seconds * RATE))).astype(np.float32)


# Sounds


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
@pytest.mark.parametrize("samples", [4800, 48000])
def test_every_sound_can_be_heard(family: Any, samples: int) -> None:
    """Each family gives sound of the length asked for, from 0.3 to 3 s."""
    for number in range(8):
        sound = family.draw(np.random.default_rng(number))
        wave = render(sound, np.random.default_rng(number), samples)
        assert wave.shape == (samples,)
        assert np.isfinite(wave).all()
        assert 0.4 < np.abs(wave).max() < 0.6


def test_sounds_vary_but_can_be_repeated() -> None:
    """Each rendering differs, except from the same random numbers."""
    for sound in draw_classes(1):
        first, second, again = (render(sound, np.random.default_rng(n), RATE) for n in (1, 2, 1))
        assert np.array_equal(first, again)
        assert not np.array_equal(first, second)


def test_unseen_classes_are_others() -> None:
    """The classes that the examination calls new are not among those trained on."""
    seen = {repr(sound) for sound in draw_classes(6)}
    assert len(seen) == 6 * len(FAMILIES)
    assert not seen & {repr(sound) for sound in draw_classes(2, unseen=True)}


# Augmentation


def test_telephone_keeps_its_band_only() -> None:
    """At least 20 dB are lost an octave outside, less than 1 dB in the middle."""
    time = np.arange(RATE) / RATE

    def loss_db(hertz: float) -> float:
        tone = np.sin(2 * np.pi * hertz * time).astype(np.float32)
        after = augmentation.telephone(tone)[RATE // 4 :]
        return float(-20 * np.log10(np.sqrt(2 * np.mean(after**2))))

    assert loss_db(1000.0) < 1.0
    assert loss_db(150.0) > 20.0
    assert loss_db(6800.0) > 20.0


def test_noise_is_added_at_the_ratio_asked_for() -> None:
    """The powers of signal and noise differ by so many dB."""
    signal, noise = _wave(1.0, 1), 5 * _wave(1.0, 2)
    added = augmentation.add_noise(signal, noise, 15.0) - signal
    ratio = 10 * np.log10(np.mean(signal**2) / np.mean(added**2))
    assert ratio == pytest.approx(15.0, abs=0.01)


def test_degraded_clips_keep_their_length() -> None:
    """For any chain, the result is finite, in range and as long as before."""
    clip = _wave(0.4)
    for seed in range(120):
        rng = np.random.default_rng(seed)
        result = augmentation.degrade(clip, rng, augmentation.white_noise)
        assert result.shape == clip.shape
        assert result.dtype == np.float32
        assert np.isfinite(result).all()
        assert np.abs(result).max() <= 1.0


def test_mu_law_is_close_to_its_input() -> None:
    """Eight bits lose little: more than 30 dB stay between signal and error."""
    wave = _wave(1.0)
    error = augmentation.mu_law(wave) - wave
    assert 10 * np.log10(np.mean(wave**2) / np.mean(error**2)) > 30.0


# Network and objective


@pytest.fixture(scope="module")
def encoder() -> Any:
    """A small encoder with fresh weights."""
    paddle.seed(5)
    return build_encoder(EncoderShape(channels=(32, 32, 32, 32, 96)))


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_quick_forward_pass_is_paddlespeechs(encoder: Any, mode: str) -> None:
    """The rewritten pass gives the embeddings of the class itself."""
    getattr(encoder, mode)()
    features = paddle.randn([6, 80, 50])
    expected = encoder(features).squeeze(-1).numpy()
    actual = embed_batch(encoder, features).numpy()
    assert np.abs(actual - expected).max() <= 1e-3 * np.abs(expected).max()


def test_quick_backward_pass_is_paddlespeechs(encoder: Any) -> None:
    """The gradients of the weights agree as well."""
    encoder.train()
    features = paddle.randn([6, 80, 50])
    gradients = []
    for forward in (lambda: encoder(features).squeeze(-1), lambda: embed_batch(encoder, features)):
        encoder.clear_gradients()
        forward()[:, ::2].sum().backward()
        parameters = [weight for weight in encoder.parameters() if weight.grad is not None]
        gradients.append(np.concatenate([weight.grad.numpy().ravel() for weight in parameters]))
    expected, actual = gradients
    cosine = expected @ actual / np.linalg.norm(expected) / np.linalg.norm(actual)
    assert cosine > 0.9999


def test_loss_without_margin_is_the_cross_entropy() -> None:
    """A margin of zero leaves the plain softmax over scaled cosines."""
    rng = np.random.default_rng(0)
    cosines = rng.uniform(-0.9, 0.9, (4, 7)).astype(np.float32)
    labels = np.array([1, 0, 6, 3])
    logits = SCALE * cosines
    own = logits[np.arange(4), labels]
    expected = np.mean(np.log(np.exp(logits).sum(axis=1)) - own)
    loss = margin_loss(paddle.to_tensor(cosines), paddle.to_tensor(labels), 0.0)
    assert float(loss) == pytest.approx(expected, rel=1e-4)


def test_margin_makes_the_task_harder() -> None:
    """The same cosines cost more with a margin, also at the far end of the circle."""
    for own in (0.9, 0.5, -0.999):
        cosines = paddle.to_tensor([[own, 0.8, -0.2]])
        label = paddle.to_tensor([0])
        plain, harder = (float(margin_loss(cosines, label, margin)) for margin in (0.0, 0.2))
        assert harder > plain


def test_schedules_begin_and_end_where_they_should() -> None:
    """The rate rises, then falls to almost nothing; the margin comes in slowly."""
    assert learning_rate_factor(0.0) < 0.05
    assert learning_rate_factor(0.04) == pytest.approx(1.0)
    assert learning_rate_factor(1.0) < 0.01
    assert margin_at(0.05) == 0.0
    assert margin_at(0.9) == pytest.approx(0.2)


# Measuring


def test_baseline_gives_unit_vectors() -> None:
    """Its whitened statistics can be compared by cosine like any embedding."""
    clips = [_wave(1.0, seed) for seed in range(12)]
    vectors = Baseline.fit(clips).embed(clips[:3])
    assert vectors.shape == (3, 192)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0)
