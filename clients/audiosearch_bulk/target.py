"""The library that a folder is loaded into: one that is there and fits, or one that is made."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator

from audiosearch.catalog.v1.library_pb2 import (
    LIBRARY_VIEW_BASIC,
    ActivateLibraryRequest,
    CreateLibraryRequest,
    GetLibraryRequest,
    Library,
)
from audiosearch.embedding.v1.embedding_pb2 import WindowRule

from audiosearch_bulk.folder import Folder, Plan
from gateway.libraries import indexes
from gateway.libraries.libraries import Libraries
from gateway.upstream import Upstream
from serving.errors import Reason, ServiceError


class Target:
    """The library for the vectors of one model."""

    def __init__(
        self, folder: Folder, plan: Plan, name: str, model: str, *, new: bool, at_once: bool
    ) -> None:
        """Takes the folder and its plan, the names of library and model.

        Args:
            folder: with vectors.
            plan: of the folder.
            name: `libraries/{library}`. A missing one is made.
            model: of the vectors, `models/{model}`.
            new: True if it is no library but one that is made for this folder. Such a one shows its
                clips all at once.
            at_once: True if the library, which must be missing, shows its clips all at once.
        """
        self._folder, self._plan = folder, plan
        self._name, self._model = name, model
        self._new, self._at_once = new, at_once or new

    async def open(self, upstream: Upstream, rule: WindowRule) -> Library:
        """The library, made if it is missing, which takes vectors by this rule.

        Raises:
            ServiceError: LIBRARY_EXISTS, MODEL_MISMATCH; STATE_CONFLICT if its clips can't come all
                at once, or do so from another folder; and of the catalog.
        """
        request = GetLibraryRequest(name=self._name, view=LIBRARY_VIEW_BASIC)
        try:
            library = await upstream.libraries.GetLibrary(request)
        except ServiceError as error:
            if error.reason is not Reason.LIBRARY_NOT_FOUND:
                raise
            library = await self._make(upstream, rule, loading=self._at_once)
        else:
            library = await self._take(upstream, library, rule)
        if library.model != self._model or library.window_rule != rule:
            other = "the same model by another window rule"
            if library.model != self._model:
                other = library.model
            raise ServiceError(
                Reason.MODEL_MISMATCH,
                f"{self._name} has vectors of {other}, and these are of {self._model}: embed "
                "with its model, or load into another library",
                {"library_model": library.model},
            )
        return library

    @contextlib.contextmanager
    def alone(self, library: Library) -> Iterator[None]:
        """Keeps other loads of this folder into the same library out; STATE_CONFLICT."""
        lock = self._folder.lock(library.uid)
        lock.parent.mkdir(parents=True, exist_ok=True)
        with lock.open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ServiceError(
                    Reason.STATE_CONFLICT,
                    f"another load of {self._folder.path} into {self._name} is at work: wait for "
                    "its end",
                ) from None
            yield

    async def end(self, upstream: Upstream, library: Library, *, whole: bool) -> bool:
        """Shows a library that was filled out of sight, unless more is to come.

        Args:
            upstream: the services.
            library: as it was opened.
            whole: True if it has the clips of all shards.

        Returns:
            True if it is still hidden.
        """
        if library.state != Library.STATE_LOADING:
            return False
        if self._at_once and not whole:
            return True
        await upstream.libraries.ActivateLibrary(ActivateLibraryRequest(name=library.name))
        return False

    async def _take(self, upstream: Upstream, library: Library, rule: WindowRule) -> Library:
        """A library that is there already, if clips may be added to it."""
        begun = self._folder.lock(library.uid).exists()
        if library.state == Library.STATE_LOADING:
            return await self._taken_up(upstream, rule)
        if begun:
            return library
        if self._new:
            raise ServiceError(
                Reason.LIBRARY_EXISTS,
                f"{self._name} is there already: name another one as --library, or load into "
                "it with `audiosearch bulk load`",
                {"library": self._name},
            )
        if self._at_once:
            raise ServiceError(
                Reason.STATE_CONFLICT,
                f"{self._name} is there already, and its clips come one by one: leave out "
                "--at-once, or name another library",
                {"library": self._name},
            )
        return library

    async def _make(self, upstream: Upstream, rule: WindowRule, *, loading: bool) -> Library:
        """Makes the library and its indexes. A repeat for this plan returns a LOADING one again."""
        wanted = Library(display_name=self._plan.display_name, model=self._model, window_rule=rule)
        libraries = Libraries(upstream)
        library = await libraries.create(
            CreateLibraryRequest(
                library_id=self._name.removeprefix("libraries/"),
                library=wanted,
                request_id=self._plan.id if loading else "",
                loading=loading,
            )
        )
        if library.state == Library.STATE_LOADING:
            await libraries.make_indexes(library, indexes.present(library))
        return library

    async def _taken_up(self, upstream: Upstream, rule: WindowRule) -> Library:
        """A LOADING library, if it is this plan that it is made for."""
        try:
            return await self._make(upstream, rule, loading=True)
        except ServiceError as error:
            if error.reason is not Reason.LIBRARY_EXISTS:
                raise
            raise ServiceError(
                Reason.STATE_CONFLICT,
                f"{self._name} is being loaded at once from another folder: end that load first",
                {"library": self._name},
            ) from None
