"""Opens audio of any format and reads its samples block by block. Runs in a decoder process."""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import soundfile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

MIN_RATE, MAX_RATE = 1_000, 384_000
MAX_CHANNELS = 64
_BLOCK_SAMPLES = 2**18
"""Samples of all channels in one block: 1 MiB."""

_INT16_SCALE = 2**15
_LIBSNDFILE_FORMATS = {"WAV", "WAVEX", "RF64", "W64", "FLAC", "MP3", "OGG", "AIFF", "AU", "CAF"}
_SHORT_FORMATS = {"WAVEX": "wav", "MP3": "mp3"}
_UNKNOWN_FRAMES = 2**62
"""Least number of frames by which libsndfile means a file that does not tell its length."""

FFMPEG_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,aac,ogg,mp3,flac"
"""Formats that FFmpeg may read. Play lists are left out: they name other files."""
_FFMPEG_NAMES = {"mov,mp4,m4a,3gp,3g2,mj2": "m4a", "matroska,webm": "webm"}
_LIBSNDFILE_NAMES = {
    **{f"pcm_s{bits}{end}": f"pcm_{bits}" for bits in (16, 24, 32) for end in ("le", "be")},
    **{f"pcm_f32{end}": "float" for end in ("le", "be")},
    **{f"pcm_f64{end}": "double" for end in ("le", "be")},
    **{f"pcm_{law}": law.replace("mu", "u") for law in ("mulaw", "alaw")},
}
"""FFmpeg's names of raw samples to libsndfile's names, so that one format has one name."""


class AudioError(Exception):
    """Audio that can't be used. Its arguments are plain, because it is sent between processes."""

    def __init__(self, reason: str, message: str) -> None:
        """Takes the name of a serving.errors.Reason and the message."""
        super().__init__(reason, message)
        self.reason = reason
        self.message = message


def undecodable(message: str) -> AudioError:
    """Returns the error for bytes that are no usable audio."""
    return AudioError("AUDIO_UNDECODABLE", message)


@dataclass(frozen=True)
class Pcm:
    """Layout of raw samples: interleaved, little-endian; `dtype` is `<i2` or `<f4`."""

    sample_rate: int
    channels: int
    dtype: str
    format: str = "pcm"
    """Name of the format."""


@dataclass(frozen=True)
class Stream:
    """Audio being decoded.

    Attributes:
        sample_rate: Hz.
        channels: At least 1.
        format: Container and codec.
        seconds: Length that the container claims; None if it names none.
        blocks: Samples, shape (frames, channels), float32 in about [-1, 1].
    """

    sample_rate: int
    channels: int
    format: str
    seconds: float | None
    blocks: Iterator[NDArray[np.float32]]


@contextlib.contextmanager
def open_audio(file: BinaryIO, pcm: Pcm | None) -> Iterator[Stream]:
    """Opens audio: raw samples, or a file that libsndfile or else FFmpeg reads.

    FFmpeg comes second because it crashes more easily: its binding dies of a WAV with 8 channels.

    Raises:
        AudioError: AUDIO_UNDECODABLE, here or while the blocks are read.
    """
    with contextlib.ExitStack() as stack:
        if pcm is not None:
            stream = _raw(file, pcm)
        else:
            sound = _try_libsndfile(file)
            stream = _libsndfile(stack.enter_context(sound)) if sound else read_ffmpeg(file, stack)
        require_usable(stream)
        yield stream


def require_usable(stream: Stream) -> None:
    """Checks that sample rate and channels are within the limits.

    Raises:
        AudioError: AUDIO_UNDECODABLE.
    """
    if not MIN_RATE <= stream.sample_rate <= MAX_RATE:
        raise undecodable(
            f"a sample rate of {stream.sample_rate} Hz; {MIN_RATE} to {MAX_RATE} Hz are read"
        )
    if not 1 <= stream.channels <= MAX_CHANNELS:
        raise undecodable(f"{stream.channels} channels; 1 to {MAX_CHANNELS} are read")


def _raw(file: BinaryIO, pcm: Pcm) -> Stream:
    dtype = np.dtype(pcm.dtype)
    frame = dtype.itemsize * pcm.channels
    size = file.seek(0, 2)
    file.seek(0)
    if size % frame:
        raise undecodable(
            f"{size} bytes are not a whole number of {frame}-byte frames: "
            "the audio is cut off, or the PCM format is another"
        )
    step = max(1, _BLOCK_SAMPLES // pcm.channels) * frame

    def blocks() -> Iterator[NDArray[np.float32]]:
        while data := file.read(step):
            yield raw_samples(data, pcm)

    return Stream(
        pcm.sample_rate, pcm.channels, pcm.format, size / frame / pcm.sample_rate, blocks()
    )


def raw_samples(data: bytes, pcm: Pcm) -> NDArray[np.float32]:
    """Turns raw bytes, a whole number of frames, into samples of shape (frames, channels)."""
    samples = np.frombuffer(data, pcm.dtype).reshape(-1, pcm.channels)
    scale = np.float32(1 if samples.dtype.kind == "f" else _INT16_SCALE)
    return samples.astype(np.float32) / scale


def _try_libsndfile(file: BinaryIO) -> soundfile.SoundFile | None:
    try:
        sound = soundfile.SoundFile(file)
    except soundfile.LibsndfileError:
        file.seek(0)
        return None
    if sound.format == "FLAC" and sound.frames >= _UNKNOWN_FRAMES:
        sound.close()  # a stream: soundfile seeks after each block, which fails at its end
        file.seek(0)
        return None
    if sound.format not in _LIBSNDFILE_FORMATS:
        with sound:
            raise undecodable(
                f"{sound.format} files are not read; send wav, flac, mp3, ogg, opus, "
                "m4a, aiff or webm"
            )
    return sound


def _libsndfile(sound: soundfile.SoundFile) -> Stream:
    name = _SHORT_FORMATS.get(sound.format, sound.format.lower())
    if sound.format != "MP3":
        name += f"/{sound.subtype.lower()}"
    known = 0 <= sound.frames < _UNKNOWN_FRAMES and sound.samplerate > 0
    seconds = sound.frames / sound.samplerate if known else None
    return Stream(sound.samplerate, sound.channels, name, seconds, _libsndfile_blocks(sound))


def _libsndfile_blocks(sound: soundfile.SoundFile) -> Iterator[NDArray[np.float32]]:
    frames = max(1, _BLOCK_SAMPLES // sound.channels)
    count = 0
    try:
        while len(block := sound.read(frames, dtype="float32", always_2d=True)):
            count += len(block)
            yield block
    except soundfile.LibsndfileError as error:
        raise undecodable(
            f"the {sound.format.lower()} data is damaged or cut off: {error.error_string}"
        ) from error
    if sound.format == "FLAC" and count < sound.frames:
        raise undecodable(f"the flac data is cut off after {count} of {sound.frames} samples")


def read_ffmpeg(
    file: Any,
    stack: contextlib.ExitStack,
    formats: str = FFMPEG_FORMATS,
    block_samples: int = _BLOCK_SAMPLES,
) -> Stream:
    """Opens audio with FFmpeg.

    Args:
        file: Has `read`, and `seek` if it can seek.
        stack: Closes everything that is opened here.
        formats: FFmpeg's names of the formats that may be read.
        block_samples: Samples of all channels in one block; a block may hold a few more.

    Raises:
        AudioError: AUDIO_UNDECODABLE, here or while the blocks are read.
    """
    import av  # noqa: PLC0415  most decoder processes never need it

    try:
        container = stack.enter_context(
            av.open(file, options={"format_whitelist": formats}, metadata_errors="ignore")
        )
    except (av.error.FFmpegError, ValueError) as error:
        raise undecodable(
            "no known audio format, or a damaged file; send wav, flac, mp3, ogg, "
            "opus, m4a, aiff or webm"
        ) from error
    if not container.streams.audio:
        raise undecodable("the file holds no audio")
    track = container.streams.audio[0]
    frames = _frames(container, track)
    first = next(frames, None)
    if first is None:
        raise undecodable("the file holds no samples: is it cut off?")
    name = _FFMPEG_NAMES.get(container.format.name, container.format.name)
    codec = _LIBSNDFILE_NAMES.get(track.codec.name, track.codec.name)
    seconds = None if container.duration is None else container.duration / av.time_base
    # Rate and channels come from the first frame: the header of some codecs (HE-AAC) differs.
    return Stream(
        first.sample_rate,
        first.layout.nb_channels,
        name if name in {"mp3", "aac", "flac"} else f"{name}/{codec}",
        seconds,
        _gathered(itertools.chain([first], frames), first.layout.nb_channels, block_samples),
    )


def _frames(container: Any, track: Any) -> Iterator[Any]:
    """Decodes a track to interleaved float32.

    Uses FFmpeg's own conversion: PyAV crashes on 8 or more separate channels.
    """
    import av  # noqa: PLC0415  most decoder processes never need it

    convert = av.AudioResampler(format="flt")
    layout = None
    try:
        for frame in container.decode(track):
            layout = layout or (frame.sample_rate, frame.layout.nb_channels)
            if (frame.sample_rate, frame.layout.nb_channels) != layout:
                raise undecodable("the audio changes its sample rate or channels half way")
            yield from convert.resample(frame)
        if layout:
            yield from convert.resample(None)
    except av.error.FFmpegError as error:
        raise undecodable(f"the audio is damaged or cut off: {error.strerror}") from error


def _gathered(
    frames: Iterator[Any], channels: int, block_samples: int
) -> Iterator[NDArray[np.float32]]:
    """Joins the small frames of a codec into blocks."""
    parts: list[NDArray[np.float32]] = []
    for frame in frames:
        parts.append(frame.to_ndarray().reshape(-1, channels))
        if len(parts) * parts[0].size >= block_samples:
            yield np.concatenate(parts)
            parts = []
    if parts:
        yield np.concatenate(parts)
