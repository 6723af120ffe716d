"""Silence that never reaches the network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from embedding_service.decoding.decoding import INLINE_BYTES, Order, decode
from embedding_service.decoding.readers import Pcm
from embedding_service.decoding.silence import audible

RATE = 16000


def noise(seconds: float, level: float = 0.1, seed: int = 0) -> NDArray[np.float32]:
    """Even noise: audible all along."""
    random = np.random.default_rng(seed)
    return (level * random.standard_normal(round(seconds * RATE))).astype(np.float32)


def silence(kind: str, seconds: float) -> NDArray[np.float32]:
    """Samples that hold no sound."""
    count = round(seconds * RATE)
    random = np.random.default_rng(1)
    made = {
        "zeros": np.zeros(count),
        "offset": np.full(count, 0.01),
        "one bit": random.integers(-1, 2, count) / 2**15,
        "idle mu-law": random.choice([-8, 8], count) / 2**15,
        "far below": 10 ** (-68 / 20) * random.standard_normal(count),
    }
    return made[kind].astype(np.float32)


KINDS = ["zeros", "offset", "one bit", "idle mu-law", "far below"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seconds", [0.03, 1, 30])
def test_silence_is_left_out(kind: str, seconds: float) -> None:
    """Before, after and in the middle of sound, it leaves what sounds to the last sample."""
    one, other, quiet = noise(2, 0.5), noise(1, 0.5, seed=2), silence(kind, seconds)
    for parts in ([quiet, one, other], [one, quiet, other], [one, other, quiet]):
        assert np.array_equal(audible(np.concatenate(parts), RATE), np.concatenate([one, other]))


def test_sound_stays_as_it_is() -> None:
    """Speech-like sound with soft parts, 40 dB below its loud ones, loses nothing."""
    sound = np.concatenate([noise(1), noise(1, 0.001)])
    assert audible(sound, RATE) is sound


def test_quiet_recordings_stay() -> None:
    """Sound that is quiet all along is judged by its own level."""
    sound = noise(2, 10 ** (-60 / 20))
    assert audible(sound, RATE) is sound


@pytest.mark.parametrize("kind", ["zeros", "one bit"])
def test_silence_alone_leaves_nothing(kind: str) -> None:
    """What holds no sound holds nothing to embed."""
    assert not len(audible(silence(kind, 2), RATE))


def test_a_click_keeps_what_is_around_it() -> None:
    """So much is kept that the network has something to hear."""
    sound = np.zeros(RATE, np.float32)
    sound[8000:8080] = noise(0.005)
    kept = audible(sound, RATE)
    assert 0.1 * RATE <= len(kept) < 0.2 * RATE
    assert np.abs(kept).max() == np.abs(sound).max()


@pytest.mark.parametrize("seconds", [3, INLINE_BYTES / 4 / RATE + 60])
def test_what_is_decoded_has_no_silence(tmp_path: Path, seconds: float) -> None:
    """Audio in memory and audio in a file lose the same frames, and their length is still told."""
    sound, quiet = noise(seconds), silence("zeros", 40.005)
    sink = tmp_path / "samples"
    sink.touch()
    order = Order(
        np.concatenate([sound, quiet, sound]).tobytes(),
        str(sink),
        RATE,
        3600,
        -70,
        Pcm(RATE, 1, "<f4"),
    )
    decoded = decode(order)
    kept = decoded.samples if decoded.samples is not None else np.fromfile(sink, np.float32)
    assert decoded.heard.samples == len(kept)
    assert decoded.heard.seconds == pytest.approx(2 * seconds + 40.005, abs=0.001)
    # Sound that begins or ends within a frame takes what is left of the frame along.
    assert abs(len(kept) - 2 * len(sound)) <= 2 * 160
    assert np.array_equal(kept[: len(sound)], sound)
