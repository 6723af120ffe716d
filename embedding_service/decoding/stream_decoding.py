"""Decodes one stream: encoded bytes from standard input, samples to standard output.

Runs as a separate process for each stream, so that a crash costs that stream only. The process ends
when its input, its output or the service ends. It writes frames: a kind, a length and that many
bytes.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import struct
import sys
import threading
import time
from enum import IntEnum
from typing import TYPE_CHECKING, BinaryIO

from embedding_service.decoding.confinement import bound_resources
from embedding_service.decoding.decoding import convert
from embedding_service.decoding.pipes import Pipe, open_pipe
from embedding_service.decoding.readers import AudioError, Pcm

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FRAME = struct.Struct("<BI")
"""Kind and length of the bytes that follow."""


class Kind(IntEnum):
    """Kind of a frame. All but samples are JSON."""

    SOURCE = 1
    SAMPLES = 2
    HEARD = 3
    ERROR = 4


@dataclasses.dataclass(frozen=True)
class StreamOrder:
    """The form in which a stream is decoded.

    Attributes:
        sample_rate: Sample rate of the result, Hz.
        silence_dbfs: Level below which a 25 ms frame counts as silent.
        pcm: Layout of raw samples; None for an encoded file.
        channel: The channel to hear, counted from 1; 0 for all, mixed to one.
    """

    sample_rate: int
    silence_dbfs: float
    pcm: Pcm | None = None
    channel: int = 0

    def to_json(self) -> str:
        """Writes the order for the command line of the process."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> StreamOrder:
        """Reads the text that `to_json` wrote."""
        fields = json.loads(text)
        pcm = fields.pop("pcm")
        return cls(**fields, pcm=Pcm(**pcm) if pcm else None)


@dataclasses.dataclass(frozen=True)
class Source:
    """The input: sample rate in Hz, channels, container and codec."""

    sample_rate: int
    channels: int
    format: str


def main() -> None:
    """Decodes from standard input to standard output. The first argument is the order as JSON."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # streams go on while the service drains
    threading.Thread(target=_end_with_parent, args=[os.getppid()], daemon=True).start()
    bound_resources()
    order = StreamOrder.from_json(sys.argv[1])
    with os.fdopen(os.dup(1), "wb") as sink:
        os.dup2(2, 1)  # remarks that a decoder prints must not mix with frames
        try:
            _decode(Pipe(0), sink, order)
        except AudioError as error:
            _send(sink, Kind.ERROR, {"reason": error.reason, "message": error.message})
        except MemoryError:
            message = "decoding takes too much memory; convert it to wav or flac"
            _send(sink, Kind.ERROR, {"reason": "AUDIO_UNDECODABLE", "message": message})
        except BrokenPipeError:
            os._exit(1)  # the service no longer reads the samples


def _decode(pipe: Pipe, sink: BinaryIO, order: StreamOrder) -> None:
    def keep(samples: NDArray[np.float32]) -> None:
        if len(samples):
            _write(sink, Kind.SAMPLES, samples.tobytes())

    with open_pipe(pipe, order.pcm) as stream:
        source = Source(stream.sample_rate, stream.channels, stream.format)
        _send(sink, Kind.SOURCE, dataclasses.asdict(source))
        heard = convert(stream, order.sample_rate, order.silence_dbfs, keep, channel=order.channel)
    while pipe.read(2**16):
        pass  # bytes after the end of the file
    _send(sink, Kind.HEARD, dataclasses.asdict(heard))


def _send(sink: BinaryIO, kind: Kind, fields: dict[str, object]) -> None:
    _write(sink, kind, json.dumps(fields).encode())


def _write(sink: BinaryIO, kind: Kind, data: bytes) -> None:
    sink.write(FRAME.pack(kind, len(data)))
    sink.write(data)
    sink.flush()


def _end_with_parent(parent: int) -> None:
    """Ends this process when the service was killed, even if a decoder does not return."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


if __name__ == "__main__":
    main()
