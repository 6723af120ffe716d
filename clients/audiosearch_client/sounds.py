"""Sounds that are not files: bytes of an encoded file, and samples as numpy has them."""

from __future__ import annotations

import base64
import io
import struct
from html import escape
from pathlib import Path
from typing import IO, Any, Protocol, runtime_checkable

MAX_CHANNELS = 64
"""Channels of samples at most: more rows than that are an array that lies on its side."""

MAX_RATE = 768_000
SHOWN_BYTES = 16 * 2**20
"""Largest sound that a notebook gets a player for: the player holds all of it."""

_WAV = {"i2": (1, "<i2", 16), "i4": (1, "<i4", 32), "f": (3, "<f4", 32)}
"""Format tag of a WAV file, type of its samples, bits of one: by kind and size of an array's."""


@runtime_checkable
class Samples(Protocol):
    """An array of samples, such as numpy's. This package does not import numpy."""

    dtype: Any
    shape: tuple[int, ...]

    def astype(self, dtype: Any) -> Any:
        """The array with another type of number."""

    def tobytes(self) -> bytes:
        """Its numbers, the last axis the fastest."""


class Sound:
    """A sound in memory, wherever the client takes a file. In a notebook it is a player."""

    def __init__(self, data: bytes, name: str = "", content_type: str = "") -> None:
        """Takes the bytes of an encoded file.

        Args:
            data: a whole file, such as that of a WAV, a FLAC or an mp3.
            name: name for people, of a clip that it becomes.
            content_type: media type, such as `audio/wav`, if it is known.
        """
        self.data = data
        self.name = name
        self.content_type = content_type

    @classmethod
    def of(cls, samples: Samples, rate: int, name: str = "samples.wav") -> Sound:
        """A sound of samples.

        Args:
            samples: an array of the shape (frames,) or (frames, channels): floats with full scale
                at 1, or integers of 16 or 32 bits.
            rate: frames a second.
            name: name for people.

        Raises:
            TypeError: for an array of other numbers.
            ValueError: for another shape, or a rate that is none.
        """
        if not (rate == int(rate) and 0 < rate <= MAX_RATE):
            raise ValueError(f"rate is {rate}: the frames a second are needed, such as 16000")
        kind, size = samples.dtype.kind, samples.dtype.itemsize
        tag, code, bits = _WAV.get("f" if kind == "f" else f"{kind}{size}", (0, "", 0))
        if not tag:
            raise TypeError(
                f"samples are {samples.dtype}: floats with full scale at 1, int16 or int32 are read"
            )
        if len(samples.shape) not in {1, 2}:
            raise ValueError(f"samples have the shape {samples.shape}, not (frames, channels)")
        channels = samples.shape[1] if len(samples.shape) == 2 else 1
        if not 0 < channels <= MAX_CHANNELS:
            raise ValueError(
                f"samples have the shape {samples.shape}: it is (frames, channels); transpose an "
                "array with channels first"
            )
        data = samples.astype(code).tobytes()
        return cls(_header(len(data), tag, channels, int(rate), bits) + data, name, "audio/wav")

    def open(self) -> IO[bytes]:
        """Its bytes as a file."""
        return io.BytesIO(self.data)

    def save(self, path: str | Path) -> Path:
        """Writes its bytes to a file. Returns the path."""
        written = Path(path)
        written.write_bytes(self.data)
        return written

    def __repr__(self) -> str:
        """Name and size."""
        return f"Sound({self.name!r}, {len(self.data):,} bytes)"

    def _repr_html_(self) -> str:
        """A player for notebooks."""
        if len(self.data) > SHOWN_BYTES:
            return escape(repr(self))
        kind = escape(self.content_type or "audio/wav", quote=True)
        data = base64.b64encode(self.data).decode()
        return (
            f"<figure style='margin:0'><audio controls src='data:{kind};base64,{data}'></audio>"
            f"<figcaption>{escape(self.name)}</figcaption></figure>"
        )


Audio = Path | Sound
"""A sound to send: a file, or one in memory."""


def size_of(audio: Audio) -> int:
    """Its length in bytes."""
    return len(audio.data) if isinstance(audio, Sound) else audio.stat().st_size


def opened(audio: Audio) -> IO[bytes]:
    """Its bytes as a file."""
    return audio.open() if isinstance(audio, Sound) else audio.open("rb")


def _header(size: int, tag: int, channels: int, rate: int, bits: int) -> bytes:
    """The head of a WAV file of so many bytes of samples.

    Raises:
        ValueError: its 32 bits can't tell their number.
    """
    whole = 36 + size
    if whole >= 2**32:
        raise ValueError("samples of 4 GiB and more are no WAV file; send them in pieces")
    frame = channels * bits // 8
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", whole, b"WAVE", b"fmt ", 16),
        *(tag, channels, rate, rate * frame, frame, bits),
        *(b"data", size),
    )
