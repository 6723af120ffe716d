"""Searches of recordings with many voices: where they are found, and by which part of a query."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import soundfile
from audiosearch.catalog.v1 import library_pb2
from audiosearch.catalog.v1.clip_pb2 import Clip, ClipFilter
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.catalog.v1.library_service_pb2_grpc import LibraryServiceStub
from audiosearch.embedding.v1.embedding_pb2 import TimeRange
from audiosearch.filter.v1.filter_pb2 import Condition
from audiosearch.gateway.v1 import search_pb2
from audiosearch.gateway.v1.search_pb2 import Examples, SearchClipsRequest, SearchConfig
from google.protobuf.duration_pb2 import Duration

from serving.errors import Reason, ServiceError
from tests.end_to_end.conftest import Running
from tests.end_to_end.guarded import Guarded
from tests.vowels import RATE, say

TURN = 6
"""Seconds that each voice speaks."""
HOP = 1.5


def conversation(folder: Path, name: str, voices: list[int], take: int = 0) -> Path:
    """A recording in which voices speak one after the other."""
    path = folder / name
    soundfile.write(path, np.concatenate([say(voice, take, TURN) for voice in voices]), RATE)
    return path


def cut(folder: Path, source: Path, start: float, end: float) -> Path:
    """A part of a recording."""
    samples, rate = soundfile.read(source)
    path = folder / f"cut-{start}-{end}.wav"
    soundfile.write(path, samples[int(start * rate) : int(end * rate)], rate)
    return path


def span(start: float, end: float | None = None) -> TimeRange:
    """A range in seconds."""
    found = TimeRange()
    found.start_offset.FromMilliseconds(round(1000 * start))
    if end is not None:
        found.end_offset.FromMilliseconds(round(1000 * end))
    return found


def seconds(offset: Duration) -> float:
    """An offset in seconds."""
    return offset.ToMilliseconds() / 1000


class Talks:
    """A library of three conversations and two short clips."""

    def __init__(self, running: Running, folder: Path) -> None:
        """Uploads them."""
        self.running, self.library = running, running.library()
        self.parent = f"libraries/{self.library}"
        self.paths = {
            name: conversation(folder, f"{name}.wav", voices)
            for name, voices in {
                "first": [0, 1, 2, 3],
                "second": [4, 5, 6, 7],
                "third": [1, 4, 0, 5, 3],
                "short-2": [2],
                "short-6": [6],
            }.items()
        }
        self.clips = {
            name: running.client.upload(self.library, path, Clip(label=name[:5])).clip
            for name, path in self.paths.items()
        }

    def search(self, **fields: Any) -> search_pb2.SearchClipsResponse:
        """One search. Fields of the config may be given beside those of the request."""
        own = {name: fields.pop(name) for name in list(fields) if name in CONFIG}
        request = SearchClipsRequest(config=SearchConfig(parent=self.parent, **own), **fields)
        return self.running.client.call(self.running.client.stubs.search.SearchClips, request)

    def found(self, answer: search_pb2.SearchClipsResponse) -> list[str]:
        """Names of the files found."""
        return [match.clip.display_name.removesuffix(".wav") for match in answer.matches]


CONFIG = set(SearchConfig.DESCRIPTOR.fields_by_name)


@pytest.fixture(scope="module")
def talks(shared: Running, tmp_path_factory: pytest.TempPathFactory) -> Talks:
    """Only for reading."""
    return Talks(shared, tmp_path_factory.mktemp("talks"))


def test_a_long_clip_is_stored_by_its_windows(talks: Talks) -> None:
    """A short one by one vector."""
    counts = {name: clip.window_count for name, clip in talks.clips.items()}
    assert counts["short-2"] == 1
    assert counts["first"] == 1 + (4 * TURN - 3) / HOP


@pytest.mark.parametrize(("name", "turn", "voice"), [("first", 1, 1), ("second", 2, 6)])
def test_a_voice_is_found_where_it_speaks(
    talks: Talks, tmp_path: Path, name: str, turn: int, voice: int
) -> None:
    """By another take of it, the start within a hop."""
    query = conversation(tmp_path, "query.wav", [voice], take=1)
    answer = talks.search(audio=query.read_bytes(), k=5)
    match = next(one for one in answer.matches if one.clip.name == talks.clips[name].name)
    best = match.segments[0]
    assert abs(seconds(best.start_offset) - turn * TURN) <= HOP
    assert abs(seconds(best.end_offset) - (turn + 1) * TURN) <= HOP
    assert (seconds(best.query_start_offset), seconds(best.query_end_offset)) == (0, TURN)
    assert best.score == match.score
    assert match.coverage.of_query == 1
    assert 0 < match.coverage.of_clip < 0.6
    assert not match.coverage.HasField("time_offset")
    assert sum(len(one.segments) for one in answer.matches) <= 3 * len(answer.matches)


def test_a_part_of_a_recording_tells_its_offset(talks: Talks, tmp_path: Path) -> None:
    """The same recording, 4.5 s into it."""
    query = cut(tmp_path, talks.paths["second"], 4.5, 18)
    (match, *_) = talks.search(audio=query.read_bytes()).matches
    assert match.clip.name == talks.clips["second"].name
    assert match.score == 1
    assert seconds(match.coverage.time_offset) == pytest.approx(4.5, abs=0.01)
    assert match.coverage.of_query == 1
    (whole, *_) = talks.search(audio=talks.paths["second"].read_bytes()).matches
    assert (whole.score, seconds(whole.coverage.time_offset)) == (1, 0)
    assert whole.coverage.of_clip == pytest.approx(1, abs=1e-3)


def test_details_can_be_left_out(talks: Talks) -> None:
    """Or be limited."""
    clip = talks.clips["short-2"].name
    plain = talks.search(clip=clip, detail=search_pb2.DETAIL_CLIPS)
    assert len(plain.matches) == 4
    assert not any(match.segments or match.HasField("coverage") for match in plain.matches)
    one = talks.search(clip=clip, segments_per_match=1)
    assert [len(match.segments) for match in one.matches] == [1] * 4
    assert talks.found(one) == talks.found(plain)


def test_a_range_of_audio_is_searched_with(talks: Talks) -> None:
    """Offsets are counted from the start of all of it."""
    audio = talks.paths["first"].read_bytes()
    answer = talks.search(audio=audio, range=span(12, 18))
    assert set(talks.found(answer)[:2]) == {"first", "short-2"}
    match = next(one for one in answer.matches if one.clip.name == talks.clips["short-2"].name)
    segment = match.segments[0]
    assert (seconds(segment.query_start_offset), seconds(segment.query_end_offset)) == (12, 18)
    assert match.coverage.of_query == 1
    assert seconds(answer.query_audio.duration) == TURN


def test_a_range_of_a_clip_is_searched_with(talks: Talks) -> None:
    """By its stored windows, or from its audio if none is inside."""
    clip = talks.clips["first"].name
    assert talks.found(talks.search(clip=clip, range=span(12, 18), k=1)) == ["short-2"]
    assert talks.found(talks.search(clip=clip, range=span(14, 16.5), k=1)) == ["short-2"]
    short = talks.search(clip=talks.clips["short-6"].name, range=span(1, 5), k=1)
    assert talks.found(short) == ["second"]
    all_of_it = talks.search(clip=clip)
    assert "first" not in talks.found(all_of_it)
    assert talks.found(talks.search(clip=clip, range=span(0))) == talks.found(all_of_it)


@pytest.mark.parametrize(
    "part", [span(-1), span(5, 5), span(5, 4), span(24), span(0, 25), span(100, 101)], ids=repr
)
def test_a_range_that_is_not_in_the_query_is_refused(talks: Talks, part: TimeRange) -> None:
    """Of audio and of clips alike."""
    for query in (
        {"clip": talks.clips["first"].name},
        {"audio": talks.paths["first"].read_bytes()},
    ):
        with pytest.raises(ServiceError) as raised:
            talks.search(**query, range=part)
        assert raised.value.reason is Reason.FIELD_INVALID


def test_a_range_needs_a_recording(talks: Talks) -> None:
    """Vectors and examples have no time, and a clip has its own channel."""
    example = Examples(positive=[Examples.Example(clip=talks.clips["first"].name)])
    for fields in (
        {"examples": example, "range": span(0, 1)},
        {"vector": search_pb2.VectorQuery(), "range": span(0, 1)},
        {"clip": talks.clips["first"].name, "channel": 1},
    ):
        with pytest.raises(ServiceError) as raised:
            talks.search(**fields)
        assert raised.value.reason is Reason.FIELD_INVALID


def test_a_vector_of_another_length_is_refused(talks: Talks) -> None:
    """One of the right length finds what its clip finds."""
    client = talks.running.client
    heard = client.embed(talks.paths["short-6"]).embedding
    vector = search_pb2.VectorQuery(values=heard.values, model=heard.model)
    answer = talks.search(vector=vector)
    assert talks.found(answer)[:2] == ["short-6", "second"]
    assert answer.matches[1].segments
    assert not answer.matches[1].segments[0].HasField("query_start_offset")
    short = search_pb2.VectorQuery(values=heard.values[:7], model=heard.model)
    with pytest.raises(ServiceError, match="7 values") as raised:
        talks.search(vector=short)
    assert raised.value.reason is Reason.FIELD_INVALID


def test_contradictory_conditions_find_nothing(talks: Talks) -> None:
    """It is no error."""
    label = Condition(field="label", none_of=Condition.Values(values=["short"]))
    filters = ClipFilter(label="short", conditions=[label])
    assert not talks.search(clip=talks.clips["first"].name, filter=filters).matches
    time = talks.clips["first"].create_time
    filters = ClipFilter(create_time_from=time, create_time_before=time)
    assert not talks.search(clip=talks.clips["first"].name, filter=filters).matches


def test_filters_and_groups(talks: Talks) -> None:
    """By the labels that the clips were uploaded with."""
    clip = talks.clips["second"].name
    short = talks.search(clip=clip, filter=ClipFilter(label="short"))
    assert sorted(talks.found(short)) == ["short-2", "short-6"]
    groups = talks.search(clip=clip, group_by="label", group_size=2)
    assert len({match.group for match in groups.matches}) == 3
    assert len(groups.matches) == 4
    by_label = [match.group for match in groups.matches]
    assert by_label.index("short") + 1 == len(by_label) - by_label[::-1].index("short") - 1


def test_pages_of_a_streamed_query(talks: Talks) -> None:
    """The audio is sent again; that of another question is refused."""
    audio = talks.paths["third"].read_bytes()
    first = talks.search(audio=audio, k=2)
    config = SearchConfig(parent=talks.parent, k=9, page_token=first.next_page_token)
    requests = [
        search_pb2.StreamSearchClipsRequest(
            config=search_pb2.StreamSearchClipsConfig(search=config)
        ),
        *(
            search_pb2.StreamSearchClipsRequest(audio_chunk=audio[start : start + 50_000])
            for start in range(0, len(audio), 50_000)
        ),
    ]
    stub = talks.running.client.stubs.search
    summary, *rest = list(stub.StreamSearchClips(iter(requests), timeout=60))
    assert not summary.summary.next_page_token
    names = talks.found(first) + [one.match.clip.display_name[:-4] for one in rest]
    assert sorted(names) == sorted(talks.paths)
    with pytest.raises(ServiceError, match="another question") as raised:
        talks.search(audio=audio, page_token=first.next_page_token, min_score=0)
    assert raised.value.reason is Reason.FIELD_INVALID


def test_a_batch_answers_each_search(talks: Talks) -> None:
    """A bad one does not spoil the others."""
    config = SearchConfig(parent=talks.parent, k=1)
    requests = [
        SearchClipsRequest(config=config, clip=talks.clips["short-2"].name),
        SearchClipsRequest(config=config),
        SearchClipsRequest(config=SearchConfig(parent="libraries/nowhere"), audio=b"x"),
        SearchClipsRequest(config=config, audio=talks.paths["short-6"].read_bytes()),
    ]
    call = talks.running.client.call
    batch = talks.running.client.stubs.search.BatchSearchClips
    answer = call(batch, search_pb2.BatchSearchClipsRequest(requests=requests))
    first, second, third, fourth = answer.outcomes
    assert talks.found(first.response) == ["first"]
    assert second.failure.reason == "FIELD_INVALID"
    assert third.failure.reason == "LIBRARY_NOT_FOUND"
    assert fourth.response.matches[0].score == 1
    for count in (0, 101):
        with pytest.raises(ServiceError) as raised:
            call(batch, search_pb2.BatchSearchClipsRequest(requests=requests[:1] * count))
        assert raised.value.reason is Reason.FIELD_INVALID


def test_several_libraries_are_one_list(talks: Talks, tmp_path: Path) -> None:
    """The best of all come first, and pages go through all of them."""
    other = talks.running.library()
    path = conversation(tmp_path, "elsewhere.wav", [2])
    elsewhere = talks.running.client.upload(other, path).clip
    audio, more = talks.paths["short-2"].read_bytes(), [f"libraries/{other}"]
    answer = talks.search(audio=audio, more_libraries=more)
    assert {match.clip.name for match in answer.matches[:2]} == {
        elsewhere.name,
        talks.clips["short-2"].name,
    }
    assert len(answer.matches) == 6
    scores = [match.score for match in answer.matches]
    assert scores == sorted(scores, reverse=True)
    first = talks.search(audio=audio, more_libraries=more, k=4)
    rest = talks.search(audio=audio, more_libraries=more, page_token=first.next_page_token)
    assert talks.found(first) + talks.found(rest) == talks.found(answer)


def test_examples_find_what_they_have_in_common(talks: Talks) -> None:
    """The examples themselves are left out."""
    like = Examples.Example(clip=talks.clips["short-6"].name)
    unlike = Examples.Example(clip=talks.clips["short-2"].name)
    for strategy in (Examples.STRATEGY_AVERAGE, Examples.STRATEGY_BEST_SCORE):
        examples = Examples(positive=[like], negative=[unlike], strategy=strategy)
        answer = talks.search(examples=examples)
        assert talks.found(answer)[0] == "second"
        assert len(answer.matches) == 3
        assert answer.matches[0].segments
    gone = Examples.Example(clip=f"{talks.parent}/clips/{'0' * 26}")
    with pytest.raises(ServiceError) as raised:
        talks.search(examples=Examples(positive=[gone]))
    assert raised.value.reason is Reason.CLIP_NOT_FOUND


def test_a_library_without_windows_is_searched_as_before(
    shared: Running, talks: Talks, tmp_path: Path
) -> None:
    """What needs windows says that it has to be migrated."""
    model = talks.search(clip=talks.clips["short-2"].name).model
    name = f"{talks.library}-old"
    with grpc.insecure_channel(shared.stack.addresses.target("catalog")) as channel:
        LibraryServiceStub(channel).CreateLibrary(
            library_pb2.CreateLibraryRequest(library_id=name, library=Library(model=model))
        )
    clips = [shared.client.upload(name, talks.paths[one]).clip for one in ("first", "short-2")]
    parent = f"libraries/{name}"
    answer = shared.client.search(name, talks.paths["first"])
    assert [match.clip.name for match in answer.matches] == [clip.name for clip in clips]
    assert answer.matches[0].score == 1
    assert not answer.matches[0].segments
    by_clip = shared.client.search_by_clip(name, clips[0].name)
    assert [match.clip.name for match in by_clip.matches] == [clips[1].name]
    page = shared.client.search(name, talks.paths["first"], k=1)
    assert page.next_page_token
    for config, part in (
        (SearchConfig(parent=parent, filter=ClipFilter(label="x")), None),
        (SearchConfig(parent=parent, group_by="label"), None),
        (SearchConfig(parent=parent), span(0, 6)),
        (SearchConfig(parent=talks.parent, more_libraries=[parent], group_by="label"), None),
    ):
        request = SearchClipsRequest(
            config=config, audio=talks.paths["first"].read_bytes(), range=part
        )
        with pytest.raises(ServiceError, match="migrate") as raised:
            shared.client.call(shared.client.stubs.search.SearchClips, request)
        assert raised.value.reason is Reason.STATE_CONFLICT


def test_a_key_must_read_every_library_of_a_search(guarded: Guarded, sounds: Path) -> None:
    """In a batch, the search that may not be made fails alone."""
    audio = (sounds / "bronze_bell_1.wav").read_bytes()
    with guarded.client("reader") as client:
        readable = client.call(
            client.stubs.libraries.ListLibraries, library_pb2.ListLibrariesRequest()
        ).libraries[0]
        config = SearchConfig(parent=readable.name, more_libraries=["libraries/secret"])
        bad = SearchClipsRequest(config=config, audio=audio)
        good = SearchClipsRequest(config=SearchConfig(parent=readable.name), audio=audio)
        other = SearchClipsRequest(config=SearchConfig(parent="libraries/secret"), audio=audio)
        with pytest.raises(ServiceError) as raised:
            client.call(client.stubs.search.SearchClips, bad)
        assert raised.value.reason is Reason.RIGHT_MISSING
        answer = client.call(
            client.stubs.search.BatchSearchClips,
            search_pb2.BatchSearchClipsRequest(requests=[bad, good, other]),
        )
        assert [one.failure.reason for one in answer.outcomes] == [
            "RIGHT_MISSING",
            "",
            "RIGHT_MISSING",
        ]
