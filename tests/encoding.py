"""Files as FFmpeg writes them."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

from tests.vowels import RATE


def encode_with_ffmpeg(
    samples: NDArray[np.float32],
    kind: str,
    codec: str,
    rate: int = 48000,
    options: dict[str, str] | None = None,
) -> bytes:
    """A file as FFmpeg writes it, from mono samples at RATE."""
    file = io.BytesIO()
    with av.open(file, "w", format=kind, options=options or {}) as container:
        track = container.add_stream(codec, rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="fltp", layout="mono")
        frame.sample_rate = RATE
        frame.pts, frame.time_base = 0, Fraction(1, RATE)
        resampler = av.AudioResampler(
            track.format, "mono", rate, frame_size=track.codec_context.frame_size or None
        )
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(track.encode(piece))
        container.mux(track.encode(None))
    return file.getvalue()
