"""Channels with different sounds are told from channels with the same one."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from embedding_service.decoding.likeness import Likeness

RATE = 16000
SECONDS = 8
Sound = NDArray[np.float32]
SILENCE = np.zeros(SECONDS * RATE, np.float32)


def speech(seed: int, seconds: float = SECONDS) -> Sound:
    """Syllables of a tenth to a third of a second, with pauses, as loud as speech is."""
    random = np.random.default_rng(seed)
    parts: list[Sound] = []
    while sum(map(len, parts)) < seconds * RATE:
        length = int(random.uniform(0.1, 0.35) * RATE)
        loudness = 0 if random.random() < 0.2 else 10 ** random.uniform(-1.5, -0.5)
        parts.append(loudness * np.hanning(length) * random.standard_normal(length))
    return np.concatenate(parts)[: int(seconds * RATE)].astype(np.float32)


def noise(seed: int, level: float = 0.01) -> Sound:
    """Steady noise."""
    return (level * np.random.default_rng(seed).standard_normal(SECONDS * RATE)).astype(np.float32)


def late(sound: Sound, milliseconds: int) -> Sound:
    """The sound at a second microphone, farther away."""
    return np.roll(sound, milliseconds * RATE // 1000)


def room(sound: Sound, seed: int) -> Sound:
    """The sound in a room that rings for 0.6 s, as each microphone hears it in its own way."""
    length = int(0.6 * RATE)
    ring = np.random.default_rng(seed).standard_normal(length) * np.exp(
        -6.9 * np.arange(length) / length
    )
    ring[0] = np.sqrt(np.sum(ring[1:] ** 2))
    size = len(sound) + length
    heard = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(ring, size), size)[: len(sound)]
    return (heard / ring[0]).astype(np.float32)


def told(*channels: Sound, block: int = 2**18, rate: int = RATE) -> bool:
    """The judgement about channels that arrive in blocks of so many samples."""
    likeness = Likeness(len(channels), rate)
    sound = np.stack(channels, axis=1).astype(np.float32)
    for start in range(0, len(sound), block):
        likeness.add(sound[start : start + block])
    return likeness.unlike


def turns(one: Sound, other: Sound) -> tuple[Sound, Sound]:
    """Two voices that take turns of 1.5 s."""
    first = (np.arange(len(one)) // (RATE * 3 // 2)) % 2 == 0
    return one * first, other * ~first


@pytest.mark.parametrize(
    "channels",
    [
        (speech(1), speech(2)),
        (speech(1), 0.1 * speech(2)),
        turns(speech(1), speech(2)),
        (speech(1) + 0.1 * speech(2), speech(2) + 0.1 * speech(1)),
        (speech(1) + noise(3), speech(2) + noise(4)),
        (speech(1), speech(1), SILENCE, speech(2)),
    ],
    ids=["two voices", "one is soft", "turns", "crosstalk", "line noise", "of four channels"],
)
def test_two_voices_are_told(channels: tuple[Sound, ...]) -> None:
    """Voices of their own in two channels are told, also when they are never heard together."""
    assert told(*channels)


@pytest.mark.parametrize(
    "channels",
    [
        (speech(1), speech(1)),
        (speech(1), -speech(1)),
        (speech(1), 0.1 * speech(1)),
        (speech(1), late(speech(1), 10)),
        (speech(1), room(speech(1), 5)),
        (room(speech(1), 5), room(speech(1), 6)),
        (speech(1) + noise(3, 0.05), speech(1) + noise(4, 0.05)),
        (
            speech(1) * np.linspace(1, 0.1, len(SILENCE)),
            speech(1) * np.linspace(0.1, 1, len(SILENCE)),
        ),
    ],
    ids=["copy", "opposite", "to one side", "late", "near and far", "room", "noise", "moving"],
)
def test_one_voice_is_not_told(channels: tuple[Sound, ...]) -> None:
    """One voice, as two microphones hear it, is ordinary stereo."""
    assert not told(*channels)


@pytest.mark.parametrize(
    "other", [SILENCE, noise(3), 1e-3 * speech(2)], ids=["silent", "line noise", "30 dB softer"]
)
def test_a_voice_beside_nothing_is_not_told(other: Sound) -> None:
    """A channel without a sound of its own takes nothing from the mix."""
    assert not told(speech(1), other)


def test_steady_noise_is_not_told() -> None:
    """Rain in stereo: two noises of their own, and neither of them rises and falls."""
    assert not told(noise(1), noise(2))


@pytest.mark.parametrize("block", [1, 100, 4096])
def test_blocks_of_any_size_are_judged_alike(block: int) -> None:
    """A stream in small pieces is judged as the file is."""
    short = slice(0, 3 * RATE)
    for one, other in combinations(
        [speech(1)[short], speech(2)[short], late(speech(1), 5)[short]], 2
    ):
        assert told(one, other, block=block) == told(one, other)


def test_what_is_too_short_to_judge_is_not_told() -> None:
    """A second of two voices may rise and fall alike by chance."""
    assert not told(speech(1)[:RATE], speech(2)[:RATE])
    assert not told(SILENCE[:0], SILENCE[:0])


@pytest.mark.parametrize("rate", [1000, 8000, 48000])
def test_any_sample_rate(rate: int) -> None:
    """The rule counts in seconds."""

    def at(sound: Sound) -> Sound:
        return np.repeat(sound, rate // RATE) if rate > RATE else sound[:: RATE // rate]

    assert told(at(speech(1)), at(speech(2)), rate=rate)
    assert not told(at(speech(1)), at(late(speech(1), 5)), rate=rate)
