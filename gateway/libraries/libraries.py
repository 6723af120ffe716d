"""Libraries: a row in the catalog and indexes, created and removed together."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import grpc
import structlog
from audiosearch.catalog.v1.clip_pb2 import ListClipsRequest
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
from audiosearch.embedding.v1.model_pb2 import PURPOSE_UNSPECIFIED, PURPOSE_VOICES
from audiosearch.gateway.v1.migration_pb2 import MigrateLibraryRequest
from audiosearch.index.v1.index_service_pb2 import (
    CreateIndexRequest,
    DropIndexRequest,
    GetIndexStatsRequest,
)

from gateway.access.rights import MAX_GRANTS, Caller
from gateway.clips.audio import no_audio
from gateway.clips.keeping import Keeping
from gateway.libraries import indexes
from gateway.libraries.indexes import Generation
from gateway.libraries.models import Models
from gateway.libraries.recent import ChangedError, Recent, same
from gateway.upstream import Upstream, passing_over
from serving.errors import Reason, ServiceError
from serving.names import purpose_named, purpose_word, split_clip

_LOOKED_AT = 10
"""Clips whose kept vectors are looked at for their length."""
_FILLED = {Library.STATE_ACTIVE, Library.STATE_LOADING}
_DOING = {
    Library.STATE_RESTORING: "restored",
    Library.STATE_LOADING: "loaded: its clips are there once `audiosearch bulk load` or "
    "`library import` has ended",
}
log = structlog.get_logger()


class Libraries:
    """Creates, opens and removes libraries."""

    def __init__(self, upstream: Upstream) -> None:
        """Works on the services of `upstream`."""
        self._upstream = upstream
        self._recent = Recent()
        self.models = Models(upstream)

    async def create(self, request: CreateLibraryRequest) -> Library:
        """Creates a library for the given model or purpose, or for the default model.

        Raises:
            ServiceError: MODEL_NOT_FOUND; FIELD_INVALID if the purpose is not the model's.
        """
        wanted = request.library
        if wanted.dimension:
            if purpose_named(wanted.model):
                raise _invalid(
                    "model", f"{wanted.model} is none of vectors that are made elsewhere"
                )
            made = await self._upstream.libraries.CreateLibrary(request)
            return await self.finish_creation(made)
        word = purpose_word(wanted.purpose)
        if wanted.purpose and not word:
            raise _invalid("purpose", f"{wanted.purpose} is none")
        model = await self.models.find(wanted.model or f"models/{word or 'default'}")
        if wanted.purpose not in {PURPOSE_UNSPECIFIED, model.purpose}:
            raise _invalid(
                "purpose",
                f"{model.name} is a model for {purpose_word(model.purpose)}; leave out "
                "one of model and purpose",
            )
        bound = CreateLibraryRequest()
        bound.CopyFrom(request)
        bound.library.model, bound.library.purpose = model.name, model.purpose
        if model.HasField("window_rule") and not wanted.HasField("window_rule"):
            bound.library.window_rule.CopyFrom(model.window_rule)
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
            libraries=[
                library
                for library in found
                if library
                and library.state == state
                and request.purpose in (PURPOSE_UNSPECIFIED, library.purpose)
                and (library.HasField("index_state") or not request.incomplete)
            ],
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
            try:
                await self.make_indexes(now, generation)
            except ServiceError as error:
                # Of a model that runs no more; the next indexes are filled without these.
                if error.reason is not Reason.MODEL_MISMATCH or not now.migration.model:
                    raise
            kept = [await self.keep_index(now, index_id) for index_id in generation.kinds]
            if not all(kept):
                return None
        return now

    async def lost(self, library: Library) -> Library:
        """Tells the catalog of lost indexes, so that they are filled, and makes them anew, empty.

        It tells first: no search finds the empty indexes in a library that seems whole.

        Returns:
            The library as it is now, with what it lacks.

        Raises:
            ServiceError: LIBRARY_NOT_FOUND if it is being deleted.
        """
        now = await self.now(library)
        if now is not None and not now.HasField("index_state"):
            state = await self.lacking(now)
            if state is not None:
                log.warning("library.index_lost", library=now.name, vectors=state.expected_count)
                await self._upstream.libraries.ReportIndexState(
                    ReportIndexStateRequest(name=now.name, index_state=state)
                )
        restored = await self.restore_indexes(library)
        if restored is None:
            raise ServiceError(Reason.LIBRARY_NOT_FOUND, f"{library.name} is being deleted")
        return restored

    async def lacking(self, library: Library) -> IndexState | None:
        """Counts what the index that is searched has and should have; None if it has all.

        Clips that come or go meanwhile make the counts differ for a moment.
        """
        generation = indexes.present(library)
        request = CountVectorsRequest(name=library.name)
        counts = await self._upstream.libraries.CountVectors(request)
        # While it is migrated, rows have the numbers of windows of either generation.
        by_clip = not library.generation or indexes.counted(library) != generation
        expected = counts.clip_count if by_clip else counts.window_count
        there = 0
        with passing_over(Reason.INDEX_NOT_FOUND):
            stats = await self._upstream.index.GetIndexStats(
                GetIndexStatsRequest(index_id=generation.windows)
            )
            there = stats.vector_count
        if there >= expected:
            return None
        return IndexState(indexed_count=there, expected_count=expected)

    async def keep_index(self, library: Library, index_id: str) -> bool:
        """Drops a new index if its library is being deleted or has no use for it; False if so.

        Otherwise an index that the deletion or the end of a migration did not see would stay.
        """
        now = await self.now(library)
        if now is not None:
            wanted = {indexes.voiceprints(now), indexes.voiceprints(indexes.migrated(now))}
            for generation in indexes.written(now):
                wanted.update(generation.kinds)
            if index_id in wanted:
                return True
        await self._upstream.index.DropIndex(DropIndexRequest(index_id=index_id))
        return False

    async def make_indexes(self, library: Library, generation: Generation) -> None:
        """Creates the indexes of a generation that are not there.

        Those of a model that no service runs any more stay as they are; lost ones are made for the
        vectors that are kept.
        """
        dimension = library.dimension
        if not dimension:
            try:
                dimension = (await self.models.running(generation.model)).dimension
            except ServiceError as error:
                if error.reason is not Reason.MODEL_MISMATCH:
                    raise
                if await self._are_there(generation):
                    return
                dimension = await self._kept_dimension(library, generation)
                if not dimension:
                    raise
        for index_id, kind in generation.kinds.items():
            await self._upstream.index.CreateIndex(
                CreateIndexRequest(
                    index_id=index_id, model=generation.model, dimension=dimension, kind=kind
                )
            )

    async def _kept_dimension(self, library: Library, generation: Generation) -> int:
        """The numbers in a kept vector of a generation; 0 if none is kept of the first clips."""
        request = ListClipsRequest(parent=library.name, page_size=_LOOKED_AT)
        keeping, found = Keeping(self._upstream), 0
        for clip in (await self._upstream.clips.ListClips(request)).clips:
            ids = [split_clip(clip.name)[1]]
            async for _, part in keeping.read(library, generation, ids):
                found = len(part.values) // (4 * len(part.starts_ms))
            if found:
                break
        return found

    async def _are_there(self, generation: Generation) -> bool:
        with passing_over(Reason.INDEX_NOT_FOUND):
            for index_id in generation.kinds:
                await self._upstream.index.GetIndexStats(GetIndexStatsRequest(index_id=index_id))
            return True
        return False

    async def drop_indexes(self, generation: Generation) -> None:
        """Removes the indexes of a generation. Missing ones are no error."""
        for index_id in generation.kinds:
            await self._upstream.index.DropIndex(DropIndexRequest(index_id=index_id))

    async def drop_earlier_voiceprints(self, library: Library) -> None:
        """Removes voiceprints of the models that the library had before, and does not keep."""
        for index_id in indexes.left_over_voiceprints(library):
            await self._upstream.index.DropIndex(DropIndexRequest(index_id=index_id))

    async def now(self, library: Library) -> Library | None:
        """A library as it is now; None if it is neither ACTIVE nor LOADING any more."""
        now = await self._find(library.name.removeprefix("libraries/"), LIBRARY_VIEW_BASIC)
        if now is None or now.uid != library.uid or now.state not in _FILLED:
            return None
        return now

    async def open(self, name: str) -> Library:
        """Reads an ACTIVE library; STATE_CONFLICT if it is not ACTIVE."""
        library = await self._upstream.libraries.GetLibrary(
            GetLibraryRequest(name=name, view=LIBRARY_VIEW_BASIC)
        )
        library = await self.finish_creation(library)
        self._recent.keep(library)
        if library.state != Library.STATE_ACTIVE:
            doing = _DOING.get(library.state, "deleted")
            raise ServiceError(Reason.STATE_CONFLICT, f"{name} is being {doing}")
        return library

    async def recent(self, name: str) -> Library:
        """A library as it was some seconds ago, or as `open` reads it. It must be confirmed."""
        return self._recent.find(name) or await self.open(name)

    async def confirm(self, library: Library, now: Library | None = None) -> Library:
        """The library as it is now, which the caller may have read.

        Raises:
            ChangedError: it is not as it was remembered.
            ServiceError: it is gone, or being deleted.
        """
        if now is None or now.state != Library.STATE_ACTIVE:
            now = await self.open(library.name)
        self._recent.keep(now)
        if not same(library, now):
            raise ChangedError(library.name)
        return now

    async def open_for_audio(self, name: str, *, recent: bool = False) -> Library:
        """Reads an ACTIVE library as `open`, or as `recent`; MODEL_MISMATCH for one for vectors."""
        library = await (self.recent if recent else self.open)(name)
        if library.dimension:
            raise no_audio(library)
        return library

    async def open_for_voices(self, name: str, *, recent: bool = False) -> Library:
        """Reads an ACTIVE library as `open_for_audio`; MODEL_MISMATCH if it is not for voices."""
        library = await self.open_for_audio(name, recent=recent)
        after = library if indexes.keeps(library) else indexes.migrated(library)
        for its in (library, after):
            if its.purpose != PURPOSE_VOICES:
                going = "" if its is library else "is being migrated to one that "
                raise ServiceError(
                    Reason.MODEL_MISMATCH,
                    f"{name} {going}is for {purpose_word(its.purpose)}: its model, {its.model}, "
                    "tells no voices apart, so it has no speakers and no calibration. Make a "
                    "library for voices with `audiosearch library create NAME --for voices`",
                    {"library": name, "library_model": its.model},
                )
        return library

    async def begin_migration(self, request: MigrateLibraryRequest) -> Library:
        """Begins a library's migration, by the rule of its model if the request has none.

        One to the model that is kept goes back to it. `forget` drops what is kept.

        Raises:
            ServiceError: MODEL_MISMATCH if no running service could embed the library's clips;
                MODEL_NOT_FOUND for another model that none runs; FIELD_INVALID for `forget` with
                something else; STATE_CONFLICT of the catalog.
        """
        library = await self.open_for_audio(request.name)
        bound = await self._bound(library, request)
        try:
            begun = await self._upstream.libraries.BeginMigration(bound)
        finally:
            self._recent.forget(request.name)
        given_up = indexes.coming(library)
        if given_up and given_up.number in {each.number for each in indexes.left_over(begun)}:
            # An index that a slow call still makes is dropped by a sweep.
            await self.drop_indexes(given_up)
        its = indexes.voiceprints(indexes.migrated(library))
        if its in indexes.left_over_voiceprints(begun):
            await self._upstream.index.DropIndex(DropIndexRequest(index_id=its))
        return begun

    async def _bound(
        self, library: Library, request: MigrateLibraryRequest
    ) -> BeginMigrationRequest:
        """The catalog's request, with the running model."""
        if request.forget:
            if request != MigrateLibraryRequest(name=request.name, forget=True):
                raise ServiceError(
                    Reason.FIELD_INVALID,
                    "forget: goes without a model, a window_rule, review and keep",
                    {"field": "forget"},
                )
            return BeginMigrationRequest(name=request.name, forget=True)
        if request.model:
            model = await self.models.find(request.model)
        else:
            model = await self.models.running(library.model)
        bound = BeginMigrationRequest(
            name=request.name,
            window_rule=model.window_rule,
            review=request.review,
            keep=request.keep,
        )
        if request.model:
            bound.model, bound.purpose = model.name, model.purpose
        if request.HasField("window_rule"):
            bound.window_rule.CopyFrom(request.window_rule)
        return bound

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
        self._recent.forget(name)
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
        for index_id in indexes.every_voiceprints(library):
            await self._upstream.index.DropIndex(DropIndexRequest(index_id=index_id))
        await self._upstream.libraries.DeleteLibrary(DeleteLibraryRequest(name=library.name))


def _invalid(field: str, problem: str) -> ServiceError:
    return ServiceError(
        Reason.FIELD_INVALID, f"library.{field}: {problem}", {"field": f"library.{field}"}
    )
