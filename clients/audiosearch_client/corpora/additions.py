"""What an import tells of a clip that the library had before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from audiosearch.catalog.v1.clip_pb2 import Clip

MAX_METADATA = 32
"""Entries that the contract lets a clip have."""

MAX_PATHS = 16
"""Paths that are kept of one clip: identical files leave room for other metadata."""

_FURTHER = tuple(f"path.{number}" for number in range(2, MAX_PATHS + 1))
_PATHS = ("path", *_FURTHER)


@dataclass(frozen=True)
class Addition:
    """What a clip gets."""

    clip: Clip
    """`name`, and `speaker`, `label` and `metadata` as they are to be."""

    fields: tuple[str, ...]
    """Those of the three that change; none if the clip lacks nothing."""

    labels: bool
    """Whether it is more than a further path."""


def paths(metadata: Mapping[str, str]) -> list[str]:
    """Where files with the bytes of a clip lie, the one that its metadata describes first."""
    return [path for key in _PATHS if (path := metadata.get(key, ""))]


def is_full(metadata: Mapping[str, str]) -> bool:
    """Whether no further path can be kept."""
    return len(metadata) >= MAX_METADATA or all(metadata.get(key) for key in _PATHS)


def complete(had: Clip, told: Clip) -> Addition:
    """What a clip gets that the library had: what it lacks; what is filled stays.

    Of a file with the same bytes at another place, metadata takes the path alone: the rest is told
    of the first file, and would be mixed.

    Args:
        had: the clip that has the bytes of a file.
        told: what an import tells of this file, its path as `path` in the metadata.
    """
    clip = Clip(
        name=had.name,
        speaker=had.speaker or told.speaker,
        label=had.label or told.label,
        metadata=_join(dict(had.metadata), dict(told.metadata)),
    )
    named = [name for name in ("speaker", "label") if getattr(clip, name) != getattr(had, name)]
    new = {key for key, value in clip.metadata.items() if had.metadata.get(key) != value}
    fields = (*named, "metadata") if new else tuple(named)
    return Addition(clip, fields, bool(named or new.difference(_FURTHER)))


def _join(had: dict[str, str], told: dict[str, str]) -> dict[str, str]:
    """Entries that are there, and new ones as far as there is room, the path first."""
    path = told["path"]
    first = had.get("path") or path
    free = [key for key in _PATHS if not had.get(key)]
    known = any(_ends(other, path) for other in paths(had))
    new: dict[str, str] = {} if known else dict.fromkeys(free[:1], path)
    # The same place may be seen from two roots.
    if _ends(first, path) or _ends(path, first):
        new |= told
    lacking = [(key, value) for key, value in new.items() if not had.get(key)]
    return had | dict(lacking[: max(MAX_METADATA - len(had), 0)])


def _ends(path: str, end: str) -> bool:
    return path == end or path.endswith(f"/{end}")
