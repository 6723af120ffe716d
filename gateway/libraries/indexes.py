"""The indexes of a library: their ids, the ids of their vectors, and the vectors of whole clips.

A library has a generation of indexes, and while it is migrated also the next one. A change of its
model may keep the one that it leaves behind, as a migration that waits to go back. Generation 0 is
one index with a vector for each clip. Later ones have an index of windows, which is searched, and
an index of the whole-clip vectors of clips that have several windows.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.embedding.v1.embedding_pb2 import WindowRule
from audiosearch.index.v1.index_pb2 import (
    INDEX_KIND_PLAIN,
    INDEX_KIND_WINDOWS,
    Attributes,
    IndexKind,
    Vector,
)
from audiosearch.index.v1.index_service_pb2 import GetVectorsRequest
from google.protobuf.duration_pb2 import Duration

from gateway.upstream import passing_over
from serving import limits
from serving.errors import Reason

if TYPE_CHECKING:
    from audiosearch.index.v1.index_service_pb2_grpc import IndexServiceAsyncStub

PAGE = limits.of(GetVectorsRequest, "ids").max_items
_IN_CLIPS = "0123456789abcdefghijklmnopqrstuvwxyz"
"""Characters of the ids of clips, in the order of their bytes."""
_BEHIND = ":z"
"""End of an id behind those of all windows of a clip."""


@dataclass(frozen=True)
class Generation:
    """One generation of the indexes of a library."""

    uid: str
    """Uid of the library."""

    number: int
    """0 for one vector for each clip."""

    rule: WindowRule | None
    """Rule by which clips are cut into windows; None in generation 0."""

    model: str = ""
    """Model of its vectors; empty for one that is only dropped."""

    @property
    def windows(self) -> str:
        """Id of the index that is searched."""
        return f"{self.uid}_w{self.number}" if self.number else self.uid

    @property
    def wholes(self) -> str | None:
        """Id of the index with the whole-clip vectors that the index of windows lacks."""
        return f"{self.uid}_c{self.number}" if self.number else None

    @property
    def kinds(self) -> Mapping[str, IndexKind.ValueType]:
        """The ids of all its indexes, and the kind of each."""
        if self.wholes is None:
            return {self.windows: INDEX_KIND_PLAIN}
        return {self.windows: INDEX_KIND_WINDOWS, self.wholes: INDEX_KIND_PLAIN}


def present(library: Library) -> Generation:
    """The generation in which a library is searched."""
    rule = library.window_rule if library.generation else None
    return Generation(library.uid, library.generation, rule, library.model)


def coming(library: Library) -> Generation | None:
    """The generation that a migration of the library fills; None if there is no migration."""
    if not library.HasField("migration"):
        return None
    migration = library.migration
    model = migration.model or library.model
    return Generation(library.uid, migration.generation, migration.window_rule, model)


def written(library: Library) -> list[Generation]:
    """The generations that new clips are written to and deleted clips removed from."""
    following = coming(library)
    return [present(library)] if following is None else [present(library), following]


def keeps(library: Library) -> bool:
    """True if the library keeps a generation that it had before, and does not go back to it yet."""
    return library.migration.kept and library.migration.review


def counted(library: Library) -> Generation:
    """The generation whose numbers of windows and tags the rows have, or are being given."""
    return present(library) if keeps(library) else written(library)[-1]


def left_over(library: Library) -> list[Generation]:
    """The generations that the library has had or was to have, and that never come back."""
    used = {each.number for each in written(library)}
    last = max(library.last_generation, library.generation)
    return [Generation(library.uid, n, None) for n in range(last + 1) if n not in used]


def every(library: Library) -> list[Generation]:
    """The generations that there can be indexes of, also of a migration that was given up."""
    others = (Generation(library.uid, number, None) for number in range(_last(library) + 1))
    return [present(library), *(each for each in others if each.number != library.generation)]


def _last(library: Library) -> int:
    """The highest number of a generation that there can be indexes of."""
    return max(library.last_generation, library.generation + 1)


def migrated(library: Library) -> Library:
    """The library as it will be when its migration has ended."""
    if not library.HasField("migration"):
        return library
    following, migration = Library(), library.migration
    following.CopyFrom(library)
    following.ClearField("migration")
    following.generation = migration.generation
    following.window_rule.CopyFrom(migration.window_rule)
    if migration.model:
        following.model, following.purpose = migration.model, migration.purpose
        following.model_generation = migration.generation
    return following


def voiceprints(library: Library) -> str:
    """Id of the index with the voiceprints of a library: one for each model that it has had."""
    number = library.model_generation
    return f"{library.uid}_speakers{number}" if number else f"{library.uid}_speakers"


def left_over_voiceprints(library: Library) -> list[str]:
    """Ids of the indexes with voiceprints of models that the library has left behind.

    A generation that is in use may yet give its number to one.
    """
    used = {voiceprints(library), voiceprints(migrated(library))}
    ids = [_voiceprints(library, each.number) for each in left_over(library)]
    return [id_ for id_ in ids if id_ not in used]


def every_voiceprints(library: Library) -> list[str]:
    """Ids of the indexes with voiceprints that there can be, also of migrations given up."""
    return [_voiceprints(library, number) for number in range(_last(library) + 1)]


def _voiceprints(library: Library, number: int) -> str:
    return voiceprints(Library(uid=library.uid, model_generation=number))


def window_id(clip_id: str, start_ms: int | None) -> str:
    """Id of the vector of a window; None as its start stands for a clip of one window."""
    return clip_id if start_ms is None else f"{clip_id}:{start_ms:08d}"


def milliseconds(offset: Duration) -> int:
    """An offset of a window as its id has it."""
    return round(offset.ToNanoseconds() / 1e6)


def split_window(id_: str) -> tuple[str, int | None]:
    """The clip's id and the start of the window in milliseconds; None for a clip of one window."""
    clip_id, _, start = id_.partition(":")
    return clip_id, int(start) if start.isdecimal() else None


def before(clip_id: str) -> str:
    """The place just before the vectors of a clip in the order of ids."""
    start, last = clip_id[:-1], _IN_CLIPS.find(clip_id[-1:])
    return f"{start}{_IN_CLIPS[last - 1]}{_BEHIND}" if last > 0 else f"{start}-"


def behind(clip_id: str) -> str:
    """The place just behind the vectors of a clip; empty, the place before all, for no clip."""
    return clip_id and f"{clip_id}{_BEHIND}"


def attributes(clip: Clip) -> Attributes:
    """The fields of a clip that the index of windows mirrors, to filter by."""
    mirrored = Attributes(
        display_name=clip.display_name,
        label=clip.label,
        speaker=clip.speaker,
        source=clip.source,
        enrolled_speaker=clip.enrolled_speaker.rpartition("/")[2],
        metadata=clip.metadata,
        revision=clip.revision,
        tags=clip.tags,
    )
    if clip.HasField("create_time"):
        mirrored.create_time.CopyFrom(clip.create_time)
    if clip.audio.HasField("duration"):
        mirrored.duration.CopyFrom(clip.audio.duration)
    return mirrored


async def read(
    index: IndexServiceAsyncStub, index_id: str, ids: Sequence[str]
) -> AsyncIterator[Vector]:
    """The vectors of an index with these ids, call by call; those that it lacks are left out."""
    for start in range(0, len(ids), PAGE):
        request = GetVectorsRequest(index_id=index_id, ids=ids[start : start + PAGE])
        for vector in (await index.GetVectors(request)).vectors:
            yield vector


async def whole_vectors(
    index: IndexServiceAsyncStub, library: Library, clip_ids: Collection[str]
) -> dict[str, Sequence[float]]:
    """The whole-clip vectors of these clips that the library's indexes have, by clip id.

    An index that is lost has none.
    """
    generation = present(library)
    found: dict[str, Sequence[float]] = {}
    for index_id in generation.kinds:
        left = [id_ for id_ in dict.fromkeys(clip_ids) if id_ not in found]
        with passing_over(Reason.INDEX_NOT_FOUND):
            async for vector in read(index, index_id, left):
                found[vector.id] = vector.values
    return found
