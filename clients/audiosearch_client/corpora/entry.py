"""Entries: the files of an import with their metadata, and the sources that list them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from serving.audio_files import PassedOver
from serving.errors import ServiceError


@dataclass(frozen=True)
class Entry:
    """A file with its metadata, or a failure in its place."""

    path: str
    """Relative to the source's root, parts joined by `/`."""

    speaker: str = ""
    label: str = ""
    display_name: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    failure: ServiceError | None = None
    uri: str = ""
    """Place of its audio if a clip is to refer to it there; empty for a file to upload."""
    version: str = ""
    """Changes whenever the audio at `uri` does."""
    size_bytes: int = 0
    """Size of the audio at `uri`."""


@dataclass(frozen=True)
class Source:
    """A list of entries that can be read repeatedly, always in the same order."""

    root: Path
    """Real path of the folder that the entries' paths start from."""

    entries: Callable[[], Iterator[Entry]]

    notes: tuple[str, ...] = ()
    """Messages for the user, for example about a missing list."""

    confined: bool = False
    """True if links must not lead outside the root."""

    passed_over: PassedOver = field(default_factory=PassedOver)
    """Files that the last reading of the entries passed over, by kind."""

    uri: str = ""
    """The place that the entries' paths start from if it is none of this machine."""

    @property
    def where(self) -> str:
        """The place, for people."""
        return self.uri or str(self.root)
