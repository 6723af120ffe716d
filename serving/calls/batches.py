"""Messages gathered for calls of a bounded size."""

from __future__ import annotations

import sys
from typing import Generic, TypeVar

from google.protobuf.message import Message

MessageT = TypeVar("MessageT", bound=Message)


class Batch(Generic[MessageT]):
    """Messages for one call, which may have so many bytes and so many messages.

    A message that is larger by itself has a call of its own.

    Attributes:
        left: Those that fill no call yet.
    """

    def __init__(self, max_bytes: int, max_count: int = sys.maxsize) -> None:
        """Has none."""
        self._max_bytes, self._max_count = max_bytes, max_count
        self._size = 0
        self.left: list[MessageT] = []

    def add(self, message: MessageT) -> list[MessageT]:
        """Adds a message. Returns those before it if they fill a call with it, else none."""
        full: list[MessageT] = []
        size = message.ByteSize()
        many = self._size + size > self._max_bytes or len(self.left) == self._max_count
        if self.left and many:
            full, self.left, self._size = self.left, [], 0
        self.left.append(message)
        self._size += size
        return full
