"""One recording of a corpus, and where a run of them comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from serving.errors import ServiceError


@dataclass(frozen=True)
class Entry:
    """A file and what is known of it, or a failure in its place."""

    path: str
    """Relative to the source's root, parts joined by `/`."""

    speaker: str = ""
    label: str = ""
    display_name: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    failure: ServiceError | None = None


@dataclass(frozen=True)
class Source:
    """Entries that can be gone through again and again, always in the same order."""

    root: Path
    """Real path of the folder that the entries' paths start from."""

    entries: Callable[[], Iterator[Entry]]

    notes: tuple[str, ...] = ()
    """What to tell once, such as a list that is missing."""

    confined: bool = False
    """Whether links may not lead outside the root."""
