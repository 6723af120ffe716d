"""The changes that other people's recordings bring to the same sound.

They are of codec, header, loudness, silence, noise, phase, speed and length. Each takes a
clip, mono at RATE, shape (n,), and returns a file of it.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from functools import partial

import av
import numpy as np
import numpy.typing as npt
import soundfile
import soxr

RATE = 16_000
"""Sample rate of the clips, Hz."""

Clip = npt.NDArray[np.float64]
Change = Callable[[Clip], bytes]


def wav(samples: Clip, rate: int = RATE, subtype: str = "PCM_16", kind: str = "WAV") -> bytes:
    """Returns a file that libsndfile writes. The samples have shape (n,) or (n, channels)."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, subtype, format=kind)
    return file.getvalue()


def encoded(
    samples: Clip,
    container: str,
    codec: str,
    bit_rate: int = 0,
    options: Mapping[str, str] | None = None,
    container_options: Mapping[str, str] | None = None,
) -> bytes:
    """Returns a file that FFmpeg writes.

    Args:
        samples: Shape (n,), or (n, 2) for stereo.
        container: Name of FFmpeg's muxer.
        codec: Name of FFmpeg's encoder.
        bit_rate: Bits a second; 0 leaves the choice to the encoder.
        options: Options of the encoder.
        container_options: Options of the muxer.
    """
    table = samples.reshape(len(samples), -1).astype(np.float32)
    layout = "stereo" if table.shape[1] == 2 else "mono"
    file = io.BytesIO()
    with av.open(file, "w", format=container, options=dict(container_options or {})) as output:
        stream = output.add_stream(codec, rate=RATE, layout=layout, options=dict(options or {}))
        if bit_rate:
            stream.bit_rate = bit_rate
        frame = av.AudioFrame.from_ndarray(table.reshape(1, -1), format="flt", layout=layout)
        frame.sample_rate = RATE
        frame.pts = 0
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            output.mux(packet)
    return file.getvalue()


_mp3 = partial(encoded, container="mp3", codec="libmp3lame")
_mp3_64 = partial(_mp3, bit_rate=64_000)
_opus = partial(encoded, container="ogg", codec="libopus", bit_rate=24_000)
_adts = partial(encoded, container="adts", codec="aac", bit_rate=64_000)


def _mp3_without_length(samples: Clip) -> bytes:
    """Returns an MP3 of changing bit rate whose first frame does not tell its length."""
    quality = {"flags": "+qscale", "global_quality": str(5 * 118)}  # lame's V5, in FFmpeg's units
    return _mp3(samples, options=quality, container_options={"write_xing": "0"})


def _halves(encode: Change) -> Change:
    """Returns a change that encodes both halves for themselves and joins the files."""

    def joined(samples: Clip) -> bytes:
        middle = len(samples) // 2
        return encode(samples[:middle]) + encode(samples[middle:])

    return joined


def _first_bytes(encode: Change, share: float) -> Change:
    """Returns a change that keeps only the first bytes of the file."""

    def cut(samples: Clip) -> bytes:
        content = encode(samples)
        return content[: int(share * len(content))]

    return cut


def _size_zero(samples: Clip) -> bytes:
    """Returns the WAV of a recorder that was killed: both sizes in its header are 0."""
    content = bytearray(wav(samples))
    size = content.index(b"data") + 4
    content[4:8] = content[size : size + 4] = bytes(4)
    return bytes(content)


def _telephone(samples: Clip) -> bytes:
    return wav(soxr.resample(samples, RATE, 8000), 8000, "ULAW")


def _louder(decibels: float) -> Change:
    return lambda samples: wav(np.clip(samples * 10 ** (decibels / 20), -1, 1))


def _zeros(seconds: float) -> Clip:
    return np.zeros(int(seconds * RATE))


def _before(seconds: float) -> Change:
    return lambda samples: wav(np.concatenate([_zeros(seconds), samples]))


def _after(seconds: float) -> Change:
    return lambda samples: wav(np.concatenate([samples, _zeros(seconds)]))


def _between(seconds: float) -> Change:
    def change(samples: Clip) -> bytes:
        middle = len(samples) // 2
        return wav(np.concatenate([samples[:middle], _zeros(seconds), samples[middle:]]))

    return change


def _dither(seconds: float) -> Change:
    """Returns a change that appends noise of the lowest bit of 16."""
    noise = np.random.default_rng(1).integers(-1, 2, int(seconds * RATE)) / 2**15
    return lambda samples: wav(np.concatenate([samples, noise]))


def _noise(decibels: float) -> Change:
    """Returns a change that adds white noise so far below the clip's own level."""

    def change(samples: Clip) -> bytes:
        level = np.sqrt(np.mean(samples**2)) * 10 ** (-decibels / 20)
        noise = np.random.default_rng(2).standard_normal(len(samples))
        return wav(np.clip(samples + level * noise, -1, 1))

    return change


def _opposite(samples: Clip) -> Clip:
    return np.column_stack([samples, -samples])


def _faster(factor: float) -> Change:
    """Returns a change of speed and pitch together."""
    return lambda samples: wav(np.clip(soxr.resample(samples, RATE * factor, RATE), -1, 1))


CHANGES: dict[str, Change] = {
    "none": wav,
    "mp3, 64 kbit/s": _mp3_64,
    "mp3, 32 kbit/s": lambda samples: _mp3(samples, bit_rate=32_000),
    "mp3, VBR without its length": _mp3_without_length,
    "mp3, two files joined": _halves(_mp3_64),
    "ogg opus, 24 kbit/s": _opus,
    "ogg opus, two files chained": _halves(_opus),
    "m4a aac, 64 kbit/s": lambda samples: encoded(samples, "ipod", "aac", 64_000),
    "wma, 64 kbit/s": lambda samples: encoded(samples, "asf", "wmav2", 64_000),
    "mu-law, 8 kHz": _telephone,
    "wav, 8 bit": lambda samples: wav(samples, subtype="PCM_U8"),
    "NIST SPHERE": lambda samples: wav(samples, kind="NIST"),
    "wav, its header says 0": _size_zero,
    "aac, last tenth lost": _first_bytes(_adts, 0.9),
    "mp3, last tenth lost": _first_bytes(_mp3_64, 0.9),
    "loudness -20 dB": _louder(-20),
    "loudness -40 dB": _louder(-40),
    "loudness +6 dB, clipped": _louder(6),
    "zeros, 30 ms before": _before(0.03),
    "zeros, 30 s before": _before(30),
    "zeros, 1 s after": _after(1),
    "zeros, 2 s in the middle": _between(2),
    "one-bit dither, 5 s after": _dither(5),
    "constant offset of 0.1": lambda samples: wav(np.clip(samples + 0.1, -1, 1)),
    "white noise, 20 dB below": _noise(20),
    "white noise, 10 dB below": _noise(10),
    "stereo, opposite signs": lambda samples: wav(_opposite(samples)),
    "stereo, opposite signs, mp3": lambda samples: _mp3(_opposite(samples), bit_rate=128_000),
    "stereo, one channel empty": lambda samples: wav(np.column_stack([samples, 0 * samples])),
    "speed +3 %": _faster(1.03),
    "speed -3 %": _faster(0.97),
    "cut to the first half": lambda samples: wav(samples[: len(samples) // 2]),
}
"""All changes by name, in the order of the table."""
