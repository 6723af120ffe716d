"""Arguments as callers have them, turned into those of the contracts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from audiosearch.catalog.v1.clip_pb2 import ClipFilter
from audiosearch.embedding.v1.embedding_pb2 import TimeRange
from audiosearch.filter.v1.filter_pb2 import Condition
from audiosearch.gateway.v1.search_pb2 import Examples, VectorQuery

from audiosearch_client import client, offsets
from audiosearch_client.results.clips import Clip, Library
from audiosearch_client.results.imports import Import
from audiosearch_client.results.queries import KeptQuery
from audiosearch_client.results.searches import Embedding
from audiosearch_client.results.speakers import Speaker
from audiosearch_client.sounds import Audio, Samples, Sound
from serving import names

InLibrary = str | Library
"""A library, or its short name."""

Recording = str | Path | bytes | Sound | Samples | Clip
"""A path, the bytes of an encoded file, an array of samples, a clip, or its full name."""

Where = Condition | Iterable[Condition] | ClipFilter
"""Conditions that all must hold: see `audiosearch_client.conditions`."""


@dataclass(frozen=True)
class Like:
    """Examples to search with: clips or vectors that matches are to be like, and unlike.

    With `best` a match is judged by the example that it is most like, else by the mean of all.
    """

    positive: Sequence[str | Clip | Embedding]
    negative: Sequence[str | Clip | Embedding] = ()
    best: bool = False


Query = Recording | KeptQuery | Embedding | Like
"""A recording, a query that is kept, a vector, or examples."""


def library_of(given: InLibrary) -> str:
    """The short name of a library."""
    return given.id if isinstance(given, Library) else given.removeprefix("libraries/")


def clip_of(given: str | Clip) -> str:
    """The full name of a clip.

    Raises:
        ServiceError: FIELD_INVALID if it is none.
    """
    full = given.full_name if isinstance(given, Clip) else given
    names.split_clip(full, "clip")
    return full


def kept_query_of(given: str | KeptQuery) -> str:
    """The full name of a query.

    Raises:
        ServiceError: FIELD_INVALID if it is none.
    """
    full = given.full_name if isinstance(given, KeptQuery) else given
    names.library_of_query(full, "query")
    return full


def speaker_of(given: str | Speaker) -> str:
    """The short name of a speaker."""
    return given.id if isinstance(given, Speaker) else given


def operation_of(given: str | Import) -> str:
    """The full name of an operation.

    Raises:
        ValueError: the import is not one of the server.
    """
    name = given.operation if isinstance(given, Import) else given
    if not name:
        raise ValueError("this import was made by uploads: it is no operation of the server")
    return name if "/" in name else f"operations/{name}"


def recording_of(given: Recording, rate: int | None = None, name: str = "") -> Audio | str:
    """A file, a sound in memory, or the full name of a clip.

    Raises:
        TypeError: it is none of the kinds that a recording may be.
        ValueError: samples are of no known shape, or came without a rate.
    """
    if isinstance(given, Clip):
        return given.full_name
    if isinstance(given, str):
        return given if re.fullmatch(names.CLIP, given) else Path(given).expanduser()
    if isinstance(given, (Path, Sound)):
        return given
    if isinstance(given, (bytes, bytearray, memoryview)):
        return Sound(bytes(given), name)
    if isinstance(given, Samples):
        if rate is None:
            raise ValueError("samples need rate=, their frames a second, such as rate=16000")
        return Sound.of(given, rate, name or "samples.wav")
    raise TypeError(f"{type(given).__name__} is no path, no clip, no bytes and no array of samples")


def audio_of(given: Recording, rate: int | None = None, name: str = "") -> Audio:
    """The same, for calls that take no clip.

    Raises:
        TypeError: it is a clip, or of no known kind.
        ValueError: samples are of no known shape, or came without a rate.
    """
    found = recording_of(given, rate, name)
    if isinstance(found, str):
        raise TypeError(f"{found} is a clip of a library: an audio file or samples are taken here")
    return found


def query_of(given: Query, rate: int | None) -> client.Query:
    """The query of a search; the errors are those of `recording_of`."""
    if isinstance(given, KeptQuery):
        return given.full_name
    if isinstance(given, str) and re.fullmatch(names.QUERY, given):
        return given
    if isinstance(given, Embedding):
        return _vector(given)
    if isinstance(given, Like):
        kind = Examples.STRATEGY_BEST_SCORE if given.best else Examples.STRATEGY_AVERAGE
        return Examples(
            positive=map(_example, given.positive),
            negative=map(_example, given.negative),
            strategy=kind,
        )
    return recording_of(given, rate)


def filter_of(where: Where | None, label: str | None, speaker: str | None) -> ClipFilter | None:
    """The filter of conditions, a label and a speaker; None if none is given."""
    found = ClipFilter()
    if isinstance(where, ClipFilter):
        found.CopyFrom(where)
    elif isinstance(where, Condition):
        found.conditions.append(where)
    elif where is not None:
        found.conditions.extend(where)
    if label is not None:
        found.label = label
    if speaker is not None:
        found.speaker = speaker
    return found if found.ByteSize() or label == "" or speaker == "" else None


def part_of(given: tuple[float, float | None] | None) -> TimeRange | None:
    """A part of a recording by its start and its end in seconds."""
    return offsets.part(*given) if given else None


def _vector(given: Embedding) -> VectorQuery:
    return VectorQuery(values=given.message.embedding.values, model=given.model)


def _example(given: str | Clip | Embedding) -> Examples.Example:
    if isinstance(given, Embedding):
        return Examples.Example(vector=_vector(given))
    return Examples.Example(clip=clip_of(given))
