"""Recordings: embedded as a whole and window by window."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from audiosearch.embedding.v1 import embedding_pb2
from audiosearch.embedding.v1 import embedding_service_pb2 as messages

from serving.errors import Reason
from tests.remarks import of_file

RATE = 16000
FLOAT = embedding_pb2.PcmFormat(sample_rate=RATE, sample_type=embedding_pb2.SAMPLE_TYPE_FLOAT32)
Omission = messages.EmbeddedWindow.Omission
SILENT, TOO_SHORT = Omission.OMISSION_SILENT, Omission.OMISSION_TOO_SHORT


def offsets(windows: list[Any]) -> list[tuple[float, float]]:
    """Start and end of windows, in seconds."""
    return [
        (w.start_offset.ToNanoseconds() / 1e9, w.end_offset.ToNanoseconds() / 1e9) for w in windows
    ]


def vector(embedding: Any) -> Any:
    """The values of an embedding."""
    return np.array(embedding.values)


@pytest.fixture(scope="module")
def sound(voice: Callable[..., Any]) -> Any:
    """10 s of sound."""
    return voice(10.0, seed=1)


@pytest.fixture(scope="module")
def whole(service: Any) -> Callable[[Any], Any]:
    """Embeds samples as one piece of audio."""
    return lambda samples: vector(service.embed(samples.tobytes(), pcm=FLOAT).embedding)


def test_the_rule_of_the_model(service: Any) -> None:
    """Without a rule, the model's own counts."""
    (model,) = service.stub.ListModels(messages.ListModelsRequest()).models
    rule = model.window_rule
    given = (rule.window.ToNanoseconds(), rule.hop.ToNanoseconds(), rule.single.ToNanoseconds())
    assert given == (3 * 10**9, 15 * 10**8, 6 * 10**9)


@pytest.mark.parametrize(
    ("rule", "seconds", "expected"),
    [
        (None, 10, [(0, 3), (1.5, 4.5), (3, 6), (4.5, 7.5), (6, 9), (7, 10)]),
        (None, 7.5, [(0, 3), (1.5, 4.5), (3, 6), (4.5, 7.5)]),
        (None, 6.1, [(0, 3), (1.5, 4.5), (3, 6), (3.1, 6.1)]),
        (None, 6.0, [(0, 6)]),
        (None, 0.3, [(0, 0.3)]),
        ((2, 2, 0), 7, [(0, 2), (2, 4), (4, 6), (5, 7)]),
        ((2, 2, 0), 6.0005, [(0, 2), (2, 4), (4.0005, 6.0005)]),
        ((2, 2, 0), 2, [(0, 2)]),
        ((2, 2, 0), 1.9, [(0, 1.9)]),
        ((3, 1, 9.9), 10, [(start, start + 3) for start in range(8)]),
        ((3, 1, 10), 10, [(0, 10)]),
    ],
)
def test_windows(
    service: Any, whole: Any, sound: Any, rule: Any, seconds: float, expected: list[Any]
) -> None:
    """Windows start at the hops, the last one ends with the audio; each has its own embedding."""
    samples = sound[: round(seconds * RATE)]
    windows, summary = service.windows(samples.tobytes(), pcm=FLOAT, rule=rule)
    assert offsets(windows) == expected
    for window, (start, end) in zip(windows, expected, strict=True):
        alone = whole(samples[round(start * RATE) : round(end * RATE)])
        assert alone @ vector(window.embedding) >= 0.9999
        assert not window.HasField("audio")
    assert summary.window_count == len(expected)
    assert whole(samples) @ vector(summary.embedding) >= 0.9999
    assert summary.embedding.model == windows[0].embedding.model
    assert summary.audio == service.embed(samples.tobytes(), pcm=FLOAT).audio


def test_a_single_window_is_the_whole(service: Any, whole: Any, sound: Any) -> None:
    """The embedding of a short recording, of its window and of EmbedAudio are one."""
    samples = sound[: 5 * RATE]
    (window,), summary = service.windows(samples.tobytes(), pcm=FLOAT)
    assert window.embedding == summary.embedding
    np.testing.assert_allclose(vector(summary.embedding), whole(samples), atol=1e-6)


@pytest.mark.parametrize(("kind", "subtype"), [("FLAC", "PCM_16"), ("MP3", None), ("OGG", "OPUS")])
def test_files(service: Any, encode: Any, sound: Any, kind: str, subtype: Any) -> None:
    """Files are decoded as EmbedAudio does."""
    audio = encode(sound, kind=kind, subtype=subtype)
    windows, summary = service.windows(audio)
    answer = service.embed(audio)
    assert summary.audio == answer.audio
    assert vector(summary.embedding) @ vector(answer.embedding) >= 0.9999
    assert windows[-1].end_offset.ToNanoseconds() / 1e9 == pytest.approx(
        summary.audio.duration.ToNanoseconds() / 1e9, abs=1e-4
    )


def test_more_than_a_minute(service: Any, voice: Any) -> None:
    """The embedding of a long recording is the mean of its windows, scaled to unit length."""
    samples = np.concatenate([voice(20.0, seed=seed) for seed in range(4)])
    windows, summary = service.windows((32767 * samples).astype("<i2").tobytes(), pcm=PCM16)
    assert len(windows) == 53
    mean = np.mean([vector(window.embedding) for window in windows], axis=0)
    np.testing.assert_allclose(vector(summary.embedding), mean / np.linalg.norm(mean), atol=1e-6)


PCM16 = embedding_pb2.PcmFormat(sample_rate=RATE)


def test_a_channel(service: Any, whole: Any, voice: Any) -> None:
    """One channel is embedded where one is chosen; the mix of unlike ones is told."""
    left, right = voice(8.0, seed=3), voice(8.0, seed=4)
    pcm = embedding_pb2.PcmFormat(
        sample_rate=RATE, channels=2, sample_type=embedding_pb2.SAMPLE_TYPE_FLOAT32
    )
    audio = np.stack([left, right], axis=1).tobytes()
    windows, summary = service.windows(audio, pcm=pcm, channel=2)
    assert vector(windows[1].embedding) @ whole(right[24000:72000]) >= 0.9999
    assert not of_file(summary.audio.remarks)
    _, mixed = service.windows(audio, pcm=pcm)
    assert of_file(mixed.audio.remarks) == [embedding_pb2.AUDIO_REMARK_UNLIKE_CHANNELS_MIXED]


@pytest.mark.parametrize("level", [0.0, 1e-4])
def test_silence(service: Any, whole: Any, sound: Any, level: float) -> None:
    """Silence beside the clip keeps its place in time, and has no part in any vector."""
    noise = level * np.random.default_rng(5).standard_normal(16 * RATE).astype(np.float32)
    before, inside, after = noise[: 4 * RATE], noise[:RATE], noise[: 11 * RATE]
    voice = sound[: 6 * RATE]
    samples = np.concatenate([before, voice[: 3 * RATE], inside, voice[3 * RATE :], after])
    windows, summary = service.windows(samples.astype(np.float32).tobytes(), pcm=FLOAT)
    found = dict(zip(offsets(windows), windows, strict=True))
    assert list(found)[-1] == (19, 22)
    expected = {
        (0, 3): None,
        (1.5, 4.5): voice[: RATE // 2],
        (3, 6): voice[: 2 * RATE],
        (4.5, 7.5): voice[RATE // 2 : 3 * RATE],
        (6, 9): voice[2 * RATE : 4 * RATE],
        (9, 12): voice[4 * RATE :],
        (10.5, 13.5): voice[11 * RATE // 2 :],
        (12, 15): None,
        (18, 21): None,
        (19, 22): None,
    }
    for place, sounding in expected.items():
        if sounding is None:
            assert found[place].omission == SILENT
            assert not found[place].HasField("embedding")
        else:
            assert vector(found[place].embedding) @ whole(sounding) >= 0.999
    assert vector(summary.embedding) @ whole(voice) >= 0.999


def test_silence_is_judged_by_the_whole(service: Any, whole: Any, sound: Any) -> None:
    """A soft part is silent beside a loud one, and a recording of its own without it."""
    soft, loud = np.float32(0.004) * sound, 4 * sound
    _, summary = service.windows(soft.tobytes(), pcm=FLOAT)
    assert vector(summary.embedding) @ whole(soft) >= 0.9999
    windows, _ = service.windows(np.concatenate([soft, loud]).tobytes(), pcm=FLOAT)
    assert windows[2].omission == SILENT
    assert windows[-1].HasField("embedding")


def test_too_little_sound(service: Any, whole: Any, sound: Any) -> None:
    """A window with less sound than the model needs has no embedding."""
    samples = np.zeros(20 * RATE, np.float32)
    samples[: 4 * RATE] = sound[: 4 * RATE]
    samples[17 * RATE : 17 * RATE + 960] = sound[:960]
    windows, _ = service.windows(samples.tobytes(), pcm=FLOAT)
    found = dict(zip(offsets(windows), windows, strict=True))
    assert found[(16.5, 19.5)].omission == TOO_SHORT
    assert found[(9, 12)].omission == SILENT


@pytest.mark.parametrize("seconds", [30, 300])
def test_the_last_window_stands_for_all(service: Any, sound: Any, seconds: int) -> None:
    """Where no window holds enough sound, the last one has the embedding of all sound."""
    samples = np.zeros(seconds * RATE, np.float32)
    for second in range(2, seconds, 4):
        samples[second * RATE : second * RATE + 960] = sound[second * 100 : second * 100 + 960]
    audio = samples.tobytes()
    windows, summary = service.windows(audio, pcm=FLOAT)
    assert not any(window.HasField("embedding") for window in windows[:-1])
    assert {window.omission for window in windows[:-1]} >= {TOO_SHORT}
    assert windows[-1].embedding == summary.embedding
    np.testing.assert_allclose(
        vector(summary.embedding), vector(service.embed(audio, pcm=FLOAT).embedding), atol=1e-5
    )


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (2, 10, [(2, 5), (3.5, 6.5), (5, 8), (6.5, 9.5), (7, 10)]),
        (2, 6, [(2, 6)]),
        (None, 4, [(0, 4)]),
        (14, None, [(14, 20)]),
        (14, 20.05, [(14, 20)]),
        (0, 20, None),
    ],
)
def test_ranges(service: Any, voice: Any, first: Any, last: Any, expected: Any) -> None:
    """A range is embedded as if it were cut out; offsets count from the start of all audio."""
    samples = voice(20.0, seed=6)
    cut = samples[round((first or 0) * RATE) : round((last or 20) * RATE)]
    windows, summary = service.windows(samples.tobytes(), pcm=FLOAT, start=first, end=last)
    alone, its_summary = service.windows(cut.tobytes(), pcm=FLOAT)
    shift = first or 0
    assert offsets(windows) == [(a + shift, b + shift) for a, b in offsets(alone)]
    assert expected is None or offsets(windows) == expected
    for window, other in zip(windows, alone, strict=True):
        assert vector(window.embedding) @ vector(other.embedding) >= 0.9999
    assert vector(summary.embedding) @ vector(its_summary.embedding) >= 0.9999
    assert summary.audio.duration == its_summary.audio.duration
    assert summary.audio.level_dbfs == pytest.approx(its_summary.audio.level_dbfs, abs=1e-3)


def test_a_range_of_another_rate(service: Any, encode: Any, voice: Any) -> None:
    """Offsets are those of the audio, whatever its rate and format."""
    audio = encode(voice(20.0, seed=7, rate=44100), 44100, kind="MP3")
    windows, summary = service.windows(audio, start=5.0, end=9.0)
    assert offsets(windows) == [(5, 9)]
    assert summary.audio.duration.ToNanoseconds() == 4 * 10**9
    assert summary.audio.sample_rate == 44100


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"start": -1.0}, "range.start_offset"),
        ({"start": 3.0, "end": 3.0}, "range.end_offset"),
        ({"start": 3.0, "end": 2.0}, "range.end_offset"),
        ({"end": 0.0}, "range.end_offset"),
        ({"start": 10.0}, "range"),
        ({"start": 3.0, "end": 10.2}, "range"),
        ({"start": 5000.0, "end": 6000.0}, "range"),
        ({"rule": (0.05, 0.05, 0)}, "window_rule.window"),
        ({"rule": (61, 1, 0)}, "window_rule.window"),
        ({"rule": (3, 3.1, 0)}, "window_rule.hop"),
        ({"rule": (3, 0, 0)}, "window_rule.hop"),
        ({"rule": (3, 1.5, 61)}, "window_rule.single"),
        ({"rule": (3, 1.5, -1)}, "window_rule.single"),
        ({"channel": 65}, "channel"),
    ],
)
def test_fields(service: Any, sound: Any, config: dict[str, Any], field: str) -> None:
    """Rules and ranges that can't be are FIELD_INVALID, naming the field."""
    error = service.refuse_windows(sound.tobytes(), pcm=FLOAT, **config)
    assert error.reason is Reason.FIELD_INVALID
    assert f"config.{field}" in error.message


def test_a_short_range(service: Any, sound: Any) -> None:
    """A range shorter than any audio may be is AUDIO_TOO_SHORT, and a silent one AUDIO_SILENT."""
    samples = np.concatenate([sound, np.zeros(5 * RATE, np.float32)])
    error = service.refuse_windows(samples.tobytes(), pcm=FLOAT, start=1.0, end=1.01)
    assert error.reason is Reason.AUDIO_TOO_SHORT
    error = service.refuse_windows(samples.tobytes(), pcm=FLOAT, start=11.0, end=14.0)
    assert error.reason is Reason.AUDIO_SILENT


@pytest.mark.parametrize(
    ("audio", "reason"),
    [
        (b"", Reason.AUDIO_UNDECODABLE),
        (b"this is no audio\n" * 100, Reason.AUDIO_UNDECODABLE),
        (np.zeros(8 * RATE, np.float32).tobytes(), Reason.AUDIO_SILENT),
        (np.ones(200, np.float32).tobytes(), Reason.AUDIO_TOO_SHORT),
    ],
    ids=["nothing", "text", "zeros", "short"],
)
def test_bad_audio(service: Any, audio: bytes, reason: Reason) -> None:
    """What EmbedAudio refuses is refused with the same words."""
    config = {} if audio.startswith(b"this") else {"pcm": FLOAT}
    error = service.refuse_windows(audio, **config)
    assert error.reason is reason
    assert error.message == service.refuse(audio, **config).message


def test_another_model(service: Any, sound: Any) -> None:
    """A call can name its model; another than the running one is MODEL_NOT_FOUND."""
    error = service.refuse_windows(sound.tobytes(), pcm=FLOAT, model="models/other")
    assert error.reason is Reason.MODEL_NOT_FOUND


def test_the_outline_of_a_recording(service: Any, sound: Any) -> None:
    """A byte for each part of equal length, with the windows and alone; nothing without asking."""
    audio = (sound * np.linspace(0.1, 1, len(sound), dtype=np.float32)).astype(np.float32)
    parts = np.abs(audio[: len(audio) // 50 * 50]).reshape(50, -1).max(axis=1)
    _, summary = service.windows(audio.tobytes(), pcm=FLOAT, max_peaks=50)
    peaks = np.frombuffer(summary.peaks, np.uint8)
    assert np.allclose(peaks, 255 * parts / parts.max(), atol=1)
    config = messages.EmbedWindowsConfig(audio=messages.EmbedAudioConfig(pcm=FLOAT), max_peaks=50)
    requests = (
        messages.MeasurePeaksRequest(config=config),
        messages.MeasurePeaksRequest(audio_chunk=audio.tobytes()),
    )
    assert service.stub.MeasurePeaks(iter(requests), timeout=120).peaks == summary.peaks
    assert service.windows(audio.tobytes(), pcm=FLOAT)[1].peaks == b""
    error = service.refuse_windows(audio.tobytes(), pcm=FLOAT, max_peaks=1001)
    assert error.reason is Reason.FIELD_INVALID
