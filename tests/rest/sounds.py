"""Sounds as files in memory, as clients send them."""

from __future__ import annotations

import functools
import io
from fractions import Fraction

import av
import numpy as np
import soundfile

from deploy import example_sounds

RATE = 16_000


def wav(kind: str = "bronze_bell", variant: int = 1) -> bytes:
    """An example sound as a WAV file."""
    file = io.BytesIO()
    soundfile.write(file, example_sounds.make(kind, variant), RATE, format="WAV")
    return file.getvalue()


def silence(seconds: float = 1) -> bytes:
    """A WAV file of zeros."""
    file = io.BytesIO()
    soundfile.write(file, np.zeros(int(seconds * RATE)), RATE, format="WAV")
    return file.getvalue()


def long_wav(megabytes: int) -> bytes:
    """Noise of stereo 48 kHz, as large as asked for."""
    count = megabytes * 2**20 // 4
    noise = np.random.default_rng(3).integers(-3000, 3000, (count, 2), np.int16)
    file = io.BytesIO()
    soundfile.write(file, noise, 48_000, format="WAV", subtype="PCM_16")
    return file.getvalue()


@functools.cache  # the format has random numbers in it
def webm(kind: str = "bronze_bell", variant: int = 1) -> bytes:
    """An example sound as a browser's recorder writes it: Opus in WebM, of unknown length."""
    samples = (example_sounds.make(kind, variant) * 32767).astype(np.int16)
    file = io.BytesIO()
    with av.open(file, "w", format="webm", options={"live": "1"}) as container:
        stream = container.add_stream("libopus", rate=48_000, layout="mono")
        resampler = av.AudioResampler("s16", "mono", 48_000)
        frame = av.AudioFrame.from_ndarray(samples[None, :], "s16", "mono")
        frame.sample_rate = RATE
        frame.pts, frame.time_base = 0, Fraction(1, RATE)
        for each in (*resampler.resample(frame), *resampler.resample(None), None):
            for packet in stream.encode(each):
                container.mux(packet)
    return file.getvalue()
