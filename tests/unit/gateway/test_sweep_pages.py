"""The sweep of clips that have more windows than a page, and of pages that end inside a clip."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from audiosearch.catalog.v1 import clip_pb2
from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch.catalog.v1.kept_vectors_pb2 import KeptVectors
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.index.v1.index_pb2 import Vector
from audiosearch.index.v1.index_service_pb2 import (
    DeleteVectorsRequest,
    GetVectorsRequest,
    GetVectorsResponse,
    ListVectorsRequest,
    ListVectorsResponse,
    UpsertVectorsRequest,
)

from gateway.clips.keeping import Packer
from gateway.libraries import indexes
from gateway.libraries.indexes import Generation
from gateway.upkeep import sweeping
from gateway.upkeep.sweeping import Sweep
from serving.errors import Reason, ServiceError
from serving.names import split_clip

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
        self.kept: set[str] = set()
        self.now_kept: list[str] = []
        self.vectors = self.keeping = self

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

    async def remove_from(self, generation: Generation, clip_ids: list[str]) -> None:
        """Removes the vectors of clips, as Vectors does."""
        for id_ in [*self._index(generation.windows)]:
            if indexes.split_window(id_)[0] in clip_ids:
                del self._index(generation.windows)[id_]

    async def UpsertVectors(self, request: UpsertVectorsRequest) -> None:
        """Stores vectors."""
        for vector in request.vectors:
            self._index(request.index_id)[vector.id] = vector.attributes.revision or 1

    async def DropKeptVectors(self, _request: object) -> None:
        """Has kept nothing of an earlier generation."""

    async def whole(self, _library: Library, _generation: Generation, ids: Any) -> set[str]:
        """The clips that are kept, as Keeping tells them."""
        return self.kept & set(ids)

    async def keep(self, _library: Library, parts: list[KeptVectors]) -> None:
        """Notes clips that are kept whole, as Keeping keeps them."""
        self.now_kept += [split_clip(part.clip)[1] for part in parts if part.part_count]

    async def read(self, _library: Library, generation: Generation, ids: Any) -> Any:
        """The parts of kept clips, as Keeping reads them."""
        for id_ in sorted(self.kept & set(ids)):
            row = self.rows[id_]
            packer = Packer(generation, row.name)
            for number in range(row.window_count if row.window_count > 1 else 0):
                packer.add(1500 * number, [1.0])
            packer.add(None, [1.0])
            yield id_, packer.last()

    async def drop_indexes(self, generation: Generation) -> None:
        """Has none of an earlier generation."""
        assert generation.number < LIBRARY.generation

    async def drop_earlier_voiceprints(self, _library: Library) -> None:
        """Has none of an earlier model."""


@pytest.fixture
def services() -> Services:
    """Clips of one window, of as many as a page, of fewer and of many more."""
    return Services(a=1, b=3, c=10, d=1, e=2, f=4, g=1)


async def sweep(services: Services, page: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goes once through the library by pages of that size."""
    monkeypatch.setattr(sweeping, "PAGE", page)
    upstream: Any = SimpleNamespace(index=services, clips=services, vectors=services)
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
async def test_what_is_kept_is_written_again_and_what_is_not_is_kept(
    services: Services, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kept clips are not embedded, but for those that have too much. Whole ones are kept."""
    windows, wholes = dict(services.windows), dict(services.wholes)
    services.kept = {"a", "c", "e", "f"}
    del services.windows["c:00003000"], services.windows["a"], services.windows["b:00000000"]
    services.windows["e:00000001"] = 1
    del services.wholes["f"]
    await sweep(services, page, monkeypatch)
    assert sorted(services.again) == ["b", "e"]
    assert sorted(services.now_kept) == ["d", "g"]
    del services.windows["e:00000001"]
    services.windows["b:00000000"] = 1
    assert (services.windows, services.wholes) == (windows, wholes)


@pages
async def test_a_clip_that_goes_while_it_is_written_again_leaves_nothing(
    services: Services, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its vectors are removed again; a row that changes has its attributes written again."""
    services.kept = {"c", "f"}
    for id_ in [each for each in services.windows if each[0] in "cf"]:
        del services.windows[id_]

    class Late(Services):
        """Services whose rows change between the list and the look-up."""

        async def LookupClips(self, request: clip_pb2.LookupClipsRequest) -> Any:
            """Reads rows as they are by now."""
            changed = Clip()
            changed.CopyFrom(self.rows["f"])
            changed.revision = 7
            answer = await super().LookupClips(request)
            answer.clips.pop("c", None)
            if "f" in answer.clips:
                answer.clips["f"].CopyFrom(changed)
            return answer

    services.__class__ = Late
    await sweep(services, page, monkeypatch)
    assert not [id_ for id_ in services.windows if id_.startswith("c")]
    assert services.mirrored == ["f"]
    assert not services.again


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
