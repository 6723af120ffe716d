"""Additions to a clip that the library already had when its file was imported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from audiosearch.catalog.v1.clip_pb2 import Clip

from serving import limits

MAX_METADATA = limits.of(Clip, "metadata").max_items
"""Entries of a clip's metadata at most."""

MAX_PATHS = 16
"""Paths of identical files that are kept for one clip, so that other metadata has room."""

_FURTHER = tuple(f"path.{number}" for number in range(2, MAX_PATHS + 1))
_PATHS = ("path", *_FURTHER)


@dataclass(frozen=True)
class Addition:
    """Changes to a clip."""

    clip: Clip
    """`name`, and the new `speaker`, `label` and `metadata`."""

    fields: tuple[str, ...]
    """The fields among these three that change; none if the clip lacks nothing."""

    labels: bool
    """True if more changes than the paths."""


def paths(metadata: Mapping[str, str]) -> list[str]:
    """Paths of files with the bytes of a clip; first the one that its metadata describes."""
    return [path for key in _PATHS if (path := metadata.get(key, ""))]


def is_full(metadata: Mapping[str, str]) -> bool:
    """True if there is no room for another path."""
    return len(metadata) >= MAX_METADATA or all(metadata.get(key) for key in _PATHS)


def complete(had: Clip, told: Clip) -> Addition:
    """The changes to a clip that the library already had: empty fields are filled, others stay.

    If the file has the same bytes but lies at another place, only its path is added. Its other
    metadata would mix with that of the first file.

    Args:
        had: the clip with the bytes of a file.
        told: the import's description of this file, with its path as `path` in the metadata.
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
    """The old entries, and new ones as far as there is room, the path first."""
    path = told["path"]
    first = had.get("path") or path
    free = [key for key in _PATHS if not had.get(key)]
    known = any(_ends(other, path) for other in paths(had))
    new: dict[str, str] = {} if known else dict.fromkeys(free[:1], path)
    # The same file may have been imported from two roots.
    if _ends(first, path) or _ends(path, first):
        new |= told
    lacking = [(key, value) for key, value in new.items() if not had.get(key)]
    return had | dict(lacking[: max(MAX_METADATA - len(had), 0)])


def _ends(path: str, end: str) -> bool:
    return path == end or path.endswith(f"/{end}")
