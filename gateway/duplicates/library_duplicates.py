"""Duplicates in libraries, found on demand and kept while there is room."""

from __future__ import annotations

from audiosearch.gateway.v1.duplicates_pb2 import Duplicates, GetDuplicatesRequest

from gateway.duplicates.finding import Finder, Found
from gateway.libraries.libraries import Libraries
from gateway.on_demand import OnDemand
from gateway.upstream import Upstream
from serving.errors import Reason, ServiceError
from serving.names import library_of_duplicates


class AllDuplicates(OnDemand[Found]):
    """The duplicates of all libraries."""

    def __init__(self, upstream: Upstream, libraries: Libraries) -> None:
        """Works on the services of `upstream`."""
        finder = Finder(upstream)
        super().__init__(libraries, lambda library: Found(library.name), finder.work)
        self._opened = libraries

    async def answer(self, request: GetDuplicatesRequest) -> Duplicates:
        """The answer to a request with the groups in their current state.

        Raises:
            ServiceError: LIBRARY_NOT_FOUND, FIELD_INVALID, STATE_CONFLICT (also if the library has
                no windows), MODEL_MISMATCH (it is one for vectors). If there are no groups yet,
                also the error that prevented them.
        """
        name = library_of_duplicates(request.name)
        library = await self._opened.open(name)
        if library.dimension:
            raise ServiceError(
                Reason.MODEL_MISMATCH,
                f"{name} holds vectors of {library.model}, and duplicates are found by how the "
                "windows of recordings follow each other; search with a clip and a min_score",
                {"library_model": library.model},
            )
        if not library.generation:
            raise ServiceError(
                Reason.STATE_CONFLICT,
                f"{name} was made before there were windows, by which duplicates are found; "
                "migrate it first",
            )
        return (await self.get(name)).answer(request)
