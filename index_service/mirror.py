"""The columns of an index of windows: a vector's clip and its attributes, as Milvus keeps them.

Texts are kept as numbers, by hashing. So a row stays small, and a filter holds no text of a caller:
numbers need no escaping, whose rules differ between Milvus Lite and servers. Folded texts are kept
beside them, to check whether a part is in them; filters.py tells how.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from audiosearch.index.v1.index_pb2 import Attributes
from pymilvus import CollectionSchema, DataType

from serving.conditions import MOST_TAGS, TEXTS, WHOLE_SCORE, folded, number, thousandths

NO_DURATION = -(2**62) - 1
"""Duration of a clip that has none. It is below every bound of a range."""

FOLDED = "folded"
"""Column of the folded texts, as JSON."""

TAGS = "tags"
"""Column of the tags. A collection of earlier times has none, and its clips have no tags."""

INDEXED = {"clip_id": "Trie", **dict.fromkeys((*TEXTS, "duration", "create_time"), "STL_SORT")}
"""Columns of a server's collection that have an index, and its type. Without one, a filter reads
the column of every row.
"""

GREATEST_HASH = 2**63 - 1
"""The greatest number that stands for a text."""

_PARTS = 2**12
"""Numbers that parts of texts are hashed to, as many as a list in Milvus may have entries."""

_PAIRS = 32
_TENTHS = 10
_TAGS = MOST_TAGS * (_TENTHS + 1)
_TEXT_BYTES = 65_535
_REMEMBERED = 512


def add_columns(schema: CollectionSchema, *, lite: bool) -> None:
    """Adds the columns of an index of windows to the schema of a collection."""
    schema.add_field("clip_id", DataType.VARCHAR, max_length=64)
    for name in (*TEXTS, "duration", "create_time", "revision"):
        schema.add_field(name, DataType.INT64)
    schema.add_field(FOLDED, DataType.VARCHAR, max_length=_TEXT_BYTES)
    lists = {
        "metadata": (DataType.INT64, _PAIRS),
        "parts": (DataType.INT16, _PARTS),
        TAGS: (DataType.INT64, _TAGS),
    }
    for name, (element, most) in lists.items():
        if lite:  # it would read a list row by row in Python, a hundred times slower
            schema.add_field(name, DataType.VARCHAR, max_length=_TEXT_BYTES)
        else:
            schema.add_field(name, DataType.ARRAY, element_type=element, max_capacity=most)


def columns(clip_id: str, attributes: Attributes, *, lite: bool) -> dict[str, Any]:
    """Returns the columns of a vector, but for its id and its values."""
    remembered = _columns(attributes.SerializeToString(deterministic=True), lite=lite)
    return {"clip_id": clip_id, **remembered}


def hashed(text: str) -> int:
    """Returns the number that stands for a text."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def entry(key: str, value: str) -> int:
    """Returns the number that stands for an entry of metadata."""
    return hashed(f"{key}\0{value}")


def tag_entry(name: str, tenths: int) -> int:
    """Returns the number that stands for a tag of so many tenths or more.

    The empty name, with 0, stands for a clip without tags.
    """
    return hashed(f"{name}\0{tenths}")


def number_column(key: str) -> str:
    """Returns the name of the column of the numbers under a key of metadata.

    It is no column of the schema, but an entry of Milvus' dynamic one.
    """
    return f"n{hashed(key):016x}"


def part(field: str, text: str) -> int:
    """Returns the number that stands for one or two characters of a folded text."""
    return zlib.crc32(f"{field}\0{text}".encode()) % _PARTS


def pairs(text: str) -> list[str]:
    """Returns all two neighbouring characters of a text."""
    return [text[start : start + 2] for start in range(len(text) - 1)]


def token(value: int) -> str:
    """Returns a number as Milvus Lite's text instead of a list has it, with a blank around."""
    return f" {value:x} "


@lru_cache(_REMEMBERED)
def _columns(serialized: bytes, *, lite: bool) -> Mapping[str, Any]:
    attributes = Attributes.FromString(serialized)
    metadata = attributes.metadata
    texts = {name: folded(getattr(attributes, name)) for name in TEXTS}
    all_parts = {part(name, each) for name, text in texts.items() for each in (*text, *pairs(text))}
    length = attributes.duration.ToNanoseconds() if attributes.HasField("duration") else NO_DURATION
    numbers = {number_column(key): number(value) for key, value in metadata.items()}
    return {
        **{name: hashed(getattr(attributes, name)) for name in TEXTS},
        "duration": length,
        "create_time": attributes.create_time.ToMicroseconds(),
        "revision": attributes.revision,
        FOLDED: json.dumps(texts, ensure_ascii=False),
        "parts": _listed(all_parts, lite=lite),
        "metadata": _listed((entry(key, value) for key, value in metadata.items()), lite=lite),
        TAGS: _listed(_tag_entries(attributes), lite=lite),
        **{name: value for name, value in numbers.items() if value is not None},
    }


def _tag_entries(attributes: Attributes) -> Iterable[int]:
    if not attributes.tags:
        return [tag_entry("", 0)]
    return [
        tag_entry(tag.name, tenths)
        for tag in attributes.tags
        for tenths in range(thousandths(tag.score) * _TENTHS // WHOLE_SCORE + 1)
    ]


def _listed(values: Iterable[int], *, lite: bool) -> list[int] | str:
    each = sorted(set(values))
    return "".join(token(value) for value in each) if lite else each
