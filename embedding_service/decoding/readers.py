"""Opens audio of any format and reads its samples block by block. Runs in a decoder process."""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import soundfile

from embedding_service.decoding.cut_off import (
    SLACK_SECONDS,
    LastPacket,
    ends_early,
    told_by_libsndfile,
)
from embedding_service.decoding.links import parts
from embedding_service.decoding.riff import is_unfinished
from serving.not_audio import ENCRYPTED, NO_SOUND, READABLE, UNKNOWN, refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

MIN_RATE, MAX_RATE = 1_000, 384_000
MAX_CHANNELS = 64
_BLOCK_SAMPLES = 2**18
"""Samples of all channels in one block: 1 MiB."""

_INT16_SCALE = 2**15
_LEFT_TO_FFMPEG = {"MP3", "OGG"}
"""Formats of which libsndfile gives a part as the whole, without a word: it takes an estimate for
the length of an mp3, and only the first of joined ogg streams."""

_HEAD_BYTES = 2**16
"""First bytes of a file in which it is looked for what else than audio it may be."""

_ENCRYPTED_TAGS = {"drms", "enca", "aavd"}
"""Tags of encrypted tracks in MP4: FairPlay, common encryption, Audible."""

_SHORT_FORMATS = {"WAVEX": "wav"}
_UNKNOWN_FRAMES = 2**62
"""Least number of frames by which libsndfile means a file that does not tell its length."""

FFMPEG_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,aac,ogg,mp3,flac,wav,w64,aiff,au,caf,amr,amrnb,amrwb,"
    "asf,avi,flv,mpegts,mpeg,ac3,eac3,dts,ape,wv,tta,mpc,mpc8,dsf,iff,voc,sox,nistsphere,gsm"
)
"""Formats that FFmpeg may read. Never play lists: they name other files."""
_FFMPEG_NAMES = {"mov,mp4,m4a,3gp,3g2,mj2": "m4a", "matroska,webm": "webm", "asf": "wma"}
_GUESSED_LENGTH = {"mp3", "aac", "wav"}
"""Formats of which FFmpeg guesses the length, by the first frames or an unfinished head."""

_CLAIMED_LENGTH = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "flac", "flv", "asf"}
"""Formats that tell the length in their heads."""

_LIBSNDFILE_NAMES = {
    **{f"pcm_s{bits}{end}": f"pcm_{bits}" for bits in (16, 24, 32) for end in ("le", "be")},
    **{f"pcm_f32{end}": "float" for end in ("le", "be")},
    **{f"pcm_f64{end}": "double" for end in ("le", "be")},
    **{f"pcm_{law}": law.replace("mu", "u") for law in ("mulaw", "alaw")},
}
"""FFmpeg's names of raw samples to libsndfile's names, so that one format has one name."""


class Remark(Enum):
    """A remark about audio that was heard all the same."""

    UNLIKE_CHANNELS_MIXED = "UNLIKE_CHANNELS_MIXED"
    CUT_OFF = "CUT_OFF"
    ONE_TRACK_OF_SEVERAL = "ONE_TRACK_OF_SEVERAL"
    NO_SPEECH = "NO_SPEECH"
    LITTLE_SPEECH = "LITTLE_SPEECH"


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
        remarks: Remarks about the audio. Complete when all blocks are read.
    """

    sample_rate: int
    channels: int
    format: str
    seconds: float | None
    blocks: Iterator[NDArray[np.float32]]
    remarks: set[Remark] = field(default_factory=set)


@contextlib.contextmanager
def open_audio(file: BinaryIO, pcm: Pcm | None) -> Iterator[Stream]:
    """Opens audio: raw samples, or a file that libsndfile or else FFmpeg reads.

    FFmpeg comes second because it crashes more easily: its binding dies of a WAV with 8 channels.

    Raises:
        AudioError: AUDIO_UNDECODABLE, here or while the blocks are read.
    """
    with contextlib.ExitStack() as stack:
        if pcm is None:
            require_audio(file.read(_HEAD_BYTES))
            file.seek(0)
        if pcm is not None:
            stream = _raw(file, pcm)
        elif joined := parts(file):
            stream = read_ffmpeg(joined[0], stack, following=joined[1:])
        elif is_unfinished(file):
            stream = read_ffmpeg(file, stack, ignore_length=True)
            stream.remarks.add(Remark.CUT_OFF)
        elif sound := _try_libsndfile(file):
            stream = _libsndfile(stack.enter_context(sound), file, stack)
        else:
            early = ends_early(file)
            stream = read_ffmpeg(file, stack)
            if early:
                stream.remarks.add(Remark.CUT_OFF)
        require_usable(stream)
        yield stream


def require_audio(head: bytes) -> None:
    """Checks that a file does not begin as one of another kind.

    Raises:
        AudioError: AUDIO_UNDECODABLE, with the kind in words.
    """
    if sentence := refusal(head):
        raise undecodable(sentence)


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


class _Forward(soundfile.SoundFile):  # type: ignore[misc]  # it has no types
    """A file that is read from front to back.

    soundfile would seek to the place where it is after each block, for which flac decodes again.
    """

    def seekable(self) -> bool:
        """It is not."""
        return False


def _try_libsndfile(file: BinaryIO) -> soundfile.SoundFile | None:
    """Opens what libsndfile reads whole; leaves the file at its start where it does not."""
    try:
        sound = _Forward(file)
    except soundfile.LibsndfileError:
        file.seek(0)
        return None
    if _reads_whole(sound):
        return sound
    sound.close()
    file.seek(0)
    return None


def _reads_whole(sound: soundfile.SoundFile) -> bool:
    # Without a length: flac as a stream, in which soundfile seeks after each block and fails at its
    # end, and files whose recorder was killed.
    unknown = sound.frames >= _UNKNOWN_FRAMES if sound.format == "FLAC" else sound.frames <= 0
    return not (unknown or sound.format in _LEFT_TO_FFMPEG or sound.subtype.startswith("MPEG"))


def _libsndfile(sound: soundfile.SoundFile, file: BinaryIO, stack: contextlib.ExitStack) -> Stream:
    name = _SHORT_FORMATS.get(sound.format, sound.format.lower()) + f"/{sound.subtype.lower()}"
    known = 0 <= sound.frames < _UNKNOWN_FRAMES and sound.samplerate > 0
    seconds = sound.frames / sound.samplerate if known else None
    remarks = {Remark.CUT_OFF} if told_by_libsndfile(sound.extra_info) else set()
    read = _flac_blocks if sound.format == "FLAC" else _libsndfile_blocks
    blocks = read(sound, file, stack, remarks)
    return Stream(sound.samplerate, sound.channels, name, seconds, blocks, remarks)


def _libsndfile_blocks(sound: soundfile.SoundFile, *_: object) -> Iterator[NDArray[np.float32]]:
    frames = max(1, _BLOCK_SAMPLES // sound.channels)
    try:
        while len(block := sound.read(frames, dtype="float32", always_2d=True)):
            yield block
    except soundfile.LibsndfileError as error:
        raise undecodable(
            f"the {sound.format.lower()} data is damaged or cut off: {error.error_string}"
        ) from error


def _flac_blocks(
    sound: soundfile.SoundFile, file: BinaryIO, stack: contextlib.ExitStack, remarks: set[Remark]
) -> Iterator[NDArray[np.float32]]:
    """Reads to the end of a flac file that is cut off, too: FFmpeg gives what libsndfile does not.

    Both give the same samples.
    """
    heard = 0
    with contextlib.suppress(AudioError):  # FFmpeg tells damage from an end that is missing
        for block in _libsndfile_blocks(sound):
            heard += len(block)
            yield block
        if heard == sound.frames:
            return
    file.seek(0)
    stream = read_ffmpeg(file, stack)
    given = 0
    for block in stream.blocks:
        given += len(block)
        if given > heard:
            yield block[-(given - heard) :]
            heard = given
    if heard >= sound.frames:
        raise undecodable("the flac data is damaged")
    remarks.add(Remark.CUT_OFF)


def read_ffmpeg(
    file: Any,
    stack: contextlib.ExitStack,
    block_samples: int = _BLOCK_SAMPLES,
    *,
    following: Iterable[Any] = (),
    ignore_length: bool = False,
) -> Stream:
    """Opens audio with FFmpeg.

    Args:
        file: Has `read`, and `seek` if it can seek.
        stack: Closes everything that is opened here.
        block_samples: Samples of all channels in one block; a block may hold a few more.
        following: Files like `file` that are heard as its continuation.
        ignore_length: Read a WAV file beyond the length that it tells.

    Raises:
        AudioError: AUDIO_UNDECODABLE, here or while the blocks are read.
    """
    import av  # noqa: PLC0415  most decoder processes never need it

    container = stack.enter_context(_container(file, ignore_length=ignore_length))
    track = _track(container)
    remarks: set[Remark] = set()
    if len(container.streams.audio) > 1:
        remarks.add(Remark.ONE_TRACK_OF_SEVERAL)
    decoded = _decoded(container, track, remarks)
    frames = _frames(itertools.chain(decoded, _continued(following, remarks)))
    first = next(frames, None)
    if first is None:
        raise undecodable("the file holds no samples: is it cut off?")
    name = _FFMPEG_NAMES.get(container.format.name, container.format.name)
    codec = _LIBSNDFILE_NAMES.get(track.codec.name, track.codec.name)
    known = container.duration is not None and container.format.name not in _GUESSED_LENGTH
    seconds = container.duration / av.time_base if known else None
    # Rate and channels come from the first frame: the header of some codecs (HE-AAC) differs.
    return Stream(
        first.sample_rate,
        first.layout.nb_channels,
        name if name in {"mp3", "aac", "flac"} else f"{name}/{codec}",
        seconds,
        _gathered(itertools.chain([first], frames), first.layout.nb_channels, block_samples),
        remarks,
    )


class _OneWay:
    """A file that can't seek."""

    def __init__(self, file: Any) -> None:
        self.read = file.read


def _container(file: Any, *, ignore_length: bool) -> Any:
    import av  # noqa: PLC0415  most decoder processes never need it

    options = {"format_whitelist": FFMPEG_FORMATS}
    if ignore_length:
        options["ignore_length"] = "1"
        # FFmpeg looks for chunks behind the samples if it can seek: minutes in a file of zeros.
        file = _OneWay(file)
    try:
        return av.open(file, options=options, metadata_errors="ignore")
    except (av.error.FFmpegError, ValueError) as error:
        raise undecodable(UNKNOWN) from error


def _continued(files: Iterable[Any], remarks: set[Remark]) -> Iterator[Any]:
    """The decoded frames of joined files behind the first one."""
    for file in files:
        with _container(file, ignore_length=file.seekable() and is_unfinished(file)) as container:
            yield from _decoded(container, _track(container), remarks)


def _track(container: Any) -> Any:
    """The track that players play: the first that is marked as the default, else the first."""
    import av  # noqa: PLC0415  most decoder processes never need it

    tracks = container.streams.audio
    if not tracks:
        raise undecodable(NO_SOUND)
    default = av.stream.Disposition.default
    chosen = next((track for track in tracks if track.disposition & default), tracks[0])
    if chosen.codec_context is None:
        raise undecodable(f"its audio is in a codec that nobody here reads: {READABLE}")
    if _tag(chosen) in _ENCRYPTED_TAGS or "enc_key_id" in chosen.metadata:
        raise undecodable(ENCRYPTED)
    return chosen


def _tag(track: Any) -> str:
    """The four letters by which a container names the codec of a track; empty if they are none."""
    try:
        return str(track.codec_context.codec_tag)
    except UnicodeDecodeError:  # a number that holds no letters
        return ""


def _frames(decoded: Iterator[Any]) -> Iterator[Any]:
    """Turns frames to interleaved float32, at the rate and with the channels of the first.

    Uses FFmpeg's own conversion: PyAV crashes on 8 or more separate channels.
    """
    import av  # noqa: PLC0415  most decoder processes never need it

    convert: Any = None
    given, wanted = None, None
    for frame in decoded:
        layout = (frame.format.name, frame.layout.name, frame.sample_rate)
        wanted = wanted or (frame.layout, frame.sample_rate)
        if layout != given:
            if convert:
                yield from convert.resample(None)
            convert, given = av.AudioResampler("flt", *wanted), layout
        yield from convert.resample(frame)
    if convert:
        yield from convert.resample(None)


def _decoded(container: Any, track: Any, remarks: set[Remark]) -> Iterator[Any]:
    """Decodes packet by packet. Damaged packets are passed over, as FFmpeg's own tools do.

    Args:
        container: Holds the track.
        track: To decode.
        remarks: Gets CUT_OFF if the last packet is not whole, or far from the end of the track.

    Raises:
        AudioError: AUDIO_UNDECODABLE: more packets are damaged than not, or one of flac before the
            last, because nobody sends flac in pieces.
    """
    import av  # noqa: PLC0415  most decoder processes never need it

    good, failures, seconds, last = 0, [], 0.0, LastPacket(track.codec.name)
    packets = container.demux(track)
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                break
            if packet.has_sidedata("encryption_info"):
                raise undecodable(ENCRYPTED)
            last.read(packet)
            frames = packet.decode()
        except av.error.FFmpegError as error:
            failures.append(error.strerror)
            last.failed()
            continue
        good += bool(frames)
        seconds += sum(frame.samples / frame.sample_rate for frame in frames)
        yield from frames
    if good and last.lost and track.codec.name != "mp3":
        failures.pop()
        remarks.add(Remark.CUT_OFF)
    if len(failures) > (0 if track.codec.name == "flac" else good):
        raise undecodable(f"the audio is damaged or cut off: {failures[0]}")
    if last.cut_off or seconds < _claimed(container) - SLACK_SECONDS:
        remarks.add(Remark.CUT_OFF)


def _claimed(container: Any) -> float:
    """The seconds that a container surely has by its own account; 0 if it can't be known."""
    import av  # noqa: PLC0415  most decoder processes never need it

    if len(container.streams) > 1 or container.format.name not in _CLAIMED_LENGTH:
        return 0.0
    return float((container.duration or 0) / av.time_base)


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
