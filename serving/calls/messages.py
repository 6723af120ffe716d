"""The messages of one call: awaited for a while, unpacked, and counted while they are in memory.

gRPC would unpack the message of a unary call before anything of ours runs, keep it packed until
the call ends, and wait for it without end. So all calls are taken as streams of packed messages.
Only the first part of a message, which fits gRPC's window, is received before it is asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
from google.protobuf.message import DecodeError
from typing_extensions import Self

from serving.call import Call
from serving.calls.about import about
from serving.calls.shares import Shares
from serving.compat import timeout
from serving.errors import Reason, ServiceError
from serving.telemetry import remaining

STREAM_BYTES = 256 * 1024
"""Bytes that are held free for the next message of a stream, which are mostly small."""

WAIT_SECONDS = 30.0
"""Longest wait for room to receive a message in."""

_ResultT = TypeVar("_ResultT")

_held: ContextVar[Held | None] = ContextVar("held", default=None)


def let_go() -> None:
    """Gives back the room of this call's message, of which nothing is kept from now on."""
    held = _held.get()
    if held:
        held.resize(0)


class Held:
    """The bytes that one call holds of the budget for messages."""

    def __init__(self, budget: Shares, caller: str, busy: Reason) -> None:
        """Holds nothing yet."""
        self._budget = budget
        self._caller = caller
        self._busy = busy
        self._bytes = 0
        _held.set(self)

    def __enter__(self) -> Self:
        """Holds for the time of the block at most."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Gives all back."""
        self.resize(0)

    async def reserve(self, wanted: int) -> None:
        """Waits until so many bytes are held.

        Raises:
            ServiceError: there is no room for too long.
        """
        more = min(wanted, self._budget.most) - self._bytes
        if more > 0:
            await self._budget.wait(self._caller, more, WAIT_SECONDS, self._refusal)
            self._bytes += more
        else:
            self.resize(self._bytes + more)

    def resize(self, size: int) -> None:
        """Holds exactly so many bytes from now on, even if there is no room."""
        if size != self._bytes:
            self._budget.correct(self._caller, size - self._bytes)
            self._bytes = size

    def _refusal(self) -> ServiceError:
        message = f"there was no room for the message for {WAIT_SECONDS:.0f} s; try again soon"
        return ServiceError(self._busy, message)


@dataclass(frozen=True)
class Incoming:
    """The messages of a call, as they come."""

    call: Call
    context: grpc.aio.ServicerContext
    unpack: Callable[[bytes], Any]
    held: Held
    idle_seconds: float

    async def only(self, most: int) -> Any:
        """The message of a call that has one; `most` is the size that it can have.

        Raises:
            ServiceError: FIELD_INVALID, STREAM_IDLE, or one that there is no room.
        """
        await self.held.reserve(most)
        packed = await self._next()
        if packed is None:
            raise ServiceError(Reason.FIELD_INVALID, "the call has no message; send one")
        self.held.resize(len(packed))
        return self._unpacked(packed)

    async def all(self) -> AsyncIterator[Any]:
        """The messages of a stream."""
        while True:
            await self.held.reserve(STREAM_BYTES)
            packed = await self._next()
            if packed is None:
                self.held.resize(0)
                return
            self.held.resize(len(packed))
            message = self._unpacked(packed)
            del packed
            yield message
            del message

    async def _next(self) -> bytes | None:
        said = f"nothing came for {self.idle_seconds:g} s; send on, or begin the call again"
        packed = await in_time(self.context.read(), self.idle_seconds, said)
        came: bytes | None = None if packed is grpc.aio.EOF else packed
        self.call.received += len(came or b"")
        return came

    def _unpacked(self, packed: bytes) -> Any:
        try:
            message = self.unpack(packed)
        except DecodeError:
            raise ServiceError(
                Reason.FIELD_INVALID,
                f"the message of {len(packed):,} bytes is not one of this call; make it by the "
                "contract",
            ) from None
        if not self.call.about:
            self.call.about = about(message)
        return message


async def in_time(step: Awaitable[_ResultT], seconds: float, said: str) -> _ResultT:
    """Awaits a step of a transfer. The end of the call itself is not for this to tell.

    Raises:
        ServiceError: STREAM_IDLE with the words `said`, if the step takes too long.
    """
    left = remaining()
    if left is not None and left <= seconds:  # a timer less for each message
        return await step
    try:
        async with timeout(seconds):
            return await step
    except (TimeoutError, asyncio.TimeoutError):
        raise ServiceError(Reason.STREAM_IDLE, said) from None
