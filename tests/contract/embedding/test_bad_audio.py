"""Bad audio gets its typed error, and the service stays up."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest
import soundfile
from audiosearch.embedding.v1 import embedding_pb2
from audiosearch.embedding.v1.embedding_service_pb2 import ListModelsRequest

from serving.errors import Reason


@pytest.fixture(scope="module", autouse=True)
def still_up(service: Any, encode: Any, voice: Any) -> Iterator[None]:
    """After all of it, the service still embeds."""
    yield
    service.embed(encode(voice(1.0)))
    assert service.process.poll() is None


@pytest.fixture
def wav(encode: Any, voice: Any) -> bytes:
    """A good file."""
    return encode(voice(6.0))


def test_no_bytes(service: Any) -> None:
    """No bytes at all are no audio."""
    error = service.refuse(b"")
    assert error.reason is Reason.AUDIO_UNDECODABLE
    assert error.code is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    "text",
    [
        b"this is no audio\n" * 100,
        b"<html><body>404</body></html>",
        b"\0" * 5000,
        b"\xff" * 5000,
        b"RIFF\x00\x00",
    ],
)
def test_other_bytes(service: Any, text: bytes) -> None:
    """A text file called .wav, or any other bytes, are AUDIO_UNDECODABLE."""
    error = service.refuse(text)
    assert error.reason is Reason.AUDIO_UNDECODABLE
    assert "send wav" in error.message


@pytest.mark.parametrize(
    "text",
    [
        b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n",
        b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9.0,\nhttp://127.0.0.1:1/a.ts\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile '/etc/hostname'\n",
        b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>',
        b"v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=audio 1 RTP/AVP 0\n",
    ],
)
def test_play_lists(service: Any, text: bytes) -> None:
    """Play lists, which name other files and addresses, are not followed."""
    assert service.refuse(text).reason is Reason.AUDIO_UNDECODABLE


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [("WAV", "PCM_16"), ("AIFF", "PCM_16"), ("MP3", None), ("OGG", "VORBIS"), ("OGG", "OPUS")],
)
def test_cut_files_that_can_be_read(
    service: Any, encode: Any, voice: Any, kind: str, subtype: str
) -> None:
    """The first half of a cut file is embedded if the format allows it."""
    data = encode(voice(6.0), kind=kind, subtype=subtype)
    audio = service.embed(data[: len(data) // 2]).audio
    assert 1.5 < audio.duration.ToTimedelta().total_seconds() < 3.5


def test_cut_webm(service: Any, ffmpeg: Any, voice: Any) -> None:
    """The first half of a cut webm file is embedded."""
    data = ffmpeg(voice(6.0), "webm", "libopus")
    audio = service.embed(data[: len(data) // 2]).audio
    assert 2 < audio.duration.ToTimedelta().total_seconds() < 4


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_cut_files_that_can_not_be_read(
    service: Any, ffmpeg: Any, voice: Any, share: float
) -> None:
    """An m4a file without its index, which stands at the end, is AUDIO_UNDECODABLE."""
    m4a = ffmpeg(voice(6.0), "ipod", "aac")
    error = service.refuse(m4a[: int(share * len(m4a))])
    assert error.reason is Reason.AUDIO_UNDECODABLE


def test_damaged_flac(service: Any, encode: Any, voice: Any) -> None:
    """A flac file with another byte in its middle is AUDIO_UNDECODABLE, as it is not cut off."""
    flac = bytearray(encode(voice(6.0), kind="FLAC"))
    flac[len(flac) // 2] ^= 0xFF
    assert service.refuse(bytes(flac)).reason is Reason.AUDIO_UNDECODABLE


def test_no_samples(service: Any, wav: bytes) -> None:
    """A file that ends after its header is AUDIO_UNDECODABLE."""
    error = service.refuse(wav[:44])
    assert error.reason is Reason.AUDIO_UNDECODABLE
    assert "no samples" in error.message


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_samples_that_are_no_numbers(service: Any, encode: Any, voice: Any, value: float) -> None:
    """NaN, infinite and absurd samples are AUDIO_UNDECODABLE."""
    sound = voice(2.0)
    sound[-5] = value
    assert service.refuse(encode(sound, subtype="FLOAT")).reason is Reason.AUDIO_UNDECODABLE


@pytest.mark.parametrize(
    ("offset", "field"),
    [
        (24, struct.pack("<I", 0)),
        (24, struct.pack("<I", 1)),
        (24, struct.pack("<I", 10**9)),
        (22, struct.pack("<H", 0)),
        (22, struct.pack("<H", 65)),
        (22, struct.pack("<H", 60000)),
    ],
)
def test_impossible_headers(service: Any, wav: bytes, offset: int, field: bytes) -> None:
    """Impossible sample rates and channel counts are AUDIO_UNDECODABLE."""
    data = wav[:offset] + field + wav[offset + len(field) :]
    assert service.refuse(data).reason is Reason.AUDIO_UNDECODABLE


@pytest.mark.parametrize(
    "sound",
    [
        np.zeros(32000, np.float32),
        1e-4 * np.random.default_rng(0).standard_normal(32000).astype(np.float32),
    ],
    ids=["zeros", "quiet noise"],
)
def test_silence(service: Any, encode: Any, sound: Any) -> None:
    """Silence or noise below the limit are AUDIO_SILENT, with the limit."""
    error = service.refuse(encode(sound, subtype="FLOAT"))
    assert error.reason is Reason.AUDIO_SILENT
    assert "-70 dBFS" in error.message


def test_a_constant_level(service: Any, encode: Any) -> None:
    """A level that never changes is AUDIO_SILENT, and the message does not call it quiet."""
    error = service.refuse(encode(np.full(32000, 0.5, np.float32), subtype="FLOAT"))
    assert error.reason is Reason.AUDIO_SILENT
    assert "constant level (DC)" in error.message


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_ten_milliseconds(service: Any, encode: Any, voice: Any, rate: int) -> None:
    """10 ms are AUDIO_TOO_SHORT, with the limit; from 20 ms on sounds are padded and taken."""
    error = service.refuse(encode(voice(0.01, rate=rate), rate))
    assert error.reason is Reason.AUDIO_TOO_SHORT
    assert "0.02 s" in error.message
    for seconds in (0.02, 0.05, 0.1):
        assert service.embed(encode(voice(seconds, rate=rate), rate)).embedding.values


def test_ten_hours(service: Any) -> None:
    """10 h in a small file are AUDIO_TOO_LONG, with the limit."""
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", 1000, 1, "PCM_16", format="FLAC") as sound:
        for _ in range(10):
            sound.write(np.zeros(3600 * 1000, np.int16))
    error = service.refuse(file.getvalue())
    assert error.reason is Reason.AUDIO_TOO_LONG
    assert "at most 2 hours of audio are accepted, this is 10 hours" in error.message


def test_length_found_while_decoding(start: Any, ffmpeg: Any, encode: Any, voice: Any) -> None:
    """Audio that does not say how long it is, or lies, is stopped at the limit."""
    service = start(AUDIOSEARCH_MAX_AUDIO_SECONDS="3", AUDIOSEARCH_MAX_AUDIO_BYTES="100000")
    live = ffmpeg(voice(6.0), "webm", "libopus", 48000, {"live": "1"})
    assert service.refuse(live).reason is Reason.AUDIO_TOO_LONG
    error = service.refuse(encode(voice(6.0)))
    assert error.reason is Reason.AUDIO_TOO_LONG
    assert "100000 bytes" in error.message
    service.embed(encode(voice(2.0)))


def test_samples_of_all_channels_are_counted(start: Any, encode: Any, voice: Any) -> None:
    """A limit of 3 s allows what 3 s of 8 channels at 48 kHz have: less of more, with numbers."""
    service = start(AUDIOSEARCH_MAX_AUDIO_SECONDS="3")
    wide = np.tile(voice(0.4, rate=384_000)[:, np.newaxis], 8)
    error = service.refuse(encode(wide, 384_000, "FLAC"))
    assert error.reason is Reason.AUDIO_TOO_LONG
    assert "at most 0.375 s of audio of 8 channels at 384,000 Hz" in error.message
    assert "1,152,000 samples" in error.message
    pcm = embedding_pb2.PcmFormat(sample_rate=384_000, channels=8)
    raw = (32767 * wide).astype("<i2").tobytes()
    assert service.refuse(raw, pcm=pcm).reason is Reason.AUDIO_TOO_LONG
    service.embed(encode(wide[: 384_000 * 3 // 8], 384_000, "FLAC"))
    service.embed(encode(np.tile(voice(2.9, rate=48_000)[:, np.newaxis], 8), 48_000, "FLAC"))
    service.embed(encode(wide[:, 0], 384_000, "FLAC"))


def test_raw_samples_cut_inside_a_frame(service: Any) -> None:
    """Raw bytes that are no whole number of frames are AUDIO_UNDECODABLE."""
    pcm = embedding_pb2.PcmFormat(sample_rate=16000, channels=2)
    assert service.refuse(b"\1" * 64001, pcm=pcm).reason is Reason.AUDIO_UNDECODABLE


@pytest.mark.parametrize(
    "layout",
    [
        {},
        {"sample_rate": 999},
        {"sample_rate": 400000},
        {"sample_rate": 16000, "channels": 65},
        {"sample_rate": 16000, "channels": -1},
        {"sample_rate": 16000, "sample_type": 9},
    ],
)
def test_impossible_layouts(service: Any, layout: dict[str, int]) -> None:
    """Impossible layouts of raw samples are FIELD_INVALID, naming the field."""
    error = service.refuse(b"\1" * 64000, pcm=embedding_pb2.PcmFormat(**layout))
    assert error.reason is Reason.FIELD_INVALID
    assert "config.pcm." in error.message


def test_nothing_is_left_behind(service: Any, wav: bytes, tmp_path_factory: Any) -> None:
    """No file stays after a call, good or bad."""
    service.embed(wav)
    service.refuse(wav[:44])
    service.stub.ListModels(ListModelsRequest())
    assert not list(service.spools.glob("audiosearch-*/*"))
