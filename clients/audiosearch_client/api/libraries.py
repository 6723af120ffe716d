"""`client.libraries`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from audiosearch.catalog.v1 import library_pb2
from google.protobuf.field_mask_pb2 import FieldMask

from audiosearch_client.api.given import InLibrary, library_of
from audiosearch_client.client import AudiosearchClient
from audiosearch_client.results.clips import Library
from audiosearch_client.results.maps import Map


class Libraries:
    """Makes, lists, changes and deletes libraries. The errors are those of the client."""

    def __init__(self, calls: AudiosearchClient) -> None:
        """Calls through `calls`."""
        self._calls = calls
        self._stubs = calls.stubs.libraries

    def create(self, library: str, *, purpose: str = "", model: str = "") -> Library:
        """Makes an empty library.

        Args:
            library: short name, of letters, digits, _ and -.
            purpose: `voices`, where clips are alike if the same person speaks, or `sounds`, where
                they are if the same kind of thing makes them; left out, that of the first model.
            model: its name, if it is not to be the first of that purpose.
        """
        return Library(self._calls.create_library(library, purpose, model))

    def get(self, library: InLibrary) -> Library:
        """Reads a library, with its counts as they are now."""
        request = library_pb2.GetLibraryRequest(name=_name(library))
        return Library(self._calls.call(self._stubs.GetLibrary, request))

    def list(self) -> Iterator[Library]:
        """All libraries by name."""
        request = library_pb2.ListLibrariesRequest()
        for page in self._calls.pages(self._stubs.ListLibraries, request):
            yield from map(Library, page.libraries)

    def update(self, library: InLibrary, *, name: str) -> Library:
        """Gives a library another name for people."""
        request = library_pb2.UpdateLibraryRequest(
            library=library_pb2.Library(name=_name(library), display_name=name),
            update_mask=FieldMask(paths=["display_name"]),
        )
        return Library(self._calls.call(self._stubs.UpdateLibrary, request))

    def delete(self, library: InLibrary, *, force: bool = False) -> None:
        """Deletes a library. One with clips is deleted only with `force`."""
        request = library_pb2.DeleteLibraryRequest(name=_name(library), force=force)
        self._calls.call(self._stubs.DeleteLibrary, request)

    def map(
        self,
        library: InLibrary,
        *,
        best: bool = True,
        progress: Callable[[float], None] | None = None,
    ) -> Map:
        """Lays the clips of a library out in two dimensions, so that those alike lie together.

        Args:
            library: the library.
            best: False for the first map that is there, which shows less.
            progress: gets the share that is done, from 0 to 1, now and then.
        """
        found = None
        for found in self._calls.watch_map(library_of(library), best=best):
            if progress:
                progress(found.progress)
        if found is None:
            raise AssertionError
        return Map(found)


def _name(library: InLibrary) -> str:
    return f"libraries/{library_of(library)}"
