"""Many channels to one."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from embedding_service.decoding.mixing import Mixer
from embedding_service.decoding.readers import AudioError


def noise(seed: int) -> NDArray[np.float32]:
    """A block of one channel."""
    return (0.1 * np.random.default_rng(seed).standard_normal(4000)).astype(np.float32)


def test_channels_are_averaged() -> None:
    """Equal and unlike channels give their mean."""
    block = np.stack([noise(1), noise(2), noise(1)], axis=1)
    assert np.allclose(Mixer(3).mix(block), block.mean(axis=1), atol=1e-7)


@pytest.mark.parametrize("rest", [0.0, 0.05])
def test_channels_that_cancel_out(rest: float) -> None:
    """Of channels of opposite sign, exact or nearly so, the louder one is taken."""
    one, other = noise(1), noise(2)
    block = np.stack([one, -0.9 * one + rest * other], axis=1)
    assert np.array_equal(Mixer(2).mix(block), one)


def test_the_choice_does_not_change_with_a_quiet_block() -> None:
    """Silence after channels of opposite sign is still taken of one channel."""
    mixer, one = Mixer(2), noise(1)
    mixer.mix(np.stack([one, -one], axis=1))
    soft = 1e-3 * noise(2)
    assert np.array_equal(mixer.mix(np.stack([soft, soft], axis=1)), soft)


@pytest.mark.parametrize("channel", [1, 2, 3])
def test_one_channel_is_heard(channel: int) -> None:
    """The channel that is chosen is given as it is, also beside its opposite."""
    block = np.stack([noise(1), -noise(1), noise(2)], axis=1)
    assert np.array_equal(Mixer(3, channel).mix(block), block[:, channel - 1])


@pytest.mark.parametrize(("channels", "there"), [(1, "1 channel"), (2, "2 channels")])
def test_a_channel_that_is_not_there(channels: int, there: str) -> None:
    """The refusal says how many channels there are."""
    with pytest.raises(AudioError, match=there) as raised:
        Mixer(channels, channels + 1)
    assert raised.value.reason == "AUDIO_CHANNEL_MISSING"


def test_a_silent_channel_costs_nothing() -> None:
    """One voice among empty channels is no cancelling out."""
    block = np.zeros((4000, 8), np.float32)
    block[:, 3] = noise(1)
    assert np.allclose(Mixer(8).mix(block), block[:, 3] / 8, atol=1e-7)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_no_numbers(value: float) -> None:
    """Samples that are no sound are refused."""
    block = np.full((10, 2), value, np.float32)
    with pytest.raises(AudioError):
        Mixer(2).mix(block)
