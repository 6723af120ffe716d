"""Files that hold no audio to decode are refused by their kind, whole or as a stream."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import av
import numpy as np
import pytest

from serving.errors import Reason, ServiceError
from tests.contract.embedding.conftest import RATE

FRAGMENTS = {"movflags": "frag_keyframe+empty_moov"}
KEY = {
    "encryption_scheme": "cenc-aes-ctr",
    "encryption_key": "00112233445566778899aabbccddeeff",
    "encryption_kid": "112233445566778899aabbccddeeff00",
    **FRAGMENTS,
}


def refused(service: Any, data: bytes) -> str:
    """The sentence of both calls, which must agree."""
    error = service.refuse(data)
    with pytest.raises(ServiceError) as caught:
        [*service.stream(data)]
    for each in (error, caught.value):
        assert each.reason is Reason.AUDIO_UNDECODABLE
    assert caught.value.message == error.message
    return error.message


def video() -> bytes:
    """A film of five pictures, without sound."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4", options=FRAGMENTS) as container:
        track = container.add_stream("mpeg4", rate=10, width=64, height=64)
        for shade in range(5):
            picture = np.full((64, 64, 3), 40 * shade, np.uint8)
            container.mux(track.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(track.encode(None))
    return file.getvalue()


def test_an_archive_of_recordings(service: Any, encode: Any, voice: Any) -> None:
    """An archive is not searched for the mp3 files in it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.mp3", encode(voice(3.0), kind="MP3"))
    assert "this is an archive" in refused(service, file.getvalue())


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"#EXTM3U\na.mp3\n", "a play list"),
        (b"%PDF-1.7\n%\xe2\xe3\n" + bytes(9000), "a PDF document"),
        (b"MThd\0\0\0\x06\0\x01\0\x02", "music as notes"),
        (b"\x89PNG\r\n\x1a\n" + bytes(9000), "a picture"),
        (b'{"audio": "UklGRg=="}', "JSON"),
        (b"Good morning.\n", "text"),
    ],
)
def test_other_kinds(service: Any, data: bytes, kind: str) -> None:
    """The kind is named."""
    assert f"this is {kind}" in refused(service, data)


def test_video_without_sound(service: Any) -> None:
    """A film without sound is told to be one."""
    assert "video without sound" in refused(service, video())


def test_encrypted_audio(service: Any, ffmpeg: Any, voice: Any) -> None:
    """Audio that only its own player can decrypt is never embedded as the noise that it seems."""
    plain = ffmpeg(voice(2.0), "mp4", "aac", RATE, FRAGMENTS)
    shop = plain.replace(b"mp4a", b"drms", 1)
    for data in (ffmpeg(voice(2.0), "mp4", "aac", RATE, KEY), shop):
        assert "encrypted" in refused(service, data)


def test_an_unknown_codec(service: Any, ffmpeg: Any, voice: Any) -> None:
    """A codec that nobody reads is told, and not taken for damage."""
    data = ffmpeg(voice(2.0), "matroska", "libopus").replace(b"A_OPUS", b"A_FOOO")
    assert "codec" in refused(service, data)
