"""Patience of an import, and a library that it makes and does not leave empty."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from types import TracebackType
from typing import TypeVar

from audiosearch.catalog.v1 import library_pb2
from audiosearch_client.client import AudiosearchClient
from typing_extensions import Self

from audiosearch_cli.libraries.models import Purpose, choice, purpose_of
from audiosearch_cli.problems import CommandError
from serving.errors import Reason, ServiceError
from serving.retry import Retry, patiently

GATEWAY_SECONDS = 60.0
"""Longest wait for a gateway that has not answered yet: it starts, or its address is wrong."""

T = TypeVar("T")


class Telling:
    """Says once that a command waits, and for what."""

    def __init__(self, done: Callable[[], str] = str) -> None:
        """`done` tells the progress so far."""
        self._done = done
        self._told = False

    def __call__(self, error: ServiceError) -> None:
        """Says it, unless it was said."""
        if not self._told:
            sys.stderr.write(f"waiting: {error.message}{self._done()}\n")
            sys.stderr.flush()
            self._told = True


def first(ask: Callable[[], T]) -> T:
    """The answer of the first call of a command, before which no gateway has answered.

    Services that start are waited for.
    """
    retry = Retry(shorter={Reason.GATEWAY_UNAVAILABLE: GATEWAY_SECONDS})
    return patiently(ask, retry, told=Telling())


class Destination:
    """The library of an import. It is made if it is missing, and removed if nothing gets into it.

    Use it as a context manager around all of the import.
    """

    def __init__(self, client: AudiosearchClient, library: str, purpose: Purpose | None) -> None:
        """Takes the name, and the purpose of a library that has to be made."""
        self._client, self._library, self._purpose = client, library, purpose
        self._made = False
        self.busy = False
        """True while the server fills it, whatever this command does."""

    def __enter__(self) -> Self:
        """Makes the library, once the services are there.

        Raises:
            CommandError: it is there for another purpose.
        """
        first(self._ensure)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """After an error, removes the library if it was made here. One with clips stays."""
        if kind and self._made and not self.busy:
            request = library_pb2.DeleteLibraryRequest(name=f"libraries/{self._library}")
            with contextlib.suppress(ServiceError):
                self._client.call(self._client.stubs.libraries.DeleteLibrary, request)

    def _ensure(self) -> None:
        libraries = self._client.stubs.libraries
        there = library_pb2.GetLibraryRequest(
            name=f"libraries/{self._library}", view=library_pb2.LIBRARY_VIEW_BASIC
        )
        try:
            found = self._client.call(libraries.GetLibrary, there)
        except ServiceError as error:
            if error.reason is not Reason.LIBRARY_NOT_FOUND:
                raise
            new = library_pb2.CreateLibraryRequest(
                library_id=self._library, library=choice(self._purpose, "")
            )
            self._client.call(libraries.CreateLibrary, new)
            self._made = True
            return
        if self._purpose and purpose_of(found) != self._purpose.value:
            raise CommandError(
                f"library {self._library} is there already, and is for {purpose_of(found)}; leave "
                "out --for, or name another library"
            )
