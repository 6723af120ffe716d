"""Names of an index and of its Milvus collections.

Readers use one name for an index. On Milvus Lite it is the name of the collection; on a server it
is an alias, so that another collection can replace the first in one step. The name of a server's
collection holds the time of its creation, so that a copy always sorts after its source.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterable

_ALIAS = "audiosearch_"
_COLLECTION = re.compile(r"audiosearchv_([0-9a-f]{12})[0-9a-f]{4}_([A-Za-z0-9_]{1,64})")


def alias(index_id: str) -> str:
    """Returns the name by which readers use an index."""
    return _ALIAS + index_id


def is_ours(collection: str) -> bool:
    """Returns True for a collection of an index; there may be others on a server."""
    return owner(collection) is not None or collection.startswith(_ALIAS)


def index_of(collection: str) -> str:
    """Returns the id of the index of a collection; the collection's name if it is of none."""
    return owner(collection) or collection.removeprefix(_ALIAS)


def new_collection(index_id: str, source: str = "") -> str:
    """Returns a name that no other collection has and that sorts after its source's."""
    parts = _COLLECTION.fullmatch(source)
    after = int(parts[1], 16) + 1 if parts else 0
    stamp = max(int(time.time() * 1000), after)
    return f"audiosearchv_{stamp:012x}{secrets.token_hex(2)}_{index_id}"


def owner(collection: str) -> str | None:
    """Returns the id of the index of a collection; None if the collection can't be retuned."""
    parts = _COLLECTION.fullmatch(collection)
    return parts[2] if parts else None


def collections_of(index_id: str, names: Iterable[str]) -> list[str]:
    """Returns the collections of an index, each after its source."""
    plain = alias(index_id)
    return sorted(name for name in names if name == plain or owner(name) == index_id)
