"""How an index and its Milvus collections are called.

Readers use one name for an index. On Milvus Lite it is the collection itself; on a server it is an
alias, so that another collection can take its place in one step. A server's collections are named
by the time of their making, so that one made from another always sorts after it.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterable

_ALIAS = "audiosearch_"
_COLLECTION = re.compile(r"audiosearchv_([0-9a-f]{12})[0-9a-f]{4}_([A-Za-z0-9_]{1,64})")


def alias(index_id: str) -> str:
    """The name to read an index by."""
    return _ALIAS + index_id


def new_collection(index_id: str, source: str = "") -> str:
    """A name that no other collection has, and that sorts after the one it is made from."""
    parts = _COLLECTION.fullmatch(source)
    after = int(parts[1], 16) + 1 if parts else 0
    stamp = max(int(time.time() * 1000), after)
    return f"audiosearchv_{stamp:012x}{secrets.token_hex(2)}_{index_id}"


def owner(collection: str) -> str | None:
    """Id of the index that a collection is one of; None for one that can't be retuned."""
    parts = _COLLECTION.fullmatch(collection)
    return parts[2] if parts else None


def collections_of(index_id: str, names: Iterable[str]) -> list[str]:
    """Those of all collections that belong to an index, each after the one it was made from."""
    plain = alias(index_id)
    return sorted(name for name in names if name == plain or owner(name) == index_id)
