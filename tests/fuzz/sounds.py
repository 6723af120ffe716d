"""Sounds in files of many containers, and small files that say or become much more."""

from __future__ import annotations

import functools
import io
import struct
from collections.abc import Callable

import numpy as np
import soundfile

from tests.encoding import encode_with_ffmpeg
from tests.vowels import RATE, say

BY_LIBSNDFILE = (
    *(("WAV", name) for name in ("PCM_16", "PCM_U8", "PCM_24", "FLOAT", "ULAW", "MS_ADPCM")),
    *(("WAV", name) for name in ("GSM610", "IMA_ADPCM", "G721_32")),
    *(("AIFF", "PCM_16"), ("AIFF", "IMA_ADPCM"), ("AU", "PCM_16"), ("AU", "G723_24")),
    *(("CAF", "ALAC_16"), ("CAF", "PCM_16"), ("FLAC", "PCM_16"), ("FLAC", "PCM_24")),
    *(("MP3", "MPEG_LAYER_III"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("RF64", "PCM_16")),
    *(("W64", "PCM_16"), ("VOC", "PCM_16"), ("NIST", "PCM_16"), ("IRCAM", "PCM_16")),
    *(("AVR", "PCM_16"), ("SVX", "PCM_16"), ("PAF", "PCM_16"), ("PVF", "PCM_16")),
    *(("MAT4", "PCM_16"), ("MAT5", "PCM_16"), ("HTK", "PCM_16"), ("SDS", "PCM_16")),
    *(("XI", "DPCM_16"), ("MPC2K", "PCM_16"), ("WAVEX", "PCM_16")),
)
BY_FFMPEG = (
    *(("ipod", "aac"), ("ipod", "alac"), ("mp4", "aac"), ("mov", "pcm_s16le"), ("3gp", "aac")),
    *(("webm", "libopus"), ("matroska", "flac"), ("matroska", "pcm_s16le"), ("ogg", "flac")),
    *(("adts", "aac"), ("mp3", "libmp3lame"), ("asf", "aac"), ("avi", "libmp3lame")),
    *(("flv", "aac"), ("mpegts", "aac"), ("ac3", "ac3"), ("eac3", "eac3"), ("tta", "tta")),
    *(("wv", "wavpack"), ("caf", "pcm_s16be")),
)
NAMES = tuple("/".join(pair) for pair in (*BY_LIBSNDFILE, *BY_FFMPEG))


@functools.cache
def good(name: str) -> bytes:
    """A sound of one second as a file of one of NAMES."""
    kind, codec = name.split("/")
    if (kind, codec) in BY_FFMPEG:
        return encode_with_ffmpeg(say(1, 1).astype(np.float32), kind, codec)
    file = io.BytesIO()
    soundfile.write(file, say(1, 1), RATE, format=kind, subtype=codec)
    return file.getvalue()


@functools.cache
def bomb(name: str) -> bytes:
    """A small file that decodes to much, or says so."""
    return BOMBS[name]()


def _flac(rate: int, channels: int, seconds: int, loud: float = 0.0) -> bytes:
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", rate, channels, "PCM_16", format="FLAC") as sound:
        second = np.full((rate, channels), int(loud * 32767), np.int16)
        for _ in range(seconds):
            sound.write(second)
    return file.getvalue()


def _untold(flac: bytes) -> bytes:
    """A flac file that does not say how long it is."""
    told = bytearray(flac)
    told[21] &= 0xF0  # the number of samples takes 36 bits from here
    told[22:26] = bytes(4)
    return bytes(told)


def _wav_that_says(size: int, rate: int = RATE, channels: int = 1) -> bytes:
    sound = bytearray(good("WAV/PCM_16"))
    sound[4:8] = sound[40:44] = struct.pack("<I", size)
    sound[22:24], sound[24:28] = struct.pack("<H", channels), struct.pack("<I", rate)
    return bytes(sound)


def _opus(minutes: int) -> bytes:
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", 48_000, 1, "OPUS", format="OGG") as sound:
        minute = np.zeros(60 * 48_000, np.int16)
        for _ in range(minutes):
            sound.write(minute)
    return file.getvalue()


BOMBS: dict[str, Callable[[], bytes]] = {
    "flac of 10 hours": lambda: _flac(1000, 1, 36_000),
    "flac of 10 hours, untold": lambda: _untold(bomb("flac of 10 hours")),
    "flac of 8 channels at 384 kHz": lambda: _flac(384_000, 8, 12),
    "flac of a minute that is constant": lambda: _flac(96_000, 2, 60, 0.5),
    "opus of two silent minutes": lambda: _opus(2),
    "wav that says 4 GiB": lambda: _wav_that_says(2**32 - 1),
    "wav that says nothing": lambda: _wav_that_says(0),
    "wav of 65,535 channels": lambda: _wav_that_says(32_000, channels=65_535),
    "wav at 4 GHz": lambda: _wav_that_says(32_000, rate=2**32 - 1),
    "id3 of 256 MiB": lambda: b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + good("MP3/MPEG_LAYER_III"),
    "a play list": lambda: b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n",
    "nested atoms": lambda: b"\0\0\x10\0ftypM4A " + b"\0\0\x10\0moov" * 500,
    "a megabyte of zeros": lambda: bytes(2**20),
}
