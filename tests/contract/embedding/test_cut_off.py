"""Of a file that is cut off, all that is there is heard and told; whole files are never told."""

from __future__ import annotations

import io
import struct
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest
from audiosearch.embedding.v1.embedding_pb2 import (
    AUDIO_REMARK_CUT_OFF,
    AUDIO_REMARK_ONE_TRACK_OF_SEVERAL,
)

from tests.remarks import of_file

SECONDS = 6.0
LIBSNDFILE = {
    "wav": ("WAV", "PCM_16"),
    "wav of floats": ("WAV", "FLOAT"),
    "wav of 24 bits": ("WAV", "PCM_24"),
    "rf64": ("RF64", "PCM_16"),
    "w64": ("W64", "PCM_16"),
    "aiff": ("AIFF", "PCM_16"),
    "au": ("AU", "PCM_16"),
    "caf": ("CAF", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "mp3": ("MP3", None),
    "vorbis": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
}
FFMPEG: dict[str, tuple[Any, ...]] = {
    "mp3 of ffmpeg": ("mp3", "libmp3lame", 44100),
    "mp3 without a count": ("mp3", "libmp3lame", 44100, {"write_xing": "0"}),
    "aac": ("adts", "aac", 44100),
    "fragmented m4a": ("mp4", "aac", 48000, {"movflags": "frag_keyframe+empty_moov"}),
    "webm": ("webm", "libopus"),
    "webm of a browser": ("webm", "libopus", 48000, {"live": "1"}),
    "mka": ("matroska", "aac"),
    "opus of ffmpeg": ("ogg", "libopus"),
    "ogg flac": ("ogg", "flac"),
    "amr": ("amr", "libopencore_amrnb", 8000),
}
SHOWN_TO_ITS_END_ALONE = {"webm of a browser", "aiff", "au", "caf"}
"""Formats of which a stream that can't be read again does not show that something is missing."""


@pytest.fixture(scope="module")
def files(voice: Any, encode: Any, ffmpeg: Any) -> dict[str, bytes]:
    """A voice of 6 s in every format."""
    sound = voice(SECONDS)
    made = {
        name: encode(sound, kind=kind, subtype=subtype)
        for name, (kind, subtype) in LIBSNDFILE.items()
    }
    return made | {name: ffmpeg(sound, *how) for name, how in FFMPEG.items()}


def seconds(audio: Any) -> float:
    """Length of what was heard."""
    return float(audio.duration.ToTimedelta().total_seconds())


@pytest.mark.parametrize("name", [*LIBSNDFILE, *FFMPEG])
def test_whole_files(service: Any, files: dict[str, bytes], name: str) -> None:
    """Nothing is told of a whole file, also behind a tag."""
    audio = service.embed(files[name]).audio
    assert seconds(audio) == pytest.approx(SECONDS, abs=0.1)
    assert not of_file(audio.remarks)


@pytest.mark.parametrize("share", [0.3, 0.7, 0.97])
@pytest.mark.parametrize("name", [*LIBSNDFILE, *FFMPEG])
def test_cut_files(service: Any, files: dict[str, bytes], name: str, share: float) -> None:
    """All that is there is heard, and told to be cut off."""
    audio = service.embed(files[name][: int(share * len(files[name]))]).audio
    assert share * SECONDS - 1.1 < seconds(audio) < share * SECONDS + 0.2
    assert of_file(audio.remarks) == [AUDIO_REMARK_CUT_OFF]


@pytest.mark.parametrize("name", sorted({*LIBSNDFILE, *FFMPEG} - SHOWN_TO_ITS_END_ALONE))
def test_streams(service: Any, files: dict[str, bytes], name: str) -> None:
    """The summary of a stream tells the same, while the stream is read only once."""
    *_, whole = service.stream(files[name])
    assert not of_file(whole.summary.audio.remarks)
    *_, cut = service.stream(files[name][: int(0.7 * len(files[name]))])
    assert of_file(cut.summary.audio.remarks) == [AUDIO_REMARK_CUT_OFF]


@pytest.mark.parametrize(("size", "told"), [(0, True), (2**32 - 1, False), (2**31 - 36, False)])
def test_wav_of_unknown_length(
    service: Any, files: dict[str, bytes], size: int, *, told: bool
) -> None:
    """A program that writes to a pipe can't know the length; a recorder that was killed says 0."""
    data = bytearray(files["wav"])
    data[4:8] = data[40:44] = struct.pack("<I", size)
    *_, last = service.stream(bytes(data))
    for audio in (service.embed(bytes(data)).audio, last.summary.audio):
        assert seconds(audio) == pytest.approx(SECONDS, abs=0.01)
        assert bool(of_file(audio.remarks)) is told


def test_tags_behind_the_end(service: Any, files: dict[str, bytes]) -> None:
    """Tags that programs hang behind the audio are no sign of anything."""
    for name in ("mp3", "mp3 of ffmpeg", "mp3 without a count"):
        assert not of_file(service.embed(files[name] + b"TAG" + bytes(125)).audio.remarks)


def test_one_track_of_several(service: Any, two_tracks: bytes) -> None:
    """A file with several tracks is told, as only one of them was heard."""
    audio = service.embed(two_tracks).audio
    assert of_file(audio.remarks) == [AUDIO_REMARK_ONE_TRACK_OF_SEVERAL]


@pytest.fixture
def two_tracks(voice: Any) -> bytes:
    """A Matroska file with two audio tracks."""
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        tracks = [container.add_stream("libopus", rate=48000, layout="mono") for _ in range(2)]
        for seed, track in enumerate(tracks):
            samples = voice(2.0, seed=seed)
            frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="fltp", layout="mono")
            frame.sample_rate = 16000
            frame.pts, frame.time_base = 0, Fraction(1, 16000)
            size = track.codec_context.frame_size or None
            resampler = av.AudioResampler(track.format, "mono", 48000, frame_size=size)
            for piece in [*resampler.resample(frame), *resampler.resample(None)]:
                container.mux(track.encode(piece))
            container.mux(track.encode(None))
    return file.getvalue()
