"""The answer to what a library lacks just now."""

from __future__ import annotations

from collections.abc import Iterable

from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.gateway.v1.search_pb2 import IncompleteLibrary


def incomplete(libraries: Iterable[Library]) -> list[IncompleteLibrary]:
    """Those libraries whose indexes lack vectors, with how many there are."""
    return [
        IncompleteLibrary(
            library=library.name,
            indexed_count=library.index_state.indexed_count,
            expected_count=library.index_state.expected_count,
        )
        for library in libraries
        if library.HasField("index_state")
    ]
