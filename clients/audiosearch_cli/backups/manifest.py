"""The manifest of a backup: its parts and their hashes, and what is in it.

A backup is a folder:

- `manifest.json`, written last. A folder without one is a backup that was cut off.
- `rows-N.bin`, one for each library: BackupRow messages, each behind its length as a varint.
- `audio-N.tar`: members `{library}/{clip}`, the bytes as they were uploaded.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

from serving.errors import Reason, ServiceError

FORMAT = 1
NAME = "manifest.json"


@dataclasses.dataclass
class Part:
    """A file of a backup."""

    name: str
    size: int
    sha256: str


@dataclasses.dataclass
class Library:
    """A library in a backup."""

    name: str
    """`libraries/{library}`."""
    model: str
    rows: str
    """Name of the part with its rows."""
    schema: str
    row_count: int
    clip_count: int
    """Clips with audio."""


@dataclasses.dataclass
class Manifest:
    """All that is known of a backup without reading its parts."""

    id: str
    create_time: str
    """Its begin, ISO 8601 in UTC."""
    version: str
    """Version of Audiosearch that made it."""
    audio: bool
    """False if it has rows and vectors alone."""
    libraries: list[Library]
    parts: list[Part]
    gone: list[str]
    """Ids of clips that were deleted while it was made: their rows are not restored."""
    unreadable: list[str]
    """Names of clips whose stored audio was damaged or missing."""
    format: int = FORMAT

    @property
    def clip_count(self) -> int:
        """Clips with audio that were not deleted meanwhile."""
        return sum(each.clip_count for each in self.libraries) - len(self.gone)

    @property
    def size(self) -> int:
        """Bytes of all parts."""
        return sum(part.size for part in self.parts)

    def write(self, folder: Path) -> None:
        """Writes it, with a hash of itself."""
        values = dataclasses.asdict(self)
        text = json.dumps({**values, "sha256": _hash(values)}, indent=1)
        (folder / NAME).write_text(text, encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Reads the manifest of a backup.

        Raises:
            ServiceError: BACKUP_INCOMPLETE, BACKUP_INCOMPATIBLE, BACKUP_DAMAGED.
        """
        try:
            values = json.loads((folder / NAME).read_text(encoding="utf-8"))
            found, known = values.pop("format"), values.pop("sha256")
        except (FileNotFoundError, NotADirectoryError):
            raise ServiceError(
                Reason.BACKUP_INCOMPLETE,
                f"{folder} has no {NAME}: it is no backup, or its making was cut off; take another",
            ) from None
        except (ValueError, AttributeError, KeyError):
            raise damaged(folder / NAME) from None
        if found != FORMAT:
            raise ServiceError(
                Reason.BACKUP_INCOMPATIBLE,
                f"{folder} is of format {found}, and this version reads {FORMAT}: use the version "
                "of Audiosearch that made it, or a newer one",
            )
        if _hash({**values, "format": found}) != known:
            raise damaged(folder / NAME)
        values["libraries"] = [Library(**each) for each in values["libraries"]]
        values["parts"] = [Part(**each) for each in values["parts"]]
        return cls(**values)


def damaged(path: Path) -> ServiceError:
    """The error for a file that is not as it was written."""
    return ServiceError(
        Reason.BACKUP_DAMAGED, f"{path} is not as it was written: take another copy of the backup"
    )


def _hash(values: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
