"""Samples become WAV files, and arguments the kinds of recording that the contracts know."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from audiosearch.catalog.v1 import clip_pb2
from audiosearch.gateway.v1.library_map_pb2 import LibraryMap, MapPoint
from audiosearch.gateway.v1.search_pb2 import Match, SearchClipsResponse
from audiosearch_client import Clip, Sound
from audiosearch_client.api.given import audio_of, recording_of
from audiosearch_client.results.maps import Map
from audiosearch_client.results.searches import SearchResult

RATE = 8000
NAME = "libraries/x/clips/01abc"
HOSTILE = "<script>alert('&')</script>"


@pytest.mark.parametrize("kind", ["<f8", "<f4", ">f4", "<f2", "<i2", "<i4", ">i2"])
@pytest.mark.parametrize("shape", [(400,), (200, 2)])
def test_samples_are_heard_as_they_are(kind: str, shape: tuple[int, ...]) -> None:
    """Whatever their type, their order of bytes and in memory, and their channels."""
    wave = np.linspace(-0.5, 0.5, 400).reshape(shape)
    full = np.iinfo(kind).max if kind[1] == "i" else 1.0
    samples = np.asfortranarray((wave * full).astype(kind))
    read, rate = soundfile.read(io.BytesIO(Sound.of(samples, RATE).data))
    assert rate == RATE
    assert read.shape == shape
    assert np.allclose(read, wave, atol=1e-3)


@pytest.mark.parametrize(
    ("samples", "rate", "says"),
    [
        (np.zeros(9, np.uint8), RATE, "float"),
        (np.zeros(9, complex), RATE, "float"),
        (np.zeros((2, 400)), RATE, "transpose"),
        (np.zeros((2, 2, 2)), RATE, "frames, channels"),
        (np.zeros(9), 0, "frames a second"),
        (np.zeros(9), None, "rate="),
        ([0.0, 1.0], RATE, "list is no path"),
    ],
)
def test_what_is_no_sound_is_told(samples: Any, rate: int | None, says: str) -> None:
    """In words that say what is taken."""
    with pytest.raises((TypeError, ValueError), match=says):
        recording_of(samples, rate)


def test_texts_are_paths_or_full_names_of_clips() -> None:
    """A call that takes no clip says so."""
    assert recording_of("a/b.wav") == Path("a/b.wav")
    assert recording_of("~/b.wav") == Path.home() / "b.wav"
    assert recording_of(NAME) == recording_of(Clip(clip_pb2.Clip(name=NAME))) == NAME
    assert recording_of(Path(NAME)) == Path(NAME)
    with pytest.raises(TypeError, match="is a clip"):
        audio_of(NAME)


def test_names_of_others_do_nothing_in_a_notebook() -> None:
    """Tables, pictures and players show them as text."""
    clip = clip_pb2.Clip(name=NAME, display_name=HOSTILE, label=HOSTILE)
    table = SearchResult(SearchClipsResponse(matches=[Match(clip=clip, score=0.5)], advice=HOSTILE))
    point = MapPoint(clip=NAME, display_name=HOSTILE, label=HOSTILE)
    drawn = Map(LibraryMap(name="libraries/x/map", points=[point]))
    player = Sound(b"x", HOSTILE, "'><script>")
    for text in (table._repr_html_(), drawn._repr_svg_(), player._repr_html_()):
        assert "<script" not in text
        assert "&lt;script&gt;" in text


def test_answers_are_short_to_look_at() -> None:
    """A line each, and equal if their messages are."""
    clip = Clip(clip_pb2.Clip(name=NAME, display_name="a.wav", label="bell"))
    assert repr(clip) == "Clip('a.wav', 0.00 s, label='bell')"
    assert clip == Clip(clip.message)
    result = SearchResult(SearchClipsResponse(matches=[Match(clip=clip.message, score=0.5)]))
    assert repr(result) == "SearchResult(1 match, best 0.500 'a.wav')"
    assert [match.clip for match in result] == [clip]
    assert not SearchResult(SearchClipsResponse())
