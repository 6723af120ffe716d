"""The finding of duplicates and its updates, over a library in memory."""

from __future__ import annotations

import time
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from audiosearch.catalog.v1.clip_pb2 import Clip, LookupClipsResponse
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.embedding.v1.model_pb2 import PURPOSE_SOUNDS
from audiosearch.gateway.v1.duplicates_pb2 import Duplicates, GetDuplicatesRequest
from audiosearch.index.v1 import index_service_pb2 as pb
from audiosearch.index.v1.index_pb2 import IndexStats, Vector

from gateway import on_demand
from gateway.duplicates import walk
from gateway.duplicates.finding import Finder, Found
from gateway.libraries.indexes import window_id
from scoring.short_cuts import CUT
from serving.errors import Reason, ServiceError

LIBRARY = Library(name="libraries/a", uid="u", generation=1)
LIBRARY.window_rule.window.FromSeconds(3)
LIBRARY.window_rule.hop.FromMilliseconds(1500)
ASK = GetDuplicatesRequest(name="libraries/a/duplicates")
WIDE = 64


def windows(count: int, seed: int) -> np.ndarray:
    """Vectors of neighboring windows, which share half of their sound."""
    parts = np.random.default_rng(seed).standard_normal((count + 1, WIDE))
    return unit(parts[:-1] + parts[1:])


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors of unit length."""
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def noisy(vectors: np.ndarray, seed: int, much: float = 0.33) -> np.ndarray:
    """The windows of a copy that is a little worse: a cosine of about 0.95."""
    noise = np.random.default_rng(seed).standard_normal(vectors.shape) / WIDE**0.5
    return unit(vectors + much * noise)


GRAINS = np.random.default_rng(20).standard_normal(WIDE)
"""The voice in each quarter of a second."""


def heard(sound: np.ndarray, starts: Iterable[int], count: int) -> np.ndarray:
    """Vectors of windows of so many quarters of a second."""
    return unit(np.array([sound[start : start + count].mean(axis=0) for start in starts]))


class Shelf:
    """The index and the catalog of a library, which compares with every vector."""

    def __init__(self, **clips: np.ndarray) -> None:
        """Holds the windows of clips."""
        self.clips = clips
        self.lengths: dict[str, int] = {}
        """Lengths in milliseconds of clips that are not as long as their windows say."""
        self.gone: ServiceError | None = None
        self.most = 1000
        """Queries of a call that it answers in time."""

    def _rows(self) -> dict[str, np.ndarray]:
        if self.gone:
            raise self.gone
        return {
            window_id(id_, None if len(vectors) == 1 else 1500 * number): vector
            for id_, vectors in sorted(self.clips.items())
            for number, vector in enumerate(vectors)
        }

    async def GetLibrary(self, request: Any) -> Library:
        """See LibraryService."""
        return Library(clip_count=len(self.clips))

    async def GetIndexStats(self, request: Any) -> IndexStats:
        """See IndexService."""
        return IndexStats(vector_count=len(self._rows()))

    async def ListVectors(self, request: pb.ListVectorsRequest) -> pb.ListVectorsResponse:
        """See IndexService."""
        ids = [id_ for id_ in self._rows() if id_ > request.after_id]
        page = ids[: request.page_size]
        return pb.ListVectorsResponse(ids=page, next_after_id=page[-1] if ids != page else "")

    async def GetVectors(self, request: pb.GetVectorsRequest) -> pb.GetVectorsResponse:
        """See IndexService."""
        rows = self._rows()
        found = [Vector(id=id_, values=rows[id_]) for id_ in request.ids if id_ in rows]
        return pb.GetVectorsResponse(vectors=found)

    async def SearchVectors(self, request: pb.SearchVectorsRequest) -> pb.SearchVectorsResponse:
        """See IndexService."""
        if len(request.queries) > self.most:
            raise ServiceError(Reason.INDEX_UNAVAILABLE, "the store did not answer in time")
        passed = set(request.except_clip_ids)
        rows = {id_: row for id_, row in self._rows().items() if id_.split(":")[0] not in passed}
        ids, answer = list(rows), pb.SearchVectorsResponse()
        queries = np.array([query.values for query in request.queries])
        for scores in queries @ np.array(list(rows.values())).T:
            result = answer.results.add()
            for place in np.argsort(-scores)[: request.k]:
                if scores[place] >= request.min_score:
                    result.neighbors.add(id=ids[place], score=scores[place])
        return answer

    async def LookupClips(self, request: Any) -> LookupClipsResponse:
        """See ClipService."""
        found = LookupClipsResponse()
        for id_ in request.clip_ids:
            if id_ in self.clips:
                clip = Clip(name=f"{request.parent}/clips/{id_}")
                length = self.lengths.get(id_, 1500 * (len(self.clips[id_]) + 1))
                clip.audio.duration.FromMilliseconds(length)
                found.clips[id_].CopyFrom(clip)
        return found


async def find(shelf: Shelf, found: Found | None = None, library: Library = LIBRARY) -> Found:
    """Does the work there is."""
    upstream = SimpleNamespace(index=shelf, clips=shelf, libraries=shelf)
    found = found or Found(LIBRARY.name)
    await Finder(upstream).work(library, found)  # type: ignore[arg-type]
    return found


def told(found: Found) -> list[dict[str, tuple[float, float]]]:
    """The groups: of each clip its place in the longest one in seconds, and the end in itself."""
    return [
        {
            member.clip.rpartition("/")[2]: (
                member.time_offset.ToMilliseconds() / 1000,
                member.end_offset.ToMilliseconds() / 1000,
            )
            for member in group.members
        }
        for group in found.answer(ASK).groups
    ]


TALK = windows(20, 1)


@pytest.mark.parametrize("count", [6, 20, 50, 450])
async def test_copies_and_cuts_are_found_whatever_their_length(count: int) -> None:
    """Long clips are searched for alone, and the longest by every other window."""
    talk = windows(count, 1)
    shelf = Shelf(a=talk, b=windows(count, 2), c=noisy(talk, 3), d=noisy(talk, 4)[2:])
    found = await find(shelf)
    length = 1.5 * (count + 1)
    assert told(found) == [{"a": (0, length), "c": (0, length), "d": (3, length - 3)}]
    answer = found.answer(ASK)
    assert (answer.state, answer.progress) == (Duplicates.STATE_READY, 1)
    assert all(0.9 < member.score <= 1 for member in answer.groups[0].members)


async def test_a_clip_of_one_window_is_found_by_that() -> None:
    """In another one, or in a long recording."""
    shelf = Shelf(
        a=TALK,
        b=noisy(TALK[4:5], 5, 0.1),
        x=windows(1, 8),
        y=windows(1, 8),
        z=noisy(windows(1, 8), 9),
    )
    groups = told(await find(shelf))
    assert [set(group) for group in groups] == [{"a", "b"}, {"x", "y"}]
    assert groups[0]["b"] == (6, 3)


async def test_a_clip_of_one_window_is_found_between_windows() -> None:
    """By the mean of those that cover it, which no single window is near enough to."""
    sound = GRAINS[None, :] * 0.35 + np.random.default_rng(21).standard_normal((13 * 6, WIDE))
    long = heard(sound, range(0, 12 * 6, 6), 12)
    other = GRAINS[None, :] * 0.35 + np.random.default_rng(22).standard_normal((13 * 6, WIDE))
    shelf = Shelf(
        a=long,
        b=heard(sound, [27], 20),  # 5 s from 6.75 s on
        c=heard(other, [27], 20),
        d=heard(sound, [77 - 20], 20),
    )
    shelf.lengths = dict.fromkeys("bcd", 5000)
    assert max(float(shelf.clips["b"][0] @ row) for row in long) < CUT
    (group,) = told(await find(shelf))
    assert set(group) == {"a", "b", "d"}
    assert group["b"] == (pytest.approx(6.75, abs=0.75), 5)
    assert group["d"][0] == pytest.approx(14.25, abs=0.75)


async def test_among_sounds_only_the_same_is_found() -> None:
    """The limits below 0.98 were measured on voices."""
    library = Library(purpose=PURPOSE_SOUNDS)
    library.MergeFrom(LIBRARY)
    shelf = Shelf(a=TALK, b=noisy(TALK, 3), c=noisy(TALK, 4, 0.1), d=windows(20, 2))
    groups = told(await find(shelf, library=library))
    assert [set(group) for group in groups] == [{"a", "c"}]


async def test_a_jingle_joins_no_recordings() -> None:
    """It belongs to the one that it is most alike."""
    jingle = windows(6, 7)
    first = np.concatenate([windows(30, 1), noisy(jingle, 1)])
    second = np.concatenate([windows(30, 2), jingle])
    assert [set(group) for group in told(await find(Shelf(a=first, b=second, c=jingle)))] == [
        {"b", "c"}
    ]


async def test_clips_that_come_and_go_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The groups are STALE until they are found anew."""
    monkeypatch.setattr(on_demand, "LOOK_SECONDS", 0.0)
    shelf = Shelf(a=TALK, c=noisy(TALK, 3))
    found = await find(shelf)
    tag = found.answer(ASK).etag
    assert not found.answer(GetDuplicatesRequest(name=ASK.name, etag=tag)).groups
    shelf.clips["d"] = noisy(TALK, 4)
    found.rest_until = time.monotonic() + 60
    await find(shelf, found)
    assert found.answer(ASK).state == Duplicates.STATE_STALE
    found.rest_until = 0
    assert found.due()
    await find(shelf, found)
    (group,) = told(found)
    assert set(group) == {"a", "c", "d"}
    assert found.answer(ASK).etag != tag


async def test_a_failure_is_told_and_tried_again() -> None:
    """As the call's error while there are no groups; later beside the old ones."""
    shelf = Shelf(a=TALK, c=noisy(TALK, 3))
    shelf.gone = ServiceError(Reason.INDEX_UNAVAILABLE, "the index is gone")
    found = await find(shelf)
    with pytest.raises(ServiceError) as raised:
        found.answer(ASK)
    assert raised.value is shelf.gone
    assert found.due()
    gone, shelf.gone = shelf.gone, None
    await find(shelf, found)
    shelf.gone = gone
    await find(shelf, found)
    answer = found.answer(ASK)
    assert (len(answer.groups), answer.failure.reason) == (1, "INDEX_UNAVAILABLE")
    assert not found.due()


@pytest.mark.parametrize("most", [1, 7])
async def test_a_slow_index_is_asked_for_less_at_once(most: int) -> None:
    """The duplicates are the same."""
    shelf = Shelf(a=TALK, b=windows(20, 2), c=noisy(TALK, 3))
    whole = told(await find(shelf))
    shelf.most = most
    assert told(await find(shelf)) == whole != []


async def test_too_many_duplicates_are_cut_off_and_that_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Memory stays bounded."""
    monkeypatch.setattr(walk, "MOST_LINKS", 3)
    clips = {f"c{number:03}": noisy(TALK, number) for number in range(30)}
    answer = (await find(Shelf(**clips))).answer(ASK)
    assert answer.truncated
    assert answer.group_count >= 1
