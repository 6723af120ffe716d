"""Page tokens, opaque to callers: the last key of a page, bound to parent and filter."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from google.protobuf.message import Message

from catalog_service.fields import invalid
from serving.errors import ServiceError

RowT = TypeVar("RowT")
_MARK_BYTES = 9


class Page(NamedTuple):
    """A page to read: at most `size` entries after the key `after` (None: from the start)."""

    size: int
    after: str | None
    asked: bytes

    def cut(self, rows: Sequence[RowT], key: Callable[[RowT], str]) -> tuple[Sequence[RowT], str]:
        """Returns the rows of this page and the token of the next.

        Args:
            rows: At most `size + 1` rows; one more than `size` shows that a page follows.
            key: Returns the key of a row.
        """
        if len(rows) <= self.size:
            return rows, ""
        kept = rows[: self.size]
        return kept, self.token(key(kept[-1]))

    def token(self, key: str) -> str:
        """Returns the token of the page after the entry of a key."""
        last = key.encode()
        token = base64.urlsafe_b64encode(_mark(self.asked, last) + last)
        return token.decode().rstrip("=")


def page(size: int, token: str, *asked: Message | str | int) -> Page:
    """Reads a token back.

    Args:
        size: Entries of the page.
        token: A token of `Page.cut`, or empty.
        asked: Parent and filter. A token of other ones is refused.

    Raises:
        ServiceError: FIELD_INVALID, for a token of another parent or filter.
    """
    digest = _digest(asked)
    if not token:
        return Page(size, None, digest)
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        mark, last = raw[:_MARK_BYTES], raw[_MARK_BYTES:]
        after = last.decode()
    except (binascii.Error, ValueError) as error:
        raise refuse(token) from error
    if mark != _mark(digest, last):
        raise refuse(token)
    return Page(size, after, digest)


def _digest(asked: tuple[Any, ...]) -> bytes:
    parts = [
        part.SerializeToString(deterministic=True)
        if isinstance(part, Message)
        else str(part).encode()
        for part in asked
    ]
    whole = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return hashlib.sha256(whole).digest()


def _mark(digest: bytes, last: bytes) -> bytes:
    """Returns a checksum of a key with parent and filter, by which wrong tokens are found."""
    return hashlib.sha256(digest + last).digest()[:_MARK_BYTES]


def refuse(token: str | None) -> ServiceError:
    """Returns FIELD_INVALID for a token of another parent or filter."""
    return invalid(
        "page_token",
        token,
        "must be the next_page_token of the page before, with the same parent and filter",
    )
