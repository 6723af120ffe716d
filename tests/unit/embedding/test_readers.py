"""Ways to read a file."""

from __future__ import annotations

import contextlib
import io
import struct

import av
import numpy as np
import soundfile

from embedding_service.decoding.readers import read_ffmpeg


class Forward(io.BytesIO):
    """A file that must be read from front to back."""

    def seek(self, *_: int) -> int:
        """Never called."""
        raise AssertionError("the file was read in another order")


def test_an_unfinished_wav_is_read_from_front_to_back() -> None:
    """FFmpeg would look for a chunk at every eighth byte behind the samples: minutes of zeros."""
    written = io.BytesIO()
    soundfile.write(written, np.sin(np.arange(16_000)), 16_000, format="WAV")
    data = bytearray(written.getvalue()) + bytes(100_000)
    struct.pack_into("<I", data, data.index(b"data") + 4, 8000)
    with contextlib.ExitStack() as stack:
        stream = read_ffmpeg(Forward(data), stack, ignore_length=True)
        heard = sum(len(block) for block in stream.blocks)
    assert heard == 16_000 + 50_000


def test_a_codec_without_a_name_in_letters_is_read() -> None:
    """AAC in a WMA file is number 0xff."""
    samples = np.sin(np.arange(16_384)).astype(np.float32)
    written = io.BytesIO()
    with av.open(written, "w", format="asf") as container:
        track = container.add_stream("aac", rate=16_000, layout="mono")
        for piece in samples.reshape(-1, 1, 1024):
            frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout="mono")
            frame.sample_rate = 16_000
            container.mux(track.encode(frame))
        container.mux(track.encode(None))
    with contextlib.ExitStack() as stack:
        stream = read_ffmpeg(io.BytesIO(written.getvalue()), stack)
        assert sum(len(block) for block in stream.blocks) >= 16_384
