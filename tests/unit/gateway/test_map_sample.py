"""Which clips of a library come onto its map."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import pytest
from audiosearch.catalog.v1.library_pb2 import LIBRARY_VIEW_FULL, GetLibraryRequest, Library
from audiosearch.index.v1.index_pb2 import Vector
from audiosearch.index.v1.index_service_pb2 import GetVectorsResponse, ListVectorsResponse

from gateway.maps import sample
from gateway.maps.sample import Samples
from serving.errors import Reason, ServiceError

LIBRARY = Library(name="libraries/a", uid="u")


class Shelf:
    """An index of so many vectors, as the gateway's stub shows it; ids are numbers in order."""

    def __init__(self, count: int) -> None:
        """Has so many."""
        self.ids = [f"{number:06d}" for number in range(count)]
        self.indexes = {"u": self.ids}
        self.lost: set[str] = set()
        self.asked: list[int] = []
        self.listed = 0

    async def GetLibrary(self, request: GetLibraryRequest) -> Library:
        """Counts them."""
        assert request.view == LIBRARY_VIEW_FULL
        return Library(clip_count=len(self.ids))

    async def ListVectors(self, request: Any) -> ListVectorsResponse:
        """Lists a page of ids."""
        self.listed += 1
        if request.index_id not in self.indexes:
            raise ServiceError(Reason.INDEX_NOT_FOUND, "there is no index")
        left = [id_ for id_ in self.indexes[request.index_id] if id_ > request.after_id]
        page = left[: request.page_size]
        return ListVectorsResponse(
            ids=page, next_after_id=page[-1] if len(left) > len(page) else ""
        )

    async def GetVectors(self, request: Any) -> GetVectorsResponse:
        """Reads those that are still there."""
        self.asked.append(len(request.ids))
        known = set(self.indexes[request.index_id]) - self.lost
        there = [id_ for id_ in request.ids if id_ in known]
        return GetVectorsResponse(vectors=[Vector(id=id_, values=[int(id_), 1]) for id_ in there])


def samples(shelf: Any) -> Samples:
    """Reads from an index."""
    return Samples(SimpleNamespace(index=shelf, libraries=shelf))  # type: ignore[arg-type]


def told(_share: float) -> None:
    """Nobody listens."""


async def test_a_small_library_is_taken_whole() -> None:
    """Vectors in the order of ids, a bounded number a call."""
    shelf = Shelf(2500)
    found = await samples(shelf).read(LIBRARY, told)
    assert (found.count, found.ids) == (2500, shelf.ids)
    assert found.vectors[:, 0].tolist() == list(range(2500))
    assert shelf.asked == [1000, 1000, 500]


@pytest.mark.parametrize("count", [10, 11, 19, 20, 21, 2503])
async def test_of_a_large_library_steps_are_even(
    monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """As many as a map holds, from the first to near the last, no two steps unlike."""
    monkeypatch.setattr(sample, "MOST", 10)
    found = await samples(Shelf(count)).read(LIBRARY, told)
    rows = [int(id_) for id_ in found.ids]
    steps = {later - earlier for earlier, later in itertools.pairwise(rows)}
    assert (len(rows), rows[0]) == (10, 0)
    assert max(steps) - min(steps) <= 1
    assert rows[-1] + max(steps) >= count - 1
    assert found.count == count


async def test_vectors_that_go_meanwhile_are_left_out() -> None:
    """Ids and vectors stay side by side."""
    shelf = Shelf(5)
    shelf.lost = {"000001", "000004"}
    found = await samples(shelf).read(LIBRARY, told)
    assert found.ids == ["000000", "000002", "000003"]
    assert found.vectors[:, 0].tolist() == [0, 2, 3]


async def test_a_library_without_its_index_is_empty() -> None:
    """Until the reconciler has made the index again."""
    shelf = Shelf(3)
    shelf.indexes.clear()
    found = await samples(shelf).read(LIBRARY, told)
    assert (found.count, list(found.ids), len(found.vectors)) == (3, [], 0)


async def test_clips_of_several_windows_are_shown_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """By their whole, at little cost: their windows are not all listed."""
    monkeypatch.setattr(sample, "_IDS", 10)
    shelf = Shelf(6)
    windows = [f"000001:{number:08d}" for number in range(4800)]
    shelf.indexes = {"u_w1": sorted([*windows, "000000", "000002", "000003"]), "u_c1": ["000001"]}
    found = await samples(shelf).read(Library(name="libraries/a", uid="u", generation=1), told)
    assert sorted(found.ids) == ["000000", "000001", "000002", "000003"]
    assert found.vectors[:, 0].tolist() == [int(id_) for id_ in found.ids]
    assert shelf.listed < 5
