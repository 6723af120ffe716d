"""Turns encoded bytes into mono samples at the model's rate. Runs in a decoder process."""

from __future__ import annotations

import io
import math
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import soxr

from embedding_service.decoding.likeness import Likeness
from embedding_service.decoding.loudness import Loudness
from embedding_service.decoding.mixing import Mixer
from embedding_service.decoding.parts import WHOLE, Cut, Part
from embedding_service.decoding.readers import (
    AudioError,
    Pcm,
    Remark,
    Stream,
    open_audio,
    undecodable,
)
from embedding_service.decoding.silence import Frames, kept_samples
from embedding_service.speech.activity import Activity
from serving.durations import in_words

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from embedding_service.decoding.silence import Sound

    Keep = Callable[[NDArray[np.float32]], object]

INLINE_BYTES = 2**20
"""Largest piece of audio, encoded or decoded, that is kept in memory; larger ones use a file."""

_QUICK_AUDIO_SECONDS = 300.0
"""Most audio that is decoded quickly: its samples are 19 MB."""

_QUICK_WORK_SECONDS = 2.0
"""Most processor time in which audio is decoded quickly."""

MOST_SAMPLES = 8 * 48_000
"""Most samples of all channels that are decoded for each second of the longest audio.

Eight channels at 48 kHz have as many. A file of 1 MB can hold hours of far more.
"""

_FRAMES_AT_ONCE = 2**11
"""Frames of a file that are moved at once: 1.3 MB of 16 kHz."""


@dataclass(frozen=True)
class Order:
    """A piece of audio to decode, and the form of the result.

    Attributes:
        source: The encoded bytes, or the path of a file that holds them.
        sink: Path of an existing file for samples that are too many for memory: mono float32, in
            the machine's byte order.
        sample_rate: Sample rate of the result, Hz.
        max_seconds: Longest audio that is accepted; less, where a second has more samples than
            MOST_SAMPLES.
        silence_dbfs: Level below which a 25 ms frame counts as silent.
        pcm: Layout of raw samples; None for an encoded file.
        channel: The channel to hear, counted from 1; 0 for all, mixed to one.
        part: The part that is wanted; all else counts as not there.
        on_time_line: If silent samples stay in their place, and `Decoded.sound` tells of them.
        decision_seconds: Speech from which on a decision about a voice is sure. All but speech is
            left out like silence then, where there is speech. None for a model of other sounds.
    """

    source: bytes | str
    sink: str
    sample_rate: int
    max_seconds: float
    silence_dbfs: float
    pcm: Pcm | None = None
    channel: int = 0
    part: Part = WHOLE
    on_time_line: bool = False
    decision_seconds: float | None = None


@dataclass(frozen=True)
class Heard:
    """Properties of the audio.

    Attributes:
        seconds: Its length.
        active_seconds: Length of the frames louder than the silence level; that of the speech,
            if only speech is embedded.
        level_dbfs: Root mean square level of the whole audio.
        samples: Number of samples after resampling; `decode` counts those that it gives.
        sample_rate: Sample rate of the input, Hz.
        channels: Channels of the input.
        format: Container and codec of the input.
        remarks: Remarks about the audio, as names of Remark.
    """

    seconds: float
    active_seconds: float
    level_dbfs: float
    samples: int
    sample_rate: int
    channels: int
    format: str
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Decoded:
    """The result of an order.

    Attributes:
        heard: Properties of the audio.
        samples: Mono float32, shape (n,); None when they are in the sink.
        sound: Tells which samples are silent, where they stay on their time line.
    """

    heard: Heard
    samples: NDArray[np.float32] | None
    sound: Sound | None = None


class _Kept:
    """Collects samples: in memory while they are few, else in a file."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._blocks: list[NDArray[np.float32]] = []
        self._size = 0
        self._written = False

    def add(self, samples: NDArray[np.float32]) -> None:
        self._blocks.append(samples)
        self._size += samples.nbytes
        if self._size > INLINE_BYTES:
            self._write()

    def samples(self) -> NDArray[np.float32] | None:
        if self._written:
            self._write()
            return None
        return np.concatenate(self._blocks)

    def leave(self, kept: NDArray[np.bool_], length: int) -> int:
        """Drops the frames that are not kept; gives the number of samples that are left."""
        if not self._written:
            self._blocks = [kept_samples(np.concatenate(self._blocks), kept, length)]
            return len(self._blocks[0])
        self._write()
        return compact(self._path, kept, length)

    def _write(self) -> None:
        with open(self._path, "r+b") as sink:  # noqa: PTH123  never creates it
            sink.seek(0, io.SEEK_END)
            sink.writelines(block.tobytes() for block in self._blocks)
        self._blocks, self._size, self._written = [], 0, True


def compact(path: str, kept: NDArray[np.bool_], length: int) -> int:
    """Moves the frames that are kept to the front of a file of samples, block by block.

    Args:
        path: The file, mono float32.
        kept: Tells of each of its frames if it is kept.
        length: Samples of a frame; the last one may be shorter.

    Returns:
        The number of samples that are left.
    """
    step, end = _FRAMES_AT_ONCE, 0
    with open(path, "r+b") as sink:  # noqa: PTH123  never creates it
        for first in range(0, len(kept), step):
            sink.seek(4 * first * length)
            block = np.frombuffer(sink.read(4 * step * length), np.float32)
            block = kept_samples(block, kept[first : first + step], length)
            sink.seek(4 * end)
            sink.write(block.tobytes())
            end += len(block)
        sink.truncate(4 * end)
    return end


class _NotQuickError(Exception):
    """The audio is not decoded quickly."""


class _Watch:
    """Ends decoding that is to be quick and is not."""

    def __init__(self, order: Order) -> None:
        self._end = time.thread_time() + _QUICK_WORK_SECONDS
        self._left = _QUICK_AUDIO_SECONDS * order.sample_rate

    def expect(self, seconds: float) -> None:
        """Looks at the length that the audio says it has."""
        if seconds > _QUICK_AUDIO_SECONDS:
            raise _NotQuickError

    def look(self, samples: int) -> None:
        """Looks at the number of further samples, and at the processor's time."""
        self._left -= samples
        if self._left < 0 or time.thread_time() > self._end:
            raise _NotQuickError


def decode_quickly(order: Order) -> Decoded | None:
    """As `decode`, but gives up as soon as the audio turns out to be long, and returns None."""
    try:
        return _decode(order, _Watch(order))
    except _NotQuickError:
        os.truncate(order.sink, 0)
        return None


def decode(order: Order) -> Decoded:
    """Decodes, mixes to mono, resamples, measures, and leaves silence out.

    Raises:
        AudioError: AUDIO_UNDECODABLE, AUDIO_CHANNEL_MISSING, AUDIO_TOO_LONG, or FIELD_INVALID for
            the part.
    """
    return _decode(order, None)


def _decode(order: Order, watch: _Watch | None) -> Decoded:
    with _open(order.source) as file, open_audio(file, order.pcm) as stream:
        if stream.seconds is not None and stream.seconds > _longest(stream, order.max_seconds):
            raise _too_long(stream, stream.seconds, order.max_seconds)
        if watch and stream.seconds is not None and order.part == WHOLE:
            watch.expect(stream.seconds)
        kept, frames = _Kept(order.sink), Frames(order.sample_rate)
        activity = None if order.decision_seconds is None else Activity(order.sample_rate)

        def keep(samples: NDArray[np.float32]) -> None:
            if watch:
                watch.look(len(samples))
            frames.add(samples)
            if activity:
                activity.add(samples)
            kept.add(samples)

        heard = convert(
            stream,
            order.sample_rate,
            order.silence_dbfs,
            keep,
            max_seconds=order.max_seconds,
            channel=order.channel,
            part=order.part,
        )
        frames.finish()
        wanted = frames.audible()
        if not wanted.any():
            heard = replace(heard, active_seconds=0.0)
        elif activity:
            activity.finish()
            spoken = activity.among(wanted, frames.seconds)
            heard = _told(heard, spoken, frames.seconds, order.decision_seconds or 0.0)
            wanted = wanted if spoken is None else spoken
        if order.on_time_line:
            sound = frames.sound(wanted, order.silence_dbfs)
            return Decoded(heard, kept.samples(), sound)
        # The file of a long recording without silence is not written a second time.
        left = heard.samples if wanted.all() else kept.leave(wanted, frames.length)
        return Decoded(replace(heard, samples=left), kept.samples())


def _told(
    heard: Heard, spoken: NDArray[np.bool_] | None, frame_seconds: float, needed: float
) -> Heard:
    """Tells of audio how much speech it has, by its frames; None: it has none."""
    if spoken is None:
        return replace(heard, remarks=(*heard.remarks, Remark.NO_SPEECH.value))
    seconds = float(np.count_nonzero(spoken)) * frame_seconds
    return with_speech(heard, min(seconds, heard.seconds), needed)


def with_speech(heard: Heard, seconds: float, needed: float) -> Heard:
    """Tells of audio that it has so much speech, and if a decision needs more.

    Audio of which nothing is louder than the silence limit stays silent.
    """
    remarks = (Remark.LITTLE_SPEECH.value,) if seconds < needed else ()
    active = seconds if heard.active_seconds else 0.0
    return replace(heard, active_seconds=active, remarks=(*heard.remarks, *remarks))


def _open(source: bytes | str) -> BinaryIO:
    return io.BytesIO(source) if isinstance(source, bytes) else Path(source).open("rb")


def convert(
    stream: Stream,
    sample_rate: int,
    silence_dbfs: float,
    keep: Keep,
    *,
    max_seconds: float = math.inf,
    channel: int = 0,
    part: Part = WHOLE,
) -> Heard:
    """Mixes to mono, resamples and measures, block by block.

    Args:
        stream: Audio being decoded.
        sample_rate: Sample rate of the result, Hz.
        silence_dbfs: Level below which a 25 ms frame counts as silent.
        keep: Called with the samples in order: mono float32, shape (n,).
        max_seconds: As in `Order`.
        channel: As in `Order`.
        part: The part that is kept and measured. Decoding ends with it.

    Raises:
        AudioError: AUDIO_UNDECODABLE, AUDIO_CHANNEL_MISSING, AUDIO_TOO_LONG, or FIELD_INVALID for
            the part.
    """
    same = stream.sample_rate == sample_rate
    resampler = None if same else soxr.ResampleStream(stream.sample_rate, sample_rate, 1, "float32")
    loudness = Loudness(sample_rate, silence_dbfs)
    mixer = Mixer(stream.channels, channel)
    likeness = Likeness(stream.channels, stream.sample_rate)
    cut = Cut(part, sample_rate)
    frames, most = 0, _longest(stream, max_seconds) * stream.sample_rate

    def take(samples: NDArray[np.float32], *, last: bool = False) -> None:
        resampled = resampler.resample_chunk(samples, last=last) if resampler else samples
        wanted = cut.take(resampled)
        loudness.add(wanted)
        keep(wanted)

    for block in stream.blocks:
        frames += len(block)
        if frames > most:
            raise _too_long(stream, None, max_seconds)
        if not channel:
            likeness.add(block)
        take(mixer.mix(block))
        if cut.full:
            break
    if not frames:
        raise undecodable(f"the {stream.format} file holds no samples: is it cut off?")
    take(np.zeros(0, np.float32), last=True)
    loudness.finish()
    remarks = stream.remarks | ({Remark.UNLIKE_CHANNELS_MIXED} if likeness.unlike else set())
    seconds = cut.seconds(frames / stream.sample_rate)
    return Heard(
        seconds=seconds,
        active_seconds=min(loudness.active_seconds, seconds),
        level_dbfs=loudness.level_dbfs,
        samples=loudness.samples,
        sample_rate=stream.sample_rate,
        channels=stream.channels,
        format=stream.format,
        remarks=tuple(remark.value for remark in Remark if remark in remarks),
    )


def _longest(stream: Stream, limit: float) -> float:
    """The longest audio that is accepted, by its own length and by its number of samples."""
    return limit * min(1.0, MOST_SAMPLES / (stream.sample_rate * stream.channels))


def _too_long(stream: Stream, seconds: float | None, limit: float) -> AudioError:
    longest = _longest(stream, limit)
    found = "more" if seconds is None else in_words(seconds)
    kind, fewer = "audio", ""
    if longest < limit:
        kind = f"audio of {stream.channels} channels at {stream.sample_rate:,} Hz"
        fewer = (
            f" ({MOST_SAMPLES * limit:,.0f} samples, those of {in_words(limit)} of 8 channels at "
            "48,000 Hz)"
        )
    return AudioError(
        "AUDIO_TOO_LONG",
        f"at most {in_words(longest)} of {kind} are accepted{fewer}, this is {found}: "
        f"{'send fewer channels or a lower rate, ' if fewer else ''}cut it into shorter clips, or "
        "have the operator raise AUDIOSEARCH_MAX_AUDIO_SECONDS",
    )
