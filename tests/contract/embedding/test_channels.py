"""One channel can be heard, and two unlike ones are not mixed without a word."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import soundfile
from audiosearch.embedding.v1.embedding_pb2 import (
    AUDIO_REMARK_UNLIKE_CHANNELS_MIXED,
    SAMPLE_TYPE_FLOAT32,
    PcmFormat,
)

from serving.errors import Reason, ServiceError
from tests.remarks import of_file

RATE = 16000
SECONDS = 6.0
PCM = PcmFormat(sample_rate=RATE, channels=2, sample_type=SAMPLE_TYPE_FLOAT32)
UNLIKE = [AUDIO_REMARK_UNLIKE_CHANNELS_MIXED]


@pytest.fixture(scope="module")
def sides(voice: Any) -> Any:
    """The two sides of a call: voices that begin and pause at other times."""
    time = np.arange(int(SECONDS * RATE)) / RATE
    one = voice(SECONDS, seed=1) * (np.sin(2 * np.pi * 1.3 * time) > -0.3)
    other = voice(SECONDS, seed=2) * (np.sin(2 * np.pi * 0.7 * time) < 0.4)
    return np.stack([one, other], axis=1).astype(np.float32)


def files(encode: Any, sides: Any) -> dict[str, tuple[bytes, dict[str, Any]]]:
    """The call as files of each reader, and the config that goes with each."""
    return {
        "plain wav": (encode(sides, subtype="FLOAT"), {}),
        "flac": (encode(sides, kind="FLAC"), {}),
        "mp3": (encode(sides, kind="MP3"), {}),
        "raw": (sides.tobytes(), {"pcm": PCM}),
    }


def alone(encode: Any, name: str, audio: bytes, channel: int) -> bytes:
    """A file of one channel of a file alone."""
    if name == "raw":
        samples = np.frombuffer(audio, np.float32).reshape(-1, 2)
    else:
        samples, _ = soundfile.read(io.BytesIO(audio), dtype="float32")
    return bytes(encode(samples[:, channel - 1], subtype="FLOAT"))


def vector(response: Any) -> Any:
    """The embedding as an array."""
    return np.array(response.embedding.values)


@pytest.mark.parametrize("name", ["plain wav", "flac", "mp3", "raw"])
def test_one_channel_is_heard(service: Any, encode: Any, sides: Any, name: str) -> None:
    """A channel gives what a file of this channel alone gives, and its properties are its own."""
    audio, config = files(encode, sides)[name]
    for channel in (1, 2):
        one = service.embed(alone(encode, name, audio, channel))
        heard = service.embed(audio, channel=channel, **config)
        assert vector(heard) @ vector(one) > 0.98
        assert heard.audio.channels == 2
        assert heard.audio.level_dbfs == pytest.approx(one.audio.level_dbfs, abs=0.2)
        assert not of_file(heard.audio.remarks)


@pytest.mark.parametrize("name", ["plain wav", "flac", "mp3", "raw"])
def test_unlike_channels_are_told(service: Any, encode: Any, sides: Any, name: str) -> None:
    """Two voices that were mixed are told."""
    audio, config = files(encode, sides)[name]
    assert of_file(service.embed(audio, **config).audio.remarks) == UNLIKE


def test_one_voice_in_two_channels_is_not_told(service: Any, encode: Any, sides: Any) -> None:
    """Ordinary stereo is mixed without a word."""
    stereo = np.stack([sides[:, 0], 0.3 * np.roll(sides[:, 0], 80)], axis=1)
    assert not of_file(service.embed(encode(stereo)).audio.remarks)


@pytest.mark.parametrize("name", ["plain wav", "flac", "mp3", "raw"])
def test_a_channel_that_is_not_there(service: Any, encode: Any, sides: Any, name: str) -> None:
    """It is refused, and the error says how many channels there are."""
    audio, config = files(encode, sides)[name]
    error = service.refuse(audio, channel=3, **config)
    assert error.reason is Reason.AUDIO_CHANNEL_MISSING
    assert "the audio has 2 channels" in error.message
    with pytest.raises(ServiceError) as failure:
        list(service.stream(audio, channel=3, **config))
    assert failure.value.reason is Reason.AUDIO_CHANNEL_MISSING


def test_a_number_that_no_channel_has(service: Any, encode: Any, sides: Any) -> None:
    """More channels than any audio may have are an invalid field."""
    audio = encode(sides)
    assert service.refuse(audio, channel=65).reason is Reason.FIELD_INVALID
    with pytest.raises(ServiceError) as failure:
        list(service.stream(audio, channel=65))
    assert failure.value.reason is Reason.FIELD_INVALID


@pytest.mark.parametrize("name", ["plain wav", "flac", "mp3", "raw"])
def test_streams(service: Any, encode: Any, sides: Any, name: str) -> None:
    """A stream hears one channel, too, and its summary tells of unlike ones that were mixed."""
    audio, config = files(encode, sides)[name]
    first, *_, last = service.stream(audio, chunk=1000, channel=2, **config)
    one = next(service.stream(alone(encode, name, audio, 2)))
    assert vector(first.window) @ vector(one.window) > 0.98
    assert not of_file(last.summary.audio.remarks)
    *_, last = service.stream(audio, chunk=1000, **config)
    assert of_file(last.summary.audio.remarks) == UNLIKE
