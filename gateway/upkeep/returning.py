"""Gives the rows of clips what they had by a generation that is kept, without embedding them.

A row has the number of windows and the tags of one generation alone. The vectors that the catalog
keeps tell both for each generation.
"""

from __future__ import annotations

from collections.abc import Sequence

from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch.catalog.v1.kept_vectors_pb2 import KeptVectors
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.embedding.v1.embedding_pb2 import Tag
from audiosearch.embedding.v1.model_pb2 import PURPOSE_SOUNDS

from gateway.clips.keeping import WHOLE, Keeping
from gateway.clips.life import Clips
from gateway.clips.vectors import Stored
from gateway.libraries import indexes
from gateway.libraries.indexes import Generation
from serving.errors import Reason, ServiceError
from serving.names import split_clip


async def note_tags(keeping: Keeping, library: Library, clip: Clip) -> None:
    """Keeps the tags that a clip has by the present model, before another one's take their place.

    They stand beside its vectors already, unless these were made by an earlier version.
    """
    parts = await keeping.parts(library, indexes.present(library), split_clip(clip.name)[1])
    if parts and not parts[-1].tagged:
        parts[-1].tags.extend(clip.tags)
        parts[-1].tagged = True
        await keeping.keep(library, parts[-1:])


async def take_back(
    clips: Clips, library: Library, generation: Generation, clip: Clip
) -> bool | None:
    """Gives the row of an ACTIVE clip its number of windows and its tags in a kept generation.

    Returns:
        False if the clip was deleted in the meantime; None if they are not known, so that the clip
        must be embedded again.
    """
    parts = await clips.vectors.keeping.parts(library, generation, split_clip(clip.name)[1])
    tags = _tags(library, parts)
    if tags is None:
        return None
    count = sum(start != WHOLE for part in parts for start in part.starts_ms) or 1
    if count == clip.window_count and not tags and not clip.tags:
        return True
    try:
        await clips.activate(library, clip, Stored(clip.audio, count, tags))
    except ServiceError as error:
        if error.reason not in {Reason.CLIP_NOT_FOUND, Reason.STATE_CONFLICT}:
            raise
        return False
    return True


def _tags(library: Library, parts: Sequence[KeptVectors]) -> Sequence[Tag] | None:
    """The tags of a clip beside its parts; None if they are not known. Voices have none."""
    if not parts:
        return None
    if parts[-1].tagged:
        return list(parts[-1].tags)
    return None if library.migration.purpose == PURPOSE_SOUNDS else []
