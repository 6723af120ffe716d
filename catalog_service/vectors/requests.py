"""Checks requests about kept vectors, and translates them for the domain."""

from __future__ import annotations

from collections.abc import Iterable

from audiosearch.catalog.v1.kept_vectors_pb2 import (
    KeepVectorsRequest,
    KeptVectors,
    LookupKeptVectorsRequest,
    ReadKeptVectorsRequest,
)

from catalog_service import fields, names
from catalog_service.names import ClipName, is_ulid
from catalog_service.vectors.kept import Part

_MOST_BYTES = 2 * 2**20
_MOST_PARTS = 2**20
_NUMBER_BYTES = 4


def part(field: str, name: ClipName, value: KeptVectors) -> Part:
    """Returns a part of the vectors of a clip."""
    fields.count(f"{field}.generation", value.generation)
    fields.text(f"{field}.model", value)
    fields.entries(f"{field}.starts_ms", value)
    fields.entries(f"{field}.tags", value)
    fields.count(f"{field}.part", value.part, _MOST_PARTS)
    fields.count(f"{field}.part_count", value.part_count, _MOST_PARTS)
    if value.part_count and value.part_count != value.part + 1:
        limit = f"must be 0, or {value.part + 1} in the last part"
        raise fields.invalid(f"{field}.part_count", value.part_count, limit)
    size, count = len(value.values), len(value.starts_ms)
    if size > _MOST_BYTES:
        limit = f"must be at most {_MOST_BYTES} bytes"
        raise fields.invalid(f"{field}.values", f"{size} bytes", limit)
    if size % (_NUMBER_BYTES * count) if count else size:
        limit = f"must be whole vectors, as many as the {count} of starts_ms"
        raise fields.invalid(f"{field}.values", f"{size} bytes", limit)
    content = KeptVectors()
    content.CopyFrom(value)
    content.ClearField("clip")
    return Part(
        name.clip, value.generation, value.part, value.part_count, content.SerializeToString()
    )


def parts(parent: str, request: KeepVectorsRequest) -> list[Part]:
    """Reads KeepVectors. Of parts that are the same the last counts."""
    fields.batch("vectors", request)
    found: dict[tuple[str, int, int], Part] = {}
    for number, value in enumerate(request.vectors):
        field = f"vectors[{number}]"
        name = names.parse_clip(f"{field}.clip", value.clip)
        if name.library != parent:
            limit = f"must be a clip of {names.library_name(parent)}"
            raise fields.invalid(f"{field}.clip", value.clip, limit)
        read = part(field, name, value)
        found[read.clip_id, read.generation, read.part] = read
    return list(found.values())


def of_clip(name: ClipName, values: Iterable[KeptVectors]) -> list[Part]:
    """Reads the parts of one clip's vectors."""
    return [part(f"vectors[{number}]", name, value) for number, value in enumerate(values)]


def clip_ids(request: ReadKeptVectorsRequest | LookupKeptVectorsRequest) -> list[str]:
    """Returns the ids of the clips to look for. Those that can be no clip's are left out."""
    fields.count("generation", request.generation)
    fields.lookup("clip_ids", len(request.clip_ids), request)
    return [clip_id for clip_id in request.clip_ids if is_ulid(clip_id)]


def message(library: str, kept: Part) -> KeptVectors:
    """Returns a kept part as a message."""
    answer = KeptVectors.FromString(kept.content)
    answer.clip = str(ClipName(library, kept.clip_id))
    return answer
