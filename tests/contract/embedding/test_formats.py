"""Every format, sample rate and channel count gives the same embedding of the same sound."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import soxr
from audiosearch.embedding.v1 import embedding_pb2
from audiosearch.embedding.v1.embedding_service_pb2 import ListModelsRequest

SECONDS = 6.0
FFMPEG = {
    "m4a/aac": ("ipod", "aac", 16000, {}),
    "m4a/alac": ("ipod", "alac", 48000, {}),
    "webm/opus": ("webm", "libopus", 48000, {}),
    "ogg/flac": ("ogg", "flac", 16000, {}),
    "mp3": ("mp3", "libmp3lame", 44100, {}),
}


@pytest.fixture(scope="module")
def sound(voice: Callable[..., Any]) -> Any:
    """The sound that all these files hold."""
    return voice(SECONDS, seed=1)


@pytest.fixture(scope="module")
def reference(service: Any, encode: Callable[..., bytes], sound: Any) -> Any:
    """Embedding of the sound as it is."""
    return vector(service.embed(encode(sound, subtype="FLOAT")))


def vector(response: Any) -> Any:
    """The embedding as an array."""
    return np.array(response.embedding.values)


@pytest.mark.parametrize(
    ("kind", "subtype", "heard", "least"),
    [
        ("WAV", "PCM_U8", "wav/pcm_u8", 0.98),
        ("WAV", "PCM_16", "wav/pcm_16", 0.9999),
        ("WAV", "PCM_24", "wav/pcm_24", 0.9999),
        ("WAV", "PCM_32", "wav/pcm_32", 0.9999),
        ("WAV", "DOUBLE", "wav/double", 0.9999),
        ("WAV", "ULAW", "wav/ulaw", 0.98),
        ("WAVEX", "PCM_16", "wav/pcm_16", 0.9999),
        ("AIFF", "PCM_16", "aiff/pcm_16", 0.9999),
        ("FLAC", "PCM_16", "flac/pcm_16", 0.9999),
        ("MP3", None, "mp3", 0.95),
        ("OGG", "VORBIS", "ogg/vorbis", 0.95),
        ("OGG", "OPUS", "ogg/opus", 0.95),
    ],
)
def test_files_of_libsndfile(
    service: Any,
    encode: Any,
    sound: Any,
    reference: Any,
    kind: str,
    subtype: str,
    heard: str,
    least: float,
) -> None:
    """A file in any format that libsndfile knows is embedded, with the properties of its audio."""
    response = service.embed(encode(sound, kind=kind, subtype=subtype))
    assert vector(response) @ reference > least
    assert response.audio.format == heard
    assert response.audio.duration.ToTimedelta().total_seconds() == pytest.approx(SECONDS, abs=0.05)
    # Opus is decoded at 48 kHz, whatever it was made of.
    rate = 48000 if subtype == "OPUS" else 16000
    assert (response.audio.sample_rate, response.audio.channels) == (rate, 1)


@pytest.mark.parametrize("heard", FFMPEG)
def test_files_of_ffmpeg(service: Any, ffmpeg: Any, sound: Any, reference: Any, heard: str) -> None:
    """A file in any format that FFmpeg knows is embedded."""
    response = service.embed(ffmpeg(sound, *FFMPEG[heard]))
    assert vector(response) @ reference > 0.95
    assert response.audio.format == heard
    assert response.audio.sample_rate == FFMPEG[heard][2]


@pytest.mark.parametrize(
    ("kind", "codec", "options"),
    [
        ("webm", "libopus", {"live": "1"}),
        ("mp4", "aac", {"movflags": "frag_keyframe+empty_moov"}),
    ],
)
def test_files_as_browsers_record_them(
    service: Any, ffmpeg: Any, sound: Any, kind: str, codec: str, options: dict[str, str]
) -> None:
    """Files that do not say how long they are, as browsers record them, are embedded."""
    response = service.embed(ffmpeg(sound, kind, codec, 48000, options))
    assert response.audio.duration.ToTimedelta().total_seconds() == pytest.approx(SECONDS, abs=0.05)


def test_a_flac_stream(service: Any, encode: Any, sound: Any, reference: Any) -> None:
    """A flac file that was streamed, and does not say how long it is, is embedded."""
    flac = bytearray(encode(sound, kind="FLAC"))
    flac[21] &= 0xF0  # the number of samples takes 36 bits from here
    flac[22:26] = bytes(4)
    response = service.embed(bytes(flac))
    assert vector(response) @ reference > 0.9999
    assert response.audio.format == "flac"


@pytest.mark.parametrize("junk", [b"\0" * 1000, b"ID3\x03\0\0\0\0\x07\x76" + bytes(1014)])
def test_mp3_with_something_before_it(service: Any, encode: Any, sound: Any, junk: bytes) -> None:
    """An mp3 file is found behind a tag or padding."""
    assert service.embed(junk + encode(sound, kind="MP3")).audio.format == "mp3"


@pytest.mark.parametrize(
    "rate", [8000, 11025, 22050, 32000, 44100, 48000, 88200, 96000, 176400, 192000]
)
def test_sample_rates(service: Any, encode: Any, sound: Any, reference: Any, rate: int) -> None:
    """Any sample rate is resampled; only bands that it can't hold change the embedding."""
    resampled = soxr.resample(sound, 16000, rate)
    response = service.embed(encode(resampled, rate))
    assert vector(response) @ reference > (0.99 if rate > 16000 else 0.6)
    assert response.audio.sample_rate == rate


@pytest.mark.parametrize("rate", [16000, 48000, 192000])
@pytest.mark.parametrize("channels", [2, 6, 8, 64])
def test_channels(
    service: Any, encode: Any, voice: Any, reference: Any, channels: int, rate: int
) -> None:
    """Channels are averaged to one, as many as there are."""
    one = soxr.resample(voice(2.0, seed=1), 16000, rate)
    spread = np.outer(one, np.linspace(0.5, 1.5, channels)).astype(np.float32)
    response = service.embed(encode(spread, rate))
    alone = service.embed(encode(one, rate))
    assert vector(response) @ vector(alone) > 0.999
    assert response.audio.channels == channels


@pytest.mark.parametrize("dtype", ["<i2", "<f4"])
def test_raw_samples(service: Any, sound: Any, reference: Any, dtype: str) -> None:
    """Raw samples need no container, only their layout."""
    scale, kind = (32767, "INT16") if dtype == "<i2" else (1, "FLOAT32")
    pcm = embedding_pb2.PcmFormat(
        sample_rate=16000,
        channels=2,
        sample_type=embedding_pb2.SampleType.Value(f"SAMPLE_TYPE_{kind}"),
    )
    stereo = np.repeat(sound * scale, 2).astype(dtype)
    response = service.embed(stereo.tobytes(), pcm=pcm)
    assert vector(response) @ reference > 0.9999
    assert (response.audio.format, response.audio.channels) == ("pcm", 2)


def test_an_embedding(service: Any, encode: Any, voice: Any, reference: Any) -> None:
    """An embedding has 192 values, unit length and its model; other sounds have other ones."""
    model = service.stub.ListModels(ListModelsRequest()).models[0]
    response = service.embed(encode(voice(SECONDS, seed=3)))
    assert response.embedding.model == model.name
    assert len(response.embedding.values) == model.dimension == 192
    assert np.linalg.norm(vector(response)) == pytest.approx(1, abs=1e-5)
    assert vector(response) @ reference < 0.9


def test_what_was_heard(service: Any, encode: Any, sound: Any) -> None:
    """Level and active part are measured."""
    silence = np.zeros(16000, np.float32)
    tone = np.sin(np.arange(32000) * 0.3).astype(np.float32)
    audio = service.embed(encode(np.concatenate([silence, tone, silence]))).audio
    assert audio.duration.ToTimedelta().total_seconds() == 4
    assert audio.active_duration.ToTimedelta().total_seconds() == pytest.approx(2, abs=0.05)
    assert audio.level_dbfs == pytest.approx(-6.02, abs=0.1)


def test_audio_longer_than_a_minute(service: Any, encode: Any, voice: Any) -> None:
    """Long audio is embedded piece by piece; the embedding is that of the pieces' average."""
    halves = [voice(45.0, seed=seed) for seed in (4, 5)]
    whole = vector(service.embed(encode(np.concatenate(halves))))
    mean = sum(vector(service.embed(encode(half))) for half in halves)
    assert whole @ (mean / np.linalg.norm(mean)) > 0.999
    assert np.linalg.norm(whole) == pytest.approx(1, abs=1e-5)
