"""Libraries: a row in the catalog and an index, created and removed together."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import grpc
from audiosearch.catalog.v1.library_pb2 import (
    LIBRARY_VIEW_BASIC,
    ActivateLibraryRequest,
    BeginLibraryDeletionRequest,
    BeginMigrationRequest,
    CreateLibraryRequest,
    DeleteLibraryRequest,
    GetLibraryRequest,
    Library,
    LibraryView,
    ListLibrariesRequest,
    ListLibrariesResponse,
)
from audiosearch.embedding.v1.embedding_service_pb2 import GetModelRequest
from audiosearch.index.v1.index_service_pb2 import CreateIndexRequest, DropIndexRequest

from gateway.access.rights import MAX_GRANTS, Caller
from gateway.clips.audio import mismatch
from gateway.upstream import Upstream, passing_over
from serving.errors import Reason, ServiceError


class Libraries:
    """Creates, opens and removes libraries."""

    def __init__(self, upstream: Upstream) -> None:
        """Works on the services of `upstream`."""
        self._upstream = upstream

    async def create(self, request: CreateLibraryRequest) -> Library:
        """Creates a library for the given model, or for the default model."""
        model = await self._upstream.embedding.GetModel(
            GetModelRequest(name=request.library.model or "models/default")
        )
        bound = CreateLibraryRequest()
        bound.CopyFrom(request)
        bound.library.model = model.name
        return await self.finish_creation(await self._upstream.libraries.CreateLibrary(bound))

    async def page(self, request: ListLibrariesRequest, caller: Caller) -> ListLibrariesResponse:
        """A page of the libraries that the caller may read.

        If the caller has rights to single libraries, they are read one by one, because a page of
        the catalog or its token would reveal others.
        """
        names = caller.readable()
        if names is None:
            return await self._upstream.libraries.ListLibraries(request)
        if request.page_size < 0:
            raise ServiceError(
                Reason.FIELD_INVALID,
                f"page_size: {request.page_size} is negative",
                {"field": "page_size"},
            )
        left = [name for name in names if name > request.page_token]
        size = request.page_size or MAX_GRANTS
        found = [await self._find(name, request.view) for name in left[:size]]
        state = request.state or Library.STATE_ACTIVE
        return ListLibrariesResponse(
            libraries=[library for library in found if library and library.state == state],
            next_page_token=left[size - 1] if len(left) > size else "",
        )

    async def _find(self, name: str, view: LibraryView.ValueType) -> Library | None:
        request = GetLibraryRequest(name=f"libraries/{name}", view=view)
        with passing_over(Reason.LIBRARY_NOT_FOUND):
            return await self._upstream.libraries.GetLibrary(request)
        return None

    async def finish_creation(self, library: Library) -> Library:
        """Gives a CREATING library its index. An ACTIVE library stays as it is."""
        if library.state != Library.STATE_CREATING:
            return library
        await self._make_index(library)
        return await self._upstream.libraries.ActivateLibrary(
            ActivateLibraryRequest(name=library.name)
        )

    async def restore_index(self, library: Library) -> bool:
        """Creates the lost index of a library anew, empty; False if the library is going."""
        if not await self._is_active(library):
            return False
        await self._make_index(library)
        return await self.keep_index(library, library.uid)

    async def keep_index(self, library: Library, index_id: str) -> bool:
        """Drops a new index if its library is being deleted; False if so.

        Otherwise an index that the deletion did not see would outlive its library.
        """
        if await self._is_active(library):
            return True
        await self._upstream.index.DropIndex(DropIndexRequest(index_id=index_id))
        return False

    async def _make_index(self, library: Library) -> None:
        model = await self._upstream.embedding.GetModel(GetModelRequest(name=library.model))
        await self._upstream.index.CreateIndex(
            CreateIndexRequest(index_id=library.uid, model=library.model, dimension=model.dimension)
        )

    async def _is_active(self, library: Library) -> bool:
        now = await self._find(library.name.removeprefix("libraries/"), LIBRARY_VIEW_BASIC)
        return now is not None and now.uid == library.uid and now.state == Library.STATE_ACTIVE

    async def open(self, name: str) -> Library:
        """Reads an ACTIVE library; STATE_CONFLICT if it is not ACTIVE."""
        library = await self._upstream.libraries.GetLibrary(
            GetLibraryRequest(name=name, view=LIBRARY_VIEW_BASIC)
        )
        library = await self.finish_creation(library)
        if library.state != Library.STATE_ACTIVE:
            raise ServiceError(Reason.STATE_CONFLICT, f"{name} is being deleted")
        return library

    async def begin_migration(self, request: BeginMigrationRequest) -> Library:
        """Begins a library's migration, by the rule of its model if the request has none.

        Raises:
            ServiceError: MODEL_MISMATCH if no running service could embed the library's clips.
        """
        library = await self.open(request.name)
        try:
            model = await self._upstream.embedding.GetModel(GetModelRequest(name=library.model))
        except ServiceError as error:
            if error.reason is not Reason.MODEL_NOT_FOUND:
                raise
            raise await mismatch(self._upstream, library.model) from error
        bound = BeginMigrationRequest(name=request.name, window_rule=model.window_rule)
        if request.HasField("window_rule"):
            bound.window_rule.CopyFrom(request.window_rule)
        return await self._upstream.libraries.BeginMigration(bound)

    @contextlib.asynccontextmanager
    async def held(self, library: Library) -> AsyncIterator[None]:
        """Turns what a deletion of the library makes of the block into LIBRARY_NOT_FOUND."""
        try:
            yield
        except ServiceError as error:
            if error.code is not grpc.StatusCode.NOT_FOUND and (
                error.reason is not Reason.STATE_CONFLICT
            ):
                raise
            if await self._is_active(library):
                raise
            raise ServiceError(
                Reason.LIBRARY_NOT_FOUND, f"{library.name} was deleted in the meantime"
            ) from error

    async def delete(self, name: str, *, force: bool) -> None:
        """Removes a library; LIBRARY_NOT_EMPTY if it has clips and `force` is not set."""
        await self.finish_deletion(
            await self._upstream.libraries.BeginLibraryDeletion(
                BeginLibraryDeletionRequest(name=name, force=force)
            )
        )

    async def finish_deletion(self, library: Library) -> None:
        """Finishes the removal of a DELETING library."""
        for index_id in (library.uid, index_of(library)):
            await self._upstream.index.DropIndex(DropIndexRequest(index_id=index_id))
        await self._upstream.libraries.DeleteLibrary(DeleteLibraryRequest(name=library.name))


def index_of(library: Library) -> str:
    """Id of the index with the voiceprints of a library."""
    return f"{library.uid}_speakers"
