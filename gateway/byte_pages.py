"""Messages in pages that fit into an answer."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Generic, TypeVar

from google.protobuf.message import Message

from serving.errors import Reason, ServiceError

PAGE_BYTES = 3 * 2**20
"""Bytes of messages in one answer, less than the 4 MiB that gRPC clients accept by default."""
Item = TypeVar("Item", bound=Message)


class Pages(Generic[Item]):
    """Messages, and a tag that changes with any of them."""

    def __init__(self, items: Sequence[Item]) -> None:
        """Cuts the messages into pages."""
        packed = [item.SerializeToString(deterministic=True) for item in items]
        self.etag = hashlib.sha256(b"".join(packed)).hexdigest()[:24]
        self._pages = [range(0)]
        start = size = 0
        for end, each in enumerate(packed, 1):
            size += len(each) + 6  # the field's number and length
            if size > PAGE_BYTES:
                start, size = end - 1, len(each) + 6
                self._pages.append(range(0))
            self._pages[-1] = range(start, end)
        self._items = items

    def page(self, token: str, what: str) -> tuple[Sequence[Item], str]:
        """The page that a token names, of `what`, and the token of the next one.

        Raises:
            ServiceError: FIELD_INVALID if the token is of other messages.
        """
        tag, _, number = token.rpartition(":")
        page = int(number) if number.isdecimal() and number.isascii() and len(number) < 5 else 0
        if token and (tag != self.etag or page >= len(self._pages)):
            raise ServiceError(
                Reason.FIELD_INVALID,
                f"page_token: {what} changed since, or the token is of another library; begin "
                "again without it",
                {"field": "page_token"},
            )
        here = self._pages[page]
        more = f"{self.etag}:{page + 1}" if page + 1 < len(self._pages) else ""
        return self._items[here.start : here.stop], more
