"""The interface of what reads audio that lies elsewhere."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import NamedTuple, Protocol

from serving.audio_files import PassedOver
from serving.errors import ServiceError


class Version(NamedTuple):
    """The present state of a file or an object."""

    version: str
    size_bytes: int


class Listed(NamedTuple):
    """An audio file that a clip can refer to, or a failure in its place."""

    path: str
    """Below the place that was listed."""
    version: str = ""
    size_bytes: int = 0
    failure: ServiceError | None = None


class Reader(Protocol):
    """Reads files, or the objects of one bucket, by the path of a Place."""

    async def look(self, path: str) -> Version:
        """The present state; FileNotFoundError if there is nothing."""

    def read(
        self,
        path: str,
        version: Version,
        offset: int,
        limit: int,
        chunk_bytes: int,
        heard: Callable[[bytes], object],
    ) -> AsyncIterator[bytes]:
        """A range of the bytes; FileNotFoundError, or UnreadableError if they are others."""

    async def link(self, path: str, seconds: int) -> str:
        """An address of the bytes; empty if there is none."""

    async def page(
        self, prefix: str, after: str, most: int, passed_over: PassedOver
    ) -> tuple[Sequence[Listed], str]:
        """Audio files below a prefix, and the last path that was met; empty at the end."""

    async def close(self) -> None:
        """Ends its threads."""
