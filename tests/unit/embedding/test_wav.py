"""WAV files that are read without a decoder."""

from __future__ import annotations

import io
import struct
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from embedding_service.decoding.decoding import Order, decode
from embedding_service.decoding.wav import plain_samples


def wav(subtype: str, channels: int = 1, rate: int = 16000, format_: str = "WAV") -> bytes:
    """A second of noise as a file."""
    file = io.BytesIO()
    noise = 0.1 * np.random.default_rng(0).standard_normal((rate, channels))
    soundfile.write(file, noise, rate, subtype, format=format_)
    return file.getvalue()


@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
@pytest.mark.parametrize(("channels", "rate"), [(1, 16000), (2, 44100), (8, 8000)])
def test_plain_files_give_what_the_decoder_gives(subtype: str, channels: int, rate: int) -> None:
    """The same samples to the last bit, and the same words about them."""
    content = wav(subtype, channels, rate)
    order = Order(content, "", 16000, 3600, -70)
    found = plain_samples(content)
    assert found
    plain, decoded = decode(replace(order, pcm=found[0], source=found[1])), decode(order)
    assert plain.heard == decoded.heard
    assert plain.samples is not None
    assert decoded.samples is not None
    assert np.array_equal(plain.samples, decoded.samples)


def test_other_chunks_are_passed_over() -> None:
    """Also one of odd length, which is padded."""
    content = wav("PCM_16")
    start = content.index(b"data")
    odd = b"LIST" + struct.pack("<I", 5) + b"abcde\0"
    with_odd = content[:start] + odd + content[start:]
    assert plain_samples(with_odd) == plain_samples(content)


@pytest.mark.parametrize("subtype", ["PCM_24", "PCM_32", "PCM_U8", "ULAW", "DOUBLE"])
def test_other_layouts_are_left_to_the_decoder(subtype: str) -> None:
    """They are rarer, and take more than a look."""
    assert plain_samples(wav(subtype)) is None


def test_odd_files_are_left_to_the_decoder() -> None:
    """Cut off, empty, without a format, not WAV at all."""
    content = wav("PCM_16")
    start = content.index(b"data")
    assert plain_samples(content)
    empty = content[:start] + b"data" + bytes(4)
    odd = content[: start + 4] + struct.pack("<I", 3) + b"abc\0"
    no_channels = content.replace(b"fmt \x10\0\0\0\x01\0\x01\0", b"fmt \x10\0\0\0\x01\0\0\0")
    assert no_channels != content
    files = [content[:-1], content[:40], content[:12], b"", empty, odd, no_channels]
    files += [wav("PCM_16", format_="FLAC"), wav("PCM_16", format_="WAVEX")]
    assert [plain_samples(each) for each in files] == [None] * len(files)
