"""Maps of libraries, made on demand and kept while there is room."""

from __future__ import annotations

from audiosearch.gateway.v1.library_map_pb2 import GetLibraryMapRequest, LibraryMap

from gateway.libraries.libraries import Libraries
from gateway.maps.making import Maker, Map
from gateway.maps.sample import Samples
from gateway.on_demand import OnDemand
from gateway.upstream import Upstream
from serving.names import library_of_map


class Maps(OnDemand[Map]):
    """The maps of all libraries."""

    def __init__(self, upstream: Upstream, libraries: Libraries) -> None:
        """Works on the services of `upstream`."""
        maker = Maker(Samples(upstream))
        super().__init__(libraries, lambda library: Map(library.name), maker.work)

    async def answer(self, request: GetLibraryMapRequest) -> LibraryMap:
        """The answer to a request with the map in its current state.

        Raises:
            ServiceError: LIBRARY_NOT_FOUND, STATE_CONFLICT, FIELD_INVALID. If there are no points
                yet, also the error that prevented them.
        """
        return (await self.get(library_of_map(request.name))).answer(request)
