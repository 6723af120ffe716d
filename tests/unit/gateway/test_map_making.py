"""The making of a map and its updates, over a library in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.gateway.v1.library_map_pb2 import GetLibraryMapRequest, LibraryMap

from gateway import on_demand
from gateway.maps.making import Maker, Map
from gateway.maps.projection import FEW
from gateway.maps.sample import Sample
from serving.errors import Reason, ServiceError

LIBRARY = Library(name="libraries/a", uid="u")
ASK = GetLibraryMapRequest(name="libraries/a/map")


class Shelf:
    """The clips of a library, as `Samples` reads them; the map of FEW needs no process."""

    def __init__(self, count: int) -> None:
        """Has so many."""
        generator = np.random.default_rng(0)
        self.vectors = generator.standard_normal((count, 192)).astype(np.float32)
        self.vectors /= np.linalg.norm(self.vectors, axis=1, keepdims=True)
        self.ids = [f"c{number:03d}" for number in range(count)]
        self.labels = dict.fromkeys(self.ids, "")
        self.gone: ServiceError | None = None

    async def count(self, library: Library) -> int:
        """See Samples."""
        return len(self.ids)

    async def read(self, library: Library, report: Callable[[float], None]) -> Sample:
        """See Samples."""
        if self.gone:
            raise self.gone
        return Sample(len(self.ids), list(self.ids), self.vectors[: len(self.ids)])

    async def clips(self, library: Library, ids: Sequence[str]) -> dict[str, Clip]:
        """See Samples."""
        return {
            id_: Clip(name=f"{library.name}/clips/{id_}", label=self.labels[id_])
            for id_ in ids
            if id_ in self.labels
        }


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause between two looks."""
    monkeypatch.setattr(on_demand, "LOOK_SECONDS", 0.0)


async def ready(shelf: Shelf) -> tuple[Maker, Map]:
    """A map that is made."""
    maker, map_ = Maker(shelf), Map(LIBRARY.name)  # type: ignore[arg-type]
    await maker.work(LIBRARY, map_)
    assert map_.answer(ASK).state == LibraryMap.STATE_READY
    map_.rest_until = 0
    return maker, map_


async def test_a_map_is_ready_in_the_end() -> None:
    """All clips have a place; nothing is left to do."""
    _, map_ = await ready(Shelf(12))
    answer = map_.answer(ASK)
    assert (answer.name, answer.progress) == ("libraries/a/map", 1)
    assert (answer.clip_count, answer.sampled_count, len(answer.points)) == (12, 12, 12)
    assert answer.create_time.seconds
    assert not answer.HasField("failure")


@pytest.mark.parametrize("count", [0, 1, 2])
async def test_hardly_any_clips_are_a_map_too(count: int) -> None:
    """READY at once."""
    _, map_ = await ready(Shelf(count))
    assert len(map_.answer(ASK).points) == count


async def test_points_are_answered_once() -> None:
    """A caller that names the tag of its points gets only the rest."""
    _, map_ = await ready(Shelf(5))
    tag = map_.answer(ASK).etag
    again = map_.answer(GetLibraryMapRequest(name=ASK.name, etag=tag))
    assert (again.etag, again.sampled_count, list(again.points)) == (tag, 5, [])


async def test_new_clips_make_a_new_map() -> None:
    """The old one is shown as STALE until then, turned like it after."""
    shelf = Shelf(30)
    shelf.ids = shelf.ids[:20]
    maker, map_ = await ready(shelf)
    shelf.ids = list(shelf.labels)
    map_.rest_until = np.inf  # as it is for a while after a map was made
    await maker.work(LIBRARY, map_)
    stale = map_.answer(ASK)
    assert (stale.state, stale.progress, len(stale.points)) == (LibraryMap.STATE_STALE, 0, 20)
    map_.rest_until = 0
    await maker.work(LIBRARY, map_)
    fresh = map_.answer(ASK)
    assert (fresh.state, fresh.clip_count, len(fresh.points)) == (LibraryMap.STATE_READY, 30, 30)


async def test_a_clip_in_the_place_of_another_is_noticed() -> None:
    """Although there are as many as before."""
    shelf = Shelf(FEW)
    maker, map_ = await ready(shelf)
    del shelf.labels["c003"]
    map_.rest_until = np.inf
    await maker.work(LIBRARY, map_)
    answer = map_.answer(ASK)
    assert answer.state == LibraryMap.STATE_STALE
    assert len(answer.points) == FEW - 1


async def test_what_is_written_on_a_clip_changes_no_place() -> None:
    """A label is shown at the next look, and the map stays READY where it is."""
    shelf = Shelf(FEW)
    maker, map_ = await ready(shelf)
    before = map_.answer(ASK)
    shelf.labels["c005"] = "bell"
    await maker.work(LIBRARY, map_)
    after = map_.answer(ASK)
    assert after.state == LibraryMap.STATE_READY
    assert after.etag != before.etag
    assert [point.label for point in after.points if point.label] == ["bell"]
    assert [(point.x, point.y) for point in after.points] == [
        (point.x, point.y) for point in before.points
    ]


async def test_what_fails_is_told_and_tried_again() -> None:
    """As the call's error while there are no points; later beside the old ones."""
    shelf = Shelf(FEW)
    shelf.gone = ServiceError(Reason.INDEX_UNAVAILABLE, "the index is gone")
    maker, map_ = Maker(shelf), Map(LIBRARY.name)  # type: ignore[arg-type]
    await maker.work(LIBRARY, map_)
    with pytest.raises(ServiceError) as raised:
        map_.answer(ASK)
    assert raised.value is shelf.gone
    assert map_.due()
    gone, shelf.gone = shelf.gone, None
    await maker.work(LIBRARY, map_)
    shelf.gone, shelf.ids, map_.rest_until = gone, shelf.ids[:-1], 0
    await maker.work(LIBRARY, map_)
    answer = map_.answer(ASK)
    assert (answer.state, len(answer.points)) == (LibraryMap.STATE_STALE, FEW)
    assert answer.failure.reason == "INDEX_UNAVAILABLE"
    assert not map_.due()
