"""The sweep of clips that have more windows than a page, and of pages that end inside a clip."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from audiosearch.catalog.v1 import clip_pb2
from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.index.v1.index_pb2 import Vector
from audiosearch.index.v1.index_service_pb2 import (
    DeleteVectorsRequest,
    GetVectorsRequest,
    GetVectorsResponse,
    ListVectorsRequest,
    ListVectorsResponse,
)

from gateway.libraries import indexes
from gateway.libraries.indexes import Generation
from gateway.upkeep import sweeping
from gateway.upkeep.sweeping import Sweep
from serving.errors import Reason, ServiceError

LIBRARY = Library(name="libraries/a", uid="u", generation=1)


class Services:
    """A catalog of ACTIVE clips, by id with their number of windows, and an index that fits."""

    def __init__(self, **clips: int) -> None:
        """Begins without a difference."""
        self.rows = {id_: self._row(id_, count) for id_, count in clips.items()}
        self.windows = {
            indexes.window_id(id_, start): 1
            for id_, count in clips.items()
            for start in ([None] if count == 1 else range(0, 1500 * count, 1500))
        }
        self.wholes = {id_: 1 for id_, count in clips.items() if count > 1}
        self.again: list[str] = []
        self.mirrored: list[str] = []
        self.vectors = self

    def _row(self, id_: str, count: int) -> Clip:
        name = f"{LIBRARY.name}/clips/{id_}"
        return Clip(name=name, state=Clip.STATE_ACTIVE, window_count=count, revision=1)

    def _index(self, index_id: str) -> dict[str, int]:
        return {"u_w1": self.windows, "u_c1": self.wholes}[index_id]

    async def ListClips(self, request: clip_pb2.ListClipsRequest) -> clip_pb2.ListClipsResponse:
        """Lists a page of rows."""
        left = sorted(id_ for id_ in self.rows if id_ > request.page_token)
        page = left[: request.page_size]
        token = page[-1] if len(left) > len(page) else ""
        return clip_pb2.ListClipsResponse(
            clips=[self.rows[id_] for id_ in page], next_page_token=token
        )

    async def LookupClips(self, request: clip_pb2.LookupClipsRequest) -> Any:
        """Reads rows."""
        found = {id_: self.rows[id_] for id_ in request.clip_ids if id_ in self.rows}
        return clip_pb2.LookupClipsResponse(clips=found)

    async def GetClip(self, request: clip_pb2.GetClipRequest) -> Clip:
        """Reads a row."""
        id_ = request.name.rpartition("/")[2]
        if id_ not in self.rows:
            raise ServiceError(Reason.CLIP_NOT_FOUND, "there is none")
        return self.rows[id_]

    async def ListVectors(self, request: ListVectorsRequest) -> ListVectorsResponse:
        """Lists a page of ids."""
        index = self._index(request.index_id)
        left = sorted(id_ for id_ in index if id_ > request.after_id)
        page = left[: request.page_size]
        return ListVectorsResponse(
            ids=page,
            next_after_id=page[-1] if len(left) > len(page) else "",
            revisions=[index[id_] for id_ in page] if index is self.windows else [],
        )

    async def GetVectors(self, request: GetVectorsRequest) -> GetVectorsResponse:
        """Reads vectors."""
        index = self._index(request.index_id)
        return GetVectorsResponse(vectors=[Vector(id=id_) for id_ in request.ids if id_ in index])

    async def DeleteVectors(self, request: DeleteVectorsRequest) -> None:
        """Removes vectors."""
        for id_ in request.ids:
            self._index(request.index_id).pop(id_, None)

    async def windows_of(self, generation: Generation, clip_id: str) -> Any:
        """Ids of a clip's windows, as Vectors gives them."""
        for id_ in sorted(self._index(generation.windows)):
            if indexes.split_window(id_)[0] == clip_id:
                yield id_

    async def mirror_in(self, _generation: Generation, clips: list[Clip]) -> None:
        """Notes whose attributes were written, as Vectors writes them."""
        self.mirrored += [clip.name.rpartition("/")[2] for clip in clips]

    async def embed_again(self, _library: Library, _generation: Generation, clip: Clip) -> bool:
        """Notes a clip whose vectors were made again, as Clips makes them."""
        self.again.append(clip.name.rpartition("/")[2])
        return True

    async def drop_indexes(self, generation: Generation) -> None:
        """Has none of an earlier generation."""
        assert generation.number < LIBRARY.generation


@pytest.fixture
def services() -> Services:
    """Clips of one window, of as many as a page, of fewer and of many more."""
    return Services(a=1, b=3, c=10, d=1, e=2, f=4, g=1)


async def sweep(services: Services, page: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goes once through the library by pages of that size."""
    monkeypatch.setattr(sweeping, "PAGE", page)
    upstream: Any = SimpleNamespace(index=services, clips=services)
    await Sweep(upstream, services, services).sweep(LIBRARY)  # type: ignore[arg-type]


pages = pytest.mark.parametrize("page", [1, 2, 3, 4, 7, 100])


@pages
async def test_what_fits_stays(
    services: Services, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever pages end."""
    windows, wholes = dict(services.windows), dict(services.wholes)
    await sweep(services, page, monkeypatch)
    assert (services.windows, services.wholes) == (windows, wholes)
    assert not services.again
    assert not services.mirrored


@pages
async def test_each_clip_with_a_difference_is_embedded_again_once(
    services: Services, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A window too few, one too many, none at all, no whole, and a whole of a single window."""
    del services.windows["c:00003000"]
    services.windows["e:00000001"] = 1
    del services.windows["a"]
    del services.wholes["f"]
    services.wholes["g"] = 1
    await sweep(services, page, monkeypatch)
    assert sorted(services.again) == ["a", "c", "e", "f", "g"]


@pages
async def test_what_is_of_no_clip_goes(
    services: Services, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before all rows, between them, behind them, and of several windows."""
    windows, wholes = dict(services.windows), dict(services.wholes)
    strange = [indexes.window_id(id_, start) for id_ in ("0", "bb", "c0", "z") for start in (0, 9)]
    services.windows |= dict.fromkeys([*strange, "cc", "zz", "z:odd"], 1)
    services.wholes |= dict.fromkeys(["0", "cc", "z"], 1)
    await sweep(services, page, monkeypatch)
    assert (services.windows, services.wholes) == (windows, wholes)
    assert not services.again


@pages
async def test_attributes_that_are_late_are_written(
    services: Services, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if only one of the windows has the earlier ones; later ones than the row's stay."""
    for id_ in ("c", "d"):
        services.rows[id_].revision = 2
    services.windows |= {id_: 2 for id_ in services.windows if id_.startswith("c:")}
    services.windows["c:00004500"] = 1
    services.windows["g"] = 5
    await sweep(services, page, monkeypatch)
    assert sorted(services.mirrored) == ["c", "d"]
