"""Streams: an answer for each window, while the audio is still coming."""

from __future__ import annotations

import queue
import struct
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import soxr
from audiosearch.embedding.v1 import embedding_pb2
from audiosearch.embedding.v1 import embedding_service_pb2 as messages

from serving.errors import Reason, ServiceError
from tests.remarks import of_file

RATE = 16000
PCM = embedding_pb2.PcmFormat(sample_rate=RATE, sample_type=embedding_pb2.SAMPLE_TYPE_FLOAT32)
Request = messages.StreamEmbeddingsRequest
Omission = messages.EmbeddedWindow.Omission
LIBSNDFILE = {
    "wav/pcm_16": ("WAV", "PCM_16"),
    "wav/pcm_u8": ("WAV", "PCM_U8"),
    "wav/pcm_24": ("WAV", "PCM_24"),
    "wav/float": ("WAV", "FLOAT"),
    "wav/ulaw": ("WAV", "ULAW"),
    "aiff/pcm_16": ("AIFF", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "mp3": ("MP3", None),
    "ogg/vorbis": ("OGG", "VORBIS"),
    "ogg/opus": ("OGG", "OPUS"),
}
LOSSLESS = {"wav/pcm_16", "wav/pcm_24", "wav/float", "aiff/pcm_16", "flac"}
FFMPEG = {
    "webm/opus": ("webm", "libopus", 48000, {"live": "1"}),
    "aac": ("adts", "aac", 44100),
    "ogg/flac": ("ogg", "flac", 48000),
    "m4a/aac": ("mp4", "aac", 16000, {"movflags": "frag_keyframe+empty_moov+default_base_moof"}),
}


@pytest.fixture(scope="module")
def sound(voice: Callable[..., Any]) -> Any:
    """10 s of sound."""
    return voice(10.0, seed=1)


@pytest.fixture(scope="module")
def whole(service: Any, encode: Any) -> Callable[[Any], Any]:
    """Embeds samples as one piece of audio."""
    return lambda samples: np.array(
        service.embed(encode(samples, subtype="FLOAT")).embedding.values
    )


def offsets(answers: list[Any]) -> list[tuple[float, float]]:
    """Start and end of the windows, in seconds."""
    found = [a.window for a in answers if a.HasField("window")]
    return [
        (w.start_offset.ToNanoseconds() / 1e9, w.end_offset.ToNanoseconds() / 1e9) for w in found
    ]


def refuse(service: Any, audio: bytes, **config: Any) -> tuple[ServiceError, list[Any]]:
    """Streams audio that must be refused; returns the error, and the answers before it."""
    answers: list[Any] = []
    with pytest.raises(ServiceError) as failure:
        deque(map(answers.append, service.stream(audio, **config)))
    return failure.value, answers


@pytest.mark.parametrize(
    ("window", "hop", "expected"),
    [
        (None, None, [(0, 3), (1.5, 4.5), (3, 6), (4.5, 7.5), (6, 9), (7.5, 10)]),
        (2.5, 2.5, [(0, 2.5), (2.5, 5), (5, 7.5), (7.5, 10)]),
        (1, 4, [(0, 1), (4, 5), (8, 9)]),
        (4, 4, [(0, 4), (4, 8), (8, 10)]),
        (60, 0.5, [(0, 10)]),
        (5, 10 / 3, [(0, 5), (3.3333125, 8.3333125), (6.6666875, 10)]),
    ],
)
def test_windows(
    service: Any, whole: Any, sound: Any, window: Any, hop: Any, expected: list[Any]
) -> None:
    """Each window has exact offsets and the embedding of its samples alone."""
    answers = list(service.stream(sound.tobytes(), pcm=PCM, window=window, hop=hop))
    assert offsets(answers) == expected
    for answer, (start, end) in zip(answers, expected, strict=False):
        embedding = answer.window.embedding
        alone = whole(sound[round(start * RATE) : round(end * RATE)])
        assert alone @ np.array(embedding.values) >= 0.9999
        assert (
            embedding.model == service.stub.ListModels(messages.ListModelsRequest()).models[0].name
        )
        assert answer.window.audio.duration.ToNanoseconds() / 1e9 == pytest.approx(end - start)
    summary = answers[-1].summary
    assert summary.window_count == len(expected)
    assert summary.audio.duration.ToNanoseconds() == 10 * 10**9


@pytest.mark.parametrize("chunk", [1, 1023, 10**6])
def test_chunks(service: Any, voice: Any, first: Any, chunk: int) -> None:
    """Chunks of any size, also empty ones, give the same answers."""
    audio = (32767 * voice(0.4)).astype("<i2").tobytes()
    pcm = embedding_pb2.PcmFormat(sample_rate=RATE)
    config = {"pcm": pcm, "window": 0.2, "hop": 0.1}
    answers = list(service.stream(audio, **config))
    assert list(service.stream(audio, chunk, **config)) == answers
    empty, whole = Request(audio_chunk=b""), Request(audio_chunk=audio)
    assert list(service.converse(iter([first(**config), empty, whole, empty]))) == answers


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000, 192000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_rates_and_channels(
    service: Any, encode: Any, whole: Any, voice: Any, rate: int, channels: int
) -> None:
    """Windows are cut at the model's rate, from any rate and any number of channels."""
    one = soxr.resample(voice(4.0), RATE, rate)
    spread = np.outer(one, np.linspace(0.5, 1.5, channels)).astype(np.float32)
    answers = list(service.stream(encode(spread, rate, subtype="FLOAT")))
    assert offsets(answers) == [(0, 3), (1.5, 4)]
    mixed = soxr.resample(spread.mean(axis=1), rate, RATE)[:48000]
    audio = answers[0].window.audio
    assert (audio.sample_rate, audio.channels, audio.format) == (rate, channels, "wav/float")
    assert whole(mixed) @ np.array(answers[0].window.embedding.values) >= 0.9999


@pytest.mark.parametrize("name", [*LIBSNDFILE, *FFMPEG])
def test_formats_while_they_arrive(
    service: Any, encode: Any, ffmpeg: Any, voice: Any, whole: Any, first: Any, name: str
) -> None:
    """In every format that streams, an answer leaves before the rest of the audio is sent."""
    sound = voice(11.5, seed=1)
    if name in FFMPEG:
        audio = ffmpeg(sound, *FFMPEG[name])
    else:
        kind, subtype = LIBSNDFILE[name]
        audio = encode(sound, kind=kind, subtype=subtype)
    answered: queue.Queue[Any] = queue.Queue()

    def requests() -> Iterator[Any]:
        yield first()
        half = len(audio) * 3 // 4
        yield Request(audio_chunk=audio[:half])
        answered.get(timeout=60)
        yield Request(audio_chunk=audio[half:])

    answers = service.converse(requests())
    got = [next(answers)]
    answered.put(got)
    got += answers
    assert [start for start, _ in offsets(got)] == [0, 1.5, 3, 4.5, 6, 7.5, 9]
    assert got[-1].summary.audio.format == name
    assert got[-1].summary.audio.duration.ToNanoseconds() / 1e9 == pytest.approx(11.5, abs=0.1)
    alone = whole(sound[3 * RATE : 6 * RATE])
    least = 0.9999 if name in LOSSLESS else 0.97
    assert alone @ np.array(got[2].window.embedding.values) >= least


@pytest.mark.parametrize("size", [0, 2**32 - 1])
def test_wav_of_unknown_length(service: Any, encode: Any, sound: Any, size: int) -> None:
    """A wav file that was written to a pipe, and does not say its length, is read to its end."""
    audio = bytearray(encode(sound))
    audio[4:8] = audio[40:44] = struct.pack("<I", size)
    assert offsets(list(service.stream(bytes(audio))))[-1] == (7.5, 10)


@pytest.mark.parametrize("chunk", [50, 4096, 2**20])
def test_joined_recordings_of_browsers(service: Any, ffmpeg: Any, sound: Any, chunk: int) -> None:
    """Three webm files, one behind the other, are heard to the end of the last."""
    files = [ffmpeg(sound[: 4 * RATE], "webm", "libopus") for _ in range(3)]
    answers = [*service.stream(b"".join(files), chunk, window=4, hop=4)]
    assert [round(end) for _, end in offsets(answers)] == [4, 8, 12]


def test_m4a(service: Any, ffmpeg: Any, sound: Any) -> None:
    """An m4a file streams if its index comes first; else it is refused at once, and told why."""
    audio = ffmpeg(sound, "ipod", "aac")
    error, answers = refuse(service, audio)
    assert error.reason is Reason.AUDIO_UNDECODABLE
    assert "faststart" in error.message
    assert not answers
    assert len(offsets(list(service.stream(index_first(audio))))) == 6


def index_first(audio: bytes) -> bytes:
    """Moves the index (moov) of an mp4 file before its sound (mdat)."""
    boxes, place = {}, 0
    while place < len(audio):
        size, name = struct.unpack(">I4s", audio[place : place + 8])
        boxes[name], place = bytearray(audio[place : place + size]), place + size
    index = boxes[b"moov"]
    offset = index.index(b"stco") + 12
    (count,) = struct.unpack(">I", index[offset - 4 : offset])
    places = np.frombuffer(index, ">u4", count, offset) + len(index)
    index[offset : offset + 4 * count] = places.astype(">u4").tobytes()
    rest = (boxes[name] for name in boxes if name not in {b"ftyp", b"moov"})
    return b"".join([boxes[b"ftyp"], index, *rest])


def test_silence(service: Any, voice: Any) -> None:
    """A silent window, and a last one that is too short, are answered without an embedding."""
    audio = np.concatenate([voice(2.0), np.zeros(2 * RATE, np.float32), voice(1.05)])
    answers = list(service.stream(audio.tobytes(), pcm=PCM, window=1, hop=1))
    windows = [a.window for a in answers[:-1]]
    assert [Omission.Name(w.omission).removeprefix("OMISSION_") for w in windows] == [
        *("UNSPECIFIED", "UNSPECIFIED", "SILENT", "SILENT", "UNSPECIFIED", "TOO_SHORT")
    ]
    assert all(w.HasField("embedding") is not bool(w.omission) for w in windows)
    assert offsets(answers)[-1] == (5, 5.05)
    assert windows[2].audio.level_dbfs == -120
    assert windows[2].audio.active_duration.ToNanoseconds() == 0
    active = answers[-1].summary.audio.active_duration.ToNanoseconds() / 1e9
    assert active == pytest.approx(3.05, abs=0.05)


@pytest.mark.parametrize("kind", ["WAV", "MP3", "OGG"])
@pytest.mark.parametrize("share", [0.4, 0.5, 0.77])
def test_cut_audio(service: Any, encode: Any, sound: Any, kind: str, share: float) -> None:
    """Audio that stops half way is answered as far as it goes, if the format allows it."""
    audio = encode(sound, kind=kind)
    answers = list(service.stream(audio[: int(share * len(audio))]))
    assert share * 10 - 2 < offsets(answers)[-1][1] < share * 10 + 0.5


def test_cut_flac(service: Any, encode: Any, sound: Any) -> None:
    """Cut flac is answered as far as it goes, and the summary tells."""
    audio = encode(sound, kind="FLAC")
    answers = list(service.stream(audio[: len(audio) // 2]))
    assert 4.5 < offsets(answers)[-1][1] < 5.5
    assert of_file(answers[-1].summary.audio.remarks) == [embedding_pb2.AUDIO_REMARK_CUT_OFF]


@pytest.mark.parametrize(
    ("audio", "config", "message"),
    [
        (b"this is no audio\n" * 1000, {}, "this is text, not audio"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n", {}, "this is a play list"),
        (b"", {}, "no audio was sent"),
        (b"", {"pcm": PCM}, "no samples"),
        (b"\1" * 4001, {"pcm": PCM}, "whole number|ends after"),
        (np.full(4000, np.nan, np.float32).tobytes(), {"pcm": PCM}, "not numbers"),
        (np.full(4000, 1e30, np.float32).tobytes(), {"pcm": PCM}, "of size"),
    ],
)
def test_bad_audio(service: Any, audio: bytes, config: dict[str, Any], message: str) -> None:
    """Bytes that are no audio are AUDIO_UNDECODABLE, with the cause."""
    error, answers = refuse(service, audio, **config)
    assert error.reason is Reason.AUDIO_UNDECODABLE
    assert any(part in error.message for part in message.split("|"))
    assert not answers


def test_no_numbers_half_way(service: Any, sound: Any) -> None:
    """NaN half way ends the stream. The answers before are valid."""
    bad = sound.copy()
    bad[5 * RATE :] = np.nan
    error, answers = refuse(service, bad.tobytes(), pcm=PCM)
    assert error.reason is Reason.AUDIO_UNDECODABLE
    assert offsets(answers)[:1] == [(0, 3)]


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"window": 0}, "config.window"),
        ({"window": 0.05}, "config.window"),
        ({"window": 60.001}, "config.window"),
        ({"window": -1}, "config.window"),
        ({"hop": 0}, "config.hop"),
        ({"hop": -1.5}, "config.hop"),
        ({"hop": 3601}, "config.hop"),
        ({"pcm": embedding_pb2.PcmFormat(sample_rate=1)}, "config.pcm.sample_rate"),
    ],
)
def test_bad_config(service: Any, config: dict[str, Any], field: str) -> None:
    """An impossible window, hop or layout is FIELD_INVALID, naming the field."""
    error, _ = refuse(service, b"", **config)
    assert error.reason is Reason.FIELD_INVALID
    assert error.message.startswith(field)


def test_messages_out_of_order(service: Any, first: Any, sound: Any) -> None:
    """A stream that does not begin with its one config is FIELD_INVALID."""
    chunk = Request(audio_chunk=sound.tobytes())
    one = first(pcm=PCM)
    for requests in ([], [chunk], [Request()], [one, one], [one, chunk, one], [one, Request()]):
        with pytest.raises(ServiceError) as failure:
            list(service.converse(iter(requests)))
        assert failure.value.reason is Reason.FIELD_INVALID


def test_another_model(service: Any, sound: Any) -> None:
    """A model that is not here is MODEL_NOT_FOUND."""
    error, _ = refuse(service, sound.tobytes(), pcm=PCM, model="models/other")
    assert error.reason is Reason.MODEL_NOT_FOUND
