"""What is no audio is named for what it is, and no audio is taken for it."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile

import numpy as np
import pytest
import soundfile

from serving.audio_signs import HEAD_BYTES, begins
from serving.not_audio import refusal

XML = b'<?xml version="1.0" encoding="UTF-8"?>\n<!-- made by a program -->\n'


def zipped(name: str) -> bytes:
    """An archive with one file, not compressed."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, b"\xff\xfb\x90\x00" * 999)
    return file.getvalue()


def tarred() -> bytes:
    """An archive of tar with one file."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.mp3"))
    return file.getvalue()


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"#EXTM3U\n#EXTINF:1,\na.mp3\n", "a play list"),
        (b"\xef\xbb\xbf#EXTM3U\r\na.mp3\r\n", "a play list"),
        ("#EXTM3U\n\u58f0.mp3\n".encode("utf-16"), "a play list"),
        (b"[playlist]\nFile1=a.mp3\n", "a play list"),
        (b"ffconcat version 1.0\nfile a.mp3\n", "a play list"),
        (XML + b'<playlist version="1"></playlist>', "a play list"),
        (XML + b'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>', "a play list"),
        (b"<ASX version=3></ASX>", "a play list"),
        (b'REM GENRE Speech\nTITLE "a"\nFILE "a.wav" WAVE\n', "a play list"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a pointer of Git LFS"),
        (b"\n<!DOCTYPE html>\n<html><body>404</body></html>", "a page of HTML"),
        (XML + b"<html xmlns='x'></html>", "a page of HTML"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a picture"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF\0", "a picture"),
        (b"GIF89a\x01\0\x01\0", "a picture"),
        (b"RIFF\x24\0\0\0WEBPVP8 ", "a picture"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1", "a picture"),
        (b"II*\0\x08\0\0\0", "a picture"),
        (XML + b'<svg xmlns="http://www.w3.org/2000/svg"/>', "a picture"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "a PDF document"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0", "a document"),
        (b"{\\rtf1\\ansi}", "a document"),
        (zipped("[Content_Types].xml"), "a document"),
        (b"MThd\0\0\0\x06\0\x01\0\x02", "music as notes"),
        (b"RIFF\x24\0\0\0RMIDdata", "music as notes"),
        (b"Extended Module: a", "music as notes"),
        (b"X:1\nT:A tune\nK:C\n", "music as notes"),
        (XML + b"<score-partwise/>", "music as notes"),
        (zipped("a.mp3"), "an archive"),
        (tarred(), "an archive"),
        (gzip.compress(b"a"), "an archive"),
        (b"7z\xbc\xaf\x27\x1c\0\x04", "an archive"),
        (b"Rar!\x1a\x07\x01\0", "an archive"),
        (b"BZh91AY&SY", "an archive"),
        (b"\xfd7zXZ\0\0\x04", "an archive"),
        (b"\x28\xb5\x2f\xfd\x04\0", "an archive"),
        (b"\x93NUMPY\x01\0v\0", "an array or a table of numbers"),
        (b"SQLite format 3\0", "an array or a table of numbers"),
        (b"\x7fELF\x02\x01\x01", "a program"),
        (b"#!/bin/sh\necho a\n", "a program"),
        (b'{"error": {"code": 404}}', "JSON"),
        (b'[\n  {"a": 1}\n]', "JSON"),
        (XML + b"<feed/>", "XML"),
        (b"a.mp3\nb.mp3\n", "text"),
        ("\u4eca\u5929\u5929\u6c14".encode()[:-1], "text"),
    ],
    ids=lambda part: part if isinstance(part, str) else "head",  # archives hold the time
)
def test_kinds(head: bytes, kind: str) -> None:
    """The sentence names the kind and says what to do; imports do not take it for audio either."""
    sentence = refusal(head[:HEAD_BYTES])
    assert sentence.startswith(f"this is {kind}")
    assert "not audio: " in sentence
    assert not begins(head[:HEAD_BYTES])


def test_protected_audio() -> None:
    """Files of shops, and WMA with a description of its protection, are told to be encrypted."""
    wma = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + bytes(900)
    protected = wma + bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e")
    for head in (b"CTENFDAM\x01p", protected):
        assert "encrypted" in refusal(head)
    assert not refusal(wma)


@pytest.mark.parametrize("head", [b"", b"\0" * 999, b"\xff" * 999, b"RIFF\0\0", b"\xff\xfb\x90\0"])
def test_bytes_that_say_nothing(head: bytes) -> None:
    """What may be audio, damaged or of a rare format, is left to the decoders."""
    assert not refusal(head)


WITHOUT_A_SIGN = {"RAW", "HTK", "MPC2K", "MAT4", "MAT5"}
"""Formats that begin like anything, or like tables of numbers that are no sound: folders pass them
over, and only a file that is named is tried."""


# SD2 keeps its header in a second file, which libsndfile writes beside the tests.
@pytest.mark.parametrize("kind", sorted(soundfile.available_formats().keys() - {"SD2"}))
def test_no_audio_is_refused(kind: str) -> None:
    """Nothing that libsndfile writes, in any format and however it sounds, is taken for another."""
    tone = np.sin(np.arange(4000) / 3)
    for subtype in soundfile.available_subtypes(kind):
        for sound in (tone, 0 * tone, 0 * tone + 0.25):
            file = io.BytesIO()
            try:
                soundfile.write(file, sound, 8000, format=kind, subtype=subtype)
            except (soundfile.LibsndfileError, ValueError, TypeError):
                continue  # only at other rates
            assert not refusal(file.getvalue()), subtype
            if kind not in WITHOUT_A_SIGN:
                assert begins(file.getvalue()[:HEAD_BYTES]), subtype
