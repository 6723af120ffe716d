"""Streams of request messages made of files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import IO, TypeVar

from google.protobuf.message import Message

CHUNK_BYTES = 256 * 1024
RequestT = TypeVar("RequestT", bound=Message)


def stream(
    message: Callable[..., RequestT], config: Message, file: IO[bytes] | None
) -> Iterator[RequestT]:
    """A message with `config`, then the bytes of the file in chunks, if there is one."""
    yield message(config=config)
    if file:
        yield from chunks(message, file)


def chunks(message: Callable[..., RequestT], file: IO[bytes]) -> Iterator[RequestT]:
    """The bytes of a file in chunks, with bounded memory."""
    while chunk := file.read(CHUNK_BYTES):
        yield message(audio_chunk=chunk)
