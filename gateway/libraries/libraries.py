"""Libraries: a row in the catalog and indexes, created and removed together."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import grpc
import structlog
from audiosearch.catalog.v1.library_pb2 import (
    LIBRARY_VIEW_BASIC,
    ActivateLibraryRequest,
    BeginLibraryDeletionRequest,
    BeginMigrationRequest,
    CountVectorsRequest,
    CreateLibraryRequest,
    DeleteLibraryRequest,
    GetLibraryRequest,
    IndexState,
    Library,
    LibraryView,
    ListLibrariesRequest,
    ListLibrariesResponse,
    ReportIndexStateRequest,
)
from audiosearch.embedding.v1.embedding_service_pb2 import GetModelRequest
from audiosearch.embedding.v1.model_pb2 import Model
from audiosearch.gateway.v1.migration_pb2 import MigrateLibraryRequest
from audiosearch.index.v1.index_service_pb2 import (
    CreateIndexRequest,
    DropIndexRequest,
    GetIndexStatsRequest,
)

from gateway.access.rights import MAX_GRANTS, Caller
from gateway.clips.audio import mismatch, no_audio
from gateway.libraries import indexes
from gateway.libraries.indexes import Generation
from gateway.upstream import Upstream, passing_over
from serving.errors import Reason, ServiceError

log = structlog.get_logger()


class Libraries:
    """Creates, opens and removes libraries."""

    def __init__(self, upstream: Upstream) -> None:
        """Works on the services of `upstream`."""
        self._upstream = upstream

    async def create(self, request: CreateLibraryRequest) -> Library:
        """Creates a library for the given model, or for the default model."""
        if request.library.dimension:
            made = await self._upstream.libraries.CreateLibrary(request)
            return await self.finish_creation(made)
        model = await self._model(request.library.model or "models/default")
        bound = CreateLibraryRequest()
        bound.CopyFrom(request)
        bound.library.model = model.name
        if model.HasField("window_rule") and not request.library.HasField("window_rule"):
            bound.library.window_rule.CopyFrom(model.window_rule)
        return await self.finish_creation(await self._upstream.libraries.CreateLibrary(bound))

    async def _model(self, name: str) -> Model:
        try:
            return await self._upstream.embedding.GetModel(GetModelRequest(name=name))
        except ServiceError as error:
            if error.reason is not Reason.MODEL_NOT_FOUND:
                raise
            raise ServiceError(
                error.reason,
                f"{error.message}; a library for vectors of a model that runs elsewhere is made "
                "with their dimension",
                error.metadata,
            ) from error

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
        """Gives a CREATING library its indexes. An ACTIVE library stays as it is."""
        if library.state != Library.STATE_CREATING:
            return library
        await self.make_indexes(library, indexes.present(library))
        return await self._upstream.libraries.ActivateLibrary(
            ActivateLibraryRequest(name=library.name)
        )

    async def restore_indexes(self, library: Library) -> Library | None:
        """Creates the lost indexes of a library anew, empty.

        Returns:
            The library as it is now; None if it is going.
        """
        now = await self.now(library)
        if now is None:
            return None
        for generation in indexes.written(now):
            await self.make_indexes(now, generation)
            kept = [await self.keep_index(now, index_id) for index_id in generation.kinds]
            if not all(kept):
                return None
        return now

    async def lost(self, library: Library) -> Library:
        """Makes lost indexes anew, empty, and tells the catalog, so that a gateway fills them.

        Returns:
            The library as it is now, with what it lacks.

        Raises:
            ServiceError: LIBRARY_NOT_FOUND if it is being deleted.
        """
        now = await self.restore_indexes(library)
        if now is None:
            raise ServiceError(Reason.LIBRARY_NOT_FOUND, f"{library.name} is being deleted")
        if now.HasField("index_state"):
            return now
        state = await self.lacking(now)
        if state is None:
            return now
        log.warning("library.index_lost", library=now.name, vectors=state.expected_count)
        return await self._upstream.libraries.ReportIndexState(
            ReportIndexStateRequest(name=now.name, index_state=state)
        )

    async def lacking(self, library: Library) -> IndexState | None:
        """Counts what the index that is searched has and should have; None if it has all.

        Clips that come or go meanwhile make the counts differ for a moment.
        """
        generation = indexes.present(library)
        request = CountVectorsRequest(name=library.name)
        counts = await self._upstream.libraries.CountVectors(request)
        # While it is migrated, rows have the numbers of windows of either generation.
        by_clip = not library.generation or library.HasField("migration")
        expected = counts.clip_count if by_clip else counts.window_count
        stats = await self._upstream.index.GetIndexStats(
            GetIndexStatsRequest(index_id=generation.windows)
        )
        if stats.vector_count >= expected:
            return None
        return IndexState(indexed_count=stats.vector_count, expected_count=expected)

    async def keep_index(self, library: Library, index_id: str) -> bool:
        """Drops a new index if its library is being deleted or has no use for it; False if so.

        Otherwise an index that the deletion or the end of a migration did not see would stay.
        """
        now = await self.now(library)
        wanted = [indexes.voiceprints(library)]
        for generation in indexes.written(now or library):
            wanted += generation.kinds
        if now is not None and index_id in wanted:
            return True
        await self._upstream.index.DropIndex(DropIndexRequest(index_id=index_id))
        return False

    async def make_indexes(self, library: Library, generation: Generation) -> None:
        """Creates the indexes of a generation that are not there."""
        dimension = library.dimension
        if not dimension:
            request = GetModelRequest(name=library.model)
            dimension = (await self._upstream.embedding.GetModel(request)).dimension
        for index_id, kind in generation.kinds.items():
            await self._upstream.index.CreateIndex(
                CreateIndexRequest(
                    index_id=index_id, model=library.model, dimension=dimension, kind=kind
                )
            )

    async def drop_indexes(self, generation: Generation) -> None:
        """Removes the indexes of a generation. Missing ones are no error."""
        for index_id in generation.kinds:
            await self._upstream.index.DropIndex(DropIndexRequest(index_id=index_id))

    async def now(self, library: Library) -> Library | None:
        """A library as it is now; None if it is not ACTIVE any more."""
        now = await self._find(library.name.removeprefix("libraries/"), LIBRARY_VIEW_BASIC)
        if now is None or now.uid != library.uid or now.state != Library.STATE_ACTIVE:
            return None
        return now

    async def open(self, name: str) -> Library:
        """Reads an ACTIVE library; STATE_CONFLICT if it is not ACTIVE."""
        library = await self._upstream.libraries.GetLibrary(
            GetLibraryRequest(name=name, view=LIBRARY_VIEW_BASIC)
        )
        library = await self.finish_creation(library)
        if library.state != Library.STATE_ACTIVE:
            raise ServiceError(Reason.STATE_CONFLICT, f"{name} is being deleted")
        return library

    async def open_for_audio(self, name: str) -> Library:
        """Reads an ACTIVE library as `open`; MODEL_MISMATCH if it is one for vectors."""
        library = await self.open(name)
        if library.dimension:
            raise no_audio(library)
        return library

    async def begin_migration(self, request: MigrateLibraryRequest) -> Library:
        """Begins a library's migration, by the rule of its model if the request has none.

        Raises:
            ServiceError: MODEL_MISMATCH if no running service could embed the library's clips.
        """
        library = await self.open_for_audio(request.name)
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
            if await self.now(library):
                raise
            raise ServiceError(
                Reason.LIBRARY_NOT_FOUND, f"{library.name} was deleted in the meantime"
            ) from error

    async def delete(self, name: str, *, force: bool) -> None:
        """Removes a library; LIBRARY_NOT_EMPTY if it has clips and `force` is not set.

        A failure before the begin of the deletion has changed nothing. A later one says that the
        deletion goes on: the reconciler finishes it.
        """
        library = await self._upstream.libraries.BeginLibraryDeletion(
            BeginLibraryDeletionRequest(name=name, force=force)
        )
        try:
            await self.finish_deletion(library)
        except ServiceError as error:
            raise ServiceError(
                error.reason,
                f"{name} is being deleted, which goes on by itself; now it waits: {error.message}",
                {**error.metadata, "library": name},
            ) from error

    async def finish_deletion(self, library: Library) -> None:
        """Finishes the removal of a DELETING library."""
        for generation in indexes.every(library):
            await self.drop_indexes(generation)
        voiceprints = DropIndexRequest(index_id=indexes.voiceprints(library))
        await self._upstream.index.DropIndex(voiceprints)
        await self._upstream.libraries.DeleteLibrary(DeleteLibraryRequest(name=library.name))
