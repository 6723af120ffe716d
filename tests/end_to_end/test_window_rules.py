"""Searches of libraries that are cut by other rules than their model's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch.catalog.v1.library_pb2 import CreateLibraryRequest, Library
from audiosearch.embedding.v1.embedding_pb2 import TimeRange, WindowRule
from audiosearch.gateway.v1.search_pb2 import (
    Match,
    SearchClipsRequest,
    SearchClipsResponse,
    SearchConfig,
)

from serving.errors import Reason, ServiceError
from tests.end_to_end.conftest import Running
from tests.end_to_end.indexed import opened
from tests.vowels import RATE, say

BEGIN, LENGTH = 5.0, 9.0
"""A part of the recording, which begins with a window of each rule but the model's."""


def rule(window: float, hop: float, single: float) -> WindowRule:
    """A rule; lengths in seconds."""
    made = WindowRule()
    for field, value in (("window", window), ("hop", hop), ("single", single)):
        getattr(made, field).FromMilliseconds(round(1000 * value))
    return made


class Ruled:
    """The same recording in three libraries: by a rule of short windows, by the model's, old."""

    def __init__(self, running: Running, folder: Path) -> None:
        """Makes and fills them."""
        self.running = running
        self.path = folder / "recording.wav"
        soundfile.write(self.path, np.concatenate([say(n, 0, 6) for n in range(4)]), RATE)
        self.short, self.own = self.make(rule(2, 1, 2.5)), running.library()
        with opened(running) as stack:
            self.old = stack.old_library()
        self.clips: dict[str, Clip] = {
            name: running.client.upload(name, self.path).clip
            for name in (self.short, self.own, self.old)
        }

    def make(self, wanted: WindowRule) -> str:
        """A library of a rule; its short name."""
        client, name = self.running.client, f"ruled-{wanted.window.ToMilliseconds()}"
        made = Library(window_rule=wanted)
        request = CreateLibraryRequest(library_id=name, library=made)
        assert client.call(client.stubs.libraries.CreateLibrary, request).window_rule == wanted
        return name

    def part(self, folder: Path, begin: float = BEGIN) -> bytes:
        """A part of the recording."""
        samples, _ = soundfile.read(self.path)
        path = folder / "part.wav"
        soundfile.write(path, samples[int(begin * RATE) : int((begin + LENGTH) * RATE)], RATE)
        return path.read_bytes()

    def search(self, library: str, *more: str, **query: object) -> SearchClipsResponse:
        """One search."""
        names = [f"libraries/{name}" for name in more]
        config = SearchConfig(parent=f"libraries/{library}", more_libraries=names)
        request = SearchClipsRequest(config=config, **query)  # type: ignore[arg-type]
        client = self.running.client
        answer: SearchClipsResponse = client.call(client.stubs.search.SearchClips, request)
        return answer


@pytest.fixture(scope="module")
def ruled(shared: Running, tmp_path_factory: pytest.TempPathFactory) -> Ruled:
    """Only for reading."""
    return Ruled(shared, tmp_path_factory.mktemp("ruled"))


def in_library(answer: SearchClipsResponse, library: str) -> Match:
    """The match in a library."""
    start = f"libraries/{library}/"
    (match,) = (match for match in answer.matches if match.clip.name.startswith(start))
    return match


def offset(match: Match) -> float:
    """The time offset in seconds."""
    assert match.coverage.HasField("time_offset")
    return match.coverage.time_offset.ToMilliseconds() / 1000


def test_audio_is_cut_by_the_rule_of_the_library(ruled: Ruled, tmp_path: Path) -> None:
    """Equal windows score 1. Windows of the model's rule would not."""
    (match,) = ruled.search(ruled.short, audio=ruled.part(tmp_path)).matches
    assert (match.score, offset(match)) == (1, BEGIN)
    assert match.segments[0].start_offset.ToMilliseconds() == pytest.approx(1000 * BEGIN, abs=1000)


def test_each_library_of_a_search_has_windows_of_its_own(ruled: Ruled, tmp_path: Path) -> None:
    """The order of the libraries does not matter; old ones are compared by the whole."""
    audio = ruled.part(tmp_path, 6.0)  # a window of both rules begins here
    for names in ((ruled.short, ruled.own), (ruled.own, ruled.short), (ruled.own, ruled.old)):
        answer = ruled.search(*names, audio=audio)
        assert len(answer.matches) == 2
        for name in names:
            match = in_library(answer, name)
            if name == ruled.old:
                assert not match.segments
            else:
                assert (match.score, offset(match)) == (1, 6)
        assert answer.query_audio.duration.ToMilliseconds() == 1000 * LENGTH


def test_a_clip_is_cut_again_for_a_library_of_another_rule(ruled: Ruled) -> None:
    """From its stored audio, all of it or a part."""
    for first, other in (
        (ruled.short, ruled.own),
        (ruled.own, ruled.short),
        (ruled.old, ruled.short),
    ):
        clip = ruled.clips[first].name
        (match,) = ruled.search(first, other, clip=clip).matches
        assert match.clip.name == ruled.clips[other].name
        assert (match.score, offset(match)) == (1, 0)
    part = TimeRange()
    part.start_offset.FromMilliseconds(6000)
    part.end_offset.FromMilliseconds(15000)
    answer = ruled.search(ruled.own, ruled.short, clip=ruled.clips[ruled.own].name, range=part)
    match = in_library(answer, ruled.short)
    assert (match.score, offset(match)) == (1, 0)
    assert match.segments[0].query_start_offset.ToMilliseconds() == 6000


def test_audio_that_is_none_is_refused_once(ruled: Ruled) -> None:
    """Whatever number of rules it would have been heard by."""
    with pytest.raises(ServiceError) as caught:
        ruled.search(ruled.short, ruled.own, audio=b"no sound" * 1000)
    assert caught.value.reason is Reason.AUDIO_UNDECODABLE


def test_too_many_rules_at_once_are_refused(ruled: Ruled, tmp_path: Path) -> None:
    """The error tells that a migration brings libraries to one rule."""
    names = [ruled.make(rule(1 + number / 10, 0.5, 2)) for number in range(4)]
    audio = ruled.part(tmp_path)
    assert ruled.search(ruled.own, *names[:3], audio=audio).matches
    with pytest.raises(ServiceError, match="migrate") as caught:
        ruled.search(ruled.own, *names, audio=audio)
    assert caught.value.reason is Reason.STATE_CONFLICT
