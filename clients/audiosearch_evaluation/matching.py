"""Matches the names in a trial list with clips of a library."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch_client.corpora.additions import is_full, paths

from serving.audio_signs import has_ending
from serving.errors import Reason, ServiceError

SHOWN = 5


def match_clips(names: Iterable[str], clips: Iterable[Clip], library: str) -> dict[str, Clip]:
    """Finds a clip for every name, by a path that it was imported from, or the end of such a path.

    The suffix is ignored, because lists say .wav where the files are .flac. CN-Celeb's lists say
    `test/SPEAKER-NAME` for a file that may also be `data/SPEAKER/NAME`; both match.

    Args:
        names: of files, as in a list.
        clips: of the library; read once, and only matches are kept.
        library: its name, for messages.

    Raises:
        ServiceError: CLIP_NOT_FOUND with the first names that match no clip, FIELD_INVALID with the
            first names that match several.
    """
    wanted: dict[str, list[str]] = {}
    for name in names:
        wanted.setdefault(_bare(name), []).append(name)
    found: dict[str, tuple[int, Clip]] = {}
    several: set[str] = set()
    full = 0
    for clip in clips:
        full += is_full(clip.metadata)
        for rank, key in _keys(clip):
            before = found.get(key)
            if key not in wanted or (before and before[0] < rank):
                continue
            if before and before[0] == rank and before[1].name != clip.name:
                several.add(key)
            elif before and before[0] > rank:
                several.discard(key)
            found[key] = (rank, clip)
    _refuse(sorted(wanted.keys() - found.keys()), Reason.CLIP_NOT_FOUND, library, full)
    _refuse(sorted(several), Reason.FIELD_INVALID, library)
    return {name: found[key][1] for key, same in wanted.items() for name in same}


def _refuse(names: list[str], reason: Reason, library: str, full: int = 0) -> None:
    if not names:
        return
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    shown = ", ".join(names[:SHOWN]) + more
    if reason is Reason.CLIP_NOT_FOUND:
        message = (
            f"{len(names):,} files of the list are no clips of {library}: {shown}; import them "
            "with --layout or --manifest, which keep their paths"
        )
        if full:
            message += (
                f"; {full:,} clips have no room for more paths, and further files with the same "
                "bytes are not found: remove metadata of these clips, or the names from the list"
            )
    else:
        message = (
            f"{len(names):,} names of the list fit several clips of {library}: {shown}; name more "
            "of their paths"
        )
    raise ServiceError(reason, message)


def _bare(name: str) -> str:
    """A path without `./` and without the suffix of an audio file."""
    path = str(PurePosixPath(name))
    return path[: path.rindex(".")] if has_ending(path) else path


def _keys(clip: Clip) -> Iterator[tuple[int, str]]:
    """The names that a clip may have in a list, the lowest rank first."""
    of_corpus = clip.metadata.get("corpus", "").startswith("cn-celeb")
    known = list(filter(None, (*paths(clip.metadata), clip.source)))
    for path in map(_bare, known or [clip.display_name]):
        parts = path.split("/")
        for start in range(len(parts)):
            yield 0, "/".join(parts[start:])
        if of_corpus and len(parts) > 1:
            alias = f"{parts[-2]}-{parts[-1]}"
            yield 1, alias
            yield 1, f"test/{alias}"
