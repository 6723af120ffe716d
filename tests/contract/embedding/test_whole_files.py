"""Files are heard to their end, by the track that players play, and silence moves nothing."""

from __future__ import annotations

import io
import struct
from fractions import Fraction
from functools import partial
from typing import Any

import av
import numpy as np
import pytest
import soundfile

from tests.vowels import say

RATE = 16000
SECONDS = 4.0


@pytest.fixture(scope="module")
def sound() -> Any:
    """A voice of 4 s, all of which is heard as speech."""
    return say(0, 1, SECONDS).astype(np.float32)


@pytest.fixture(scope="module")
def reference(service: Any, encode: Any, sound: Any) -> Any:
    """Embedding of the voice alone."""
    return vector(service.embed(encode(sound, subtype="FLOAT")))


def vector(response: Any) -> Any:
    """The embedding as an array."""
    return np.array(response.embedding.values)


def seconds(response: Any) -> float:
    """Length of what was heard."""
    return float(response.audio.duration.ToTimedelta().total_seconds())


@pytest.mark.parametrize("length", [0.03, 0.0333, 1, 30])
@pytest.mark.parametrize("place", ["before", "after", "middle"])
def test_zeros_move_nothing(
    service: Any, encode: Any, sound: Any, reference: Any, length: float, place: str
) -> None:
    """Digital zeros anywhere leave the vector where it is."""
    zeros = np.zeros(round(length * RATE), np.float32)
    half = len(sound) // 2
    parts = {
        "before": [zeros, sound],
        "after": [sound, zeros],
        "middle": [sound[:half], zeros, sound[half:]],
    }
    response = service.embed(encode(np.concatenate(parts[place]), subtype="FLOAT"))
    assert vector(response) @ reference > 0.95
    assert seconds(response) == pytest.approx(SECONDS + length, abs=0.01)


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "MP3"])
def test_opposite_channels_are_heard(
    service: Any, encode: Any, sound: Any, reference: Any, kind: str
) -> None:
    """Left and right of opposite sign give what one of them gives."""
    response = service.embed(encode(np.stack([sound, -sound], axis=1), kind=kind))
    assert vector(response) @ reference > 0.95


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
@pytest.mark.parametrize("cut", [0, 5], ids=["whole", "odd"])
@pytest.mark.parametrize("size", ["zero", "all ones", "half"])
def test_unfinished_wav(
    service: Any, encode: Any, sound: Any, reference: Any, subtype: str, cut: int, size: str
) -> None:
    """The header of a recorder that was killed is not believed: all samples are heard."""
    data = bytearray(encode(sound, subtype=subtype))
    place = data.index(b"data") + 4
    whole = struct.unpack_from("<I", data, place)[0]
    told = {"zero": 0, "all ones": 2**32 - 1, "half": whole // 2}[size]
    struct.pack_into("<I", data, place, told)
    struct.pack_into("<I", data, 4, 0)
    response = service.embed(bytes(data[: len(data) - cut]))
    assert seconds(response) == pytest.approx(SECONDS, abs=0.01)
    assert vector(response) @ reference > 0.99


def test_chunks_behind_the_samples(service: Any, encode: Any, sound: Any, reference: Any) -> None:
    """Lists and tags at the end of a finished WAV file are no sound."""
    list_chunk = b"LIST" + struct.pack("<I", 4000) + bytes(range(250)) * 16
    tag = b"ID3\x03\x00\x00" + bytes(range(200)) * 100
    for behind in (list_chunk, tag):
        response = service.embed(encode(sound, subtype="PCM_16") + behind)
        assert seconds(response) == pytest.approx(SECONDS, abs=0.001)
        assert vector(response) @ reference > 0.99


JOINED = (
    ("MP3", None),
    ("OGG", "VORBIS"),
    ("OGG", "OPUS"),
    ("WAV", "PCM_16"),
    ("WAV", "FLOAT"),
    ("WAV", "ULAW"),
    ("AIFF", "PCM_16"),
    ("AU", "PCM_16"),
    ("AU", "ULAW"),
    ("CAF", "PCM_16"),
    ("CAF", "ALAC_16"),
    ("RF64", "PCM_16"),
    ("FLAC", "PCM_16"),
    ("tta", "tta"),
    ("flv", "aac"),
    ("webm", "libopus"),
    ("matroska", "aac"),
    ("adts", "aac"),
    ("mp4", "aac"),
)


@pytest.mark.parametrize(("kind", "codec"), JOINED)
def test_joined_files(
    service: Any, encode: Any, ffmpeg: Any, sound: Any, kind: str, codec: str | None
) -> None:
    """Two, three and five files of the same kind, one behind the other, are heard as one."""
    make = partial(encode, kind=kind, subtype=codec)
    if kind.islower():
        make = partial(ffmpeg, kind=kind, codec=codec)
    files = [make(sound[start : start + 2 * RATE]) for start in range(0, 2 * RATE, RATE * 2 // 5)]
    for count in (2, 3, 5):
        response = service.embed(b"".join(files[:count]))
        assert seconds(response) == pytest.approx(2 * count, abs=0.13 * count)


def test_joined_files_of_other_rates(service: Any, ffmpeg: Any, encode: Any, sound: Any) -> None:
    """The files behind the first one keep their length, whatever rate each of them has."""
    webm = [ffmpeg(sound, "matroska", "aac", rate) for rate in (16000, 44100, 8000)]
    flac = [encode(sound[:: 16000 // rate], rate, kind="FLAC") for rate in (16000, 8000, 4000)]
    for files in (webm, flac):
        assert seconds(service.embed(b"".join(files))) == pytest.approx(3 * SECONDS, abs=0.4)


@pytest.mark.parametrize(("kind", "order"), [("WAV", "<"), ("RF64", "<"), ("AU", ">")])
def test_a_file_within_the_samples_of_another(
    service: Any, encode: Any, sound: Any, kind: str, order: str
) -> None:
    """A file that holds another one as its samples, as a wrong program writes it, is one file."""
    inner = encode(sound, kind=kind, subtype="PCM_16")
    samples = np.frombuffer(inner, f"{order}i2").astype(np.float32) / 2**15
    for subtype in ("PCM_16", "PCM_24"):
        data = encode(samples, kind=kind, subtype=subtype)
        assert seconds(service.embed(data)) == pytest.approx(SECONDS, abs=0.01)


def test_mp3_of_changing_rate(service: Any, encode: Any, sound: Any) -> None:
    """An mp3 that goes on at another rate is heard to its end."""
    other = np.repeat(sound, 2)
    data = encode(sound, kind="MP3") + encode(other, 2 * RATE, kind="MP3")
    assert seconds(service.embed(data)) == pytest.approx(2 * SECONDS, abs=0.3)


def test_mp3_without_a_length(service: Any) -> None:
    """Frames of unlike size and no header that counts them: the length is not guessed."""
    file = io.BytesIO()
    random = np.random.default_rng(0)
    loud = 0.3 * random.standard_normal(2 * RATE)
    soft = 1e-4 * random.standard_normal(6 * RATE)
    with soundfile.SoundFile(
        file, "w", RATE, 1, format="MP3", compression_level=0.9, bitrate_mode="VARIABLE"
    ) as mp3:
        mp3.write(np.concatenate([loud, soft, loud]))
    data = file.getvalue()
    at = next(data.find(mark) for mark in (b"Xing", b"Info") if mark in data)
    assert seconds(service.embed(data[:at] + bytes(4) + data[at + 4 :])) == pytest.approx(10, abs=1)


@pytest.mark.parametrize(("kind", "codec"), [("mp4", "aac"), ("matroska", "libopus")])
def test_the_default_track(service: Any, sound: Any, reference: Any, kind: str, codec: str) -> None:
    """Of two tracks, the one that is marked as the default is heard, first or not."""
    tone = (0.3 * np.sin(2 * np.pi * 440 * np.arange(len(sound)) / RATE)).astype(np.float32)
    file = io.BytesIO()
    with av.open(file, "w", format=kind) as container:
        tracks = [container.add_stream(codec, rate=48000, layout="mono") for _ in range(2)]
        tracks[0].disposition = 0
        tracks[1].disposition = av.stream.Disposition.default
        for track, samples in zip(tracks, (tone, sound), strict=True):
            frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="fltp", layout="mono")
            frame.sample_rate = RATE
            frame.pts, frame.time_base = 0, Fraction(1, RATE)
            resampler = av.AudioResampler(
                track.format, "mono", 48000, frame_size=track.codec_context.frame_size or None
            )
            for piece in [*resampler.resample(frame), *resampler.resample(None)]:
                container.mux(track.encode(piece))
            container.mux(track.encode(None))
    assert vector(service.embed(file.getvalue())) @ reference > 0.9


def test_cut_files_of_ffmpeg(service: Any, ffmpeg: Any, sound: Any) -> None:
    """Of an aac or a fragmented m4a file that stops in the middle, what is there is heard."""
    fragments = {"movflags": "frag_keyframe+empty_moov"}
    for data in (ffmpeg(sound, "adts", "aac"), ffmpeg(sound, "mp4", "aac", options=fragments)):
        assert 2 < seconds(service.embed(data[: len(data) * 3 // 4])) < SECONDS


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [("NIST", "PCM_16"), ("AU", "PCM_16"), ("W64", "PCM_16"), ("CAF", "PCM_24"), ("VOC", "PCM_16")],
)
def test_formats_of_the_trade(
    service: Any, encode: Any, sound: Any, reference: Any, kind: str, subtype: str
) -> None:
    """Files that libsndfile reads are taken, whatever their format."""
    assert vector(service.embed(encode(sound, kind=kind, subtype=subtype))) @ reference > 0.99


@pytest.mark.parametrize(
    ("kind", "codec", "rate"),
    [
        ("amr", "libopencore_amrnb", 8000),
        ("mov", "pcm_s16le", RATE),
        ("matroska", "aac", 48000),
        ("mpegts", "aac", 48000),
        ("ac3", "ac3", 48000),
    ],
)
def test_formats_of_ffmpeg(
    service: Any, ffmpeg: Any, sound: Any, reference: Any, kind: str, codec: str, rate: int
) -> None:
    """Files that only FFmpeg reads are taken too."""
    assert vector(service.embed(ffmpeg(sound, kind, codec, rate))) @ reference > 0.7


def test_wave_of_64_bits(service: Any, encode: Any, sound: Any, reference: Any) -> None:
    """A BW64 file, as broadcasters write it, is heard."""
    wav = encode(sound, subtype="PCM_16")
    size = struct.pack("<QQQI", len(wav) + 28, len(wav) - 44, len(sound), 0)
    head = b"BW64\xff\xff\xff\xffWAVEds64" + struct.pack("<I", len(size)) + size
    response = service.embed(head + wav[12:36] + b"data\xff\xff\xff\xff" + wav[44:])
    assert vector(response) @ reference > 0.99
