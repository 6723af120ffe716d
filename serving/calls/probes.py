"""Probes: health and reflection, which need no key and have room of their own.

No call takes the room of probes, and no probe takes that of calls. Streams of health and reflection
are few and end by themselves. A question for health without a message makes way for newer ones.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

import grpc
import structlog

from serving.call import Call
from serving.caller import address_of
from serving.calls.messages import Held, Incoming
from serving.calls.refusal import refuse
from serving.calls.shares import Shares
from serving.compat import timeout
from serving.errors import Reason, ServiceError

QUESTIONS = 64
"""Questions for health at a time."""

QUESTION_SECONDS = 5.0

STREAMS = 16
"""Streams of health and reflection at a time."""

STREAM_SECONDS = 300.0
"""Longest that one of these lasts. A client that still wants to know begins it again."""

_MESSAGE_BYTES = 64 * 1024
log = structlog.get_logger()


class Probes:
    """Answers probes beside all other calls."""

    def __init__(self, busy: Reason, stream_seconds: float = STREAM_SECONDS) -> None:
        """Sets the reason to refuse streams when there are too many, and their longest time."""
        self._busy = busy
        self._seconds = stream_seconds
        self._streams = Shares(STREAMS)
        self._questions: dict[object, asyncio.Task[Any]] = {}
        self._budget = Shares((QUESTIONS + STREAMS) * _MESSAGE_BYTES * 4)

    def wrap(self, handler: Any) -> Any:
        """A handler with the limits of probes."""
        if handler.request_streaming or handler.response_streaming:
            inner = handler.stream_stream or handler.unary_stream

            async def stream(_packed: Any, context: grpc.aio.ServicerContext) -> None:
                async with self._typed(context, self._seconds) as who:
                    with self._place(who), self._incoming(handler, context, who) as incoming:
                        await _pass_on(handler, inner, incoming)

            return grpc.stream_stream_rpc_method_handler(stream, None, handler.response_serializer)

        async def answer(_packed: Any, context: grpc.aio.ServicerContext) -> Any:
            async with self._typed(context, QUESTION_SECONDS) as who:
                with self._turn(), self._incoming(handler, context, who) as incoming:
                    request = await incoming.only(_MESSAGE_BYTES)
                try:
                    return await handler.unary_unary(request, context)
                except NotImplementedError:
                    message = "this server does not list its health; ask for it by Check"
                    raise ServiceError(Reason.METHOD_NOT_ALLOWED, message) from None

        return grpc.stream_unary_rpc_method_handler(answer, None, handler.response_serializer)

    @contextlib.contextmanager
    def _incoming(
        self, handler: Any, context: grpc.aio.ServicerContext, who: str
    ) -> Iterator[Incoming]:
        with Held(self._budget, who, self._busy) as held:
            call = Call("probe", "")
            yield Incoming(call, context, handler.request_deserializer, held, self._seconds)

    @contextlib.asynccontextmanager
    async def _typed(self, context: grpc.aio.ServicerContext, seconds: float) -> AsyncIterator[str]:
        """Gives the caller's address, ends the block in time, and its failures as typed errors."""
        try:
            async with timeout(seconds):
                yield address_of(context.peer())
        except ServiceError as error:
            failure = error
        except (TimeoutError, asyncio.TimeoutError):
            message = f"this ends after {seconds:g} s; begin it again"
            failure = ServiceError(Reason.DEADLINE_EXCEEDED, message)
        except grpc.aio.InternalError:  # the reader went away while an answer waited to be sent
            raise asyncio.CancelledError from None
        else:
            return
        log.info("probe", outcome=failure.reason.value, peer=context.peer())
        await refuse(context, failure)

    @contextlib.contextmanager
    def _place(self, who: str) -> Iterator[None]:
        if not self._streams.take(who, 1):
            raise ServiceError(
                self._busy,
                "too many streams of health or reflection run already; try again soon, or ask "
                "for health by Check",
            )
        try:
            yield
        finally:
            self._streams.give_back(who, 1)

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """A place for a question until its message is there. The oldest one makes room."""
        if len(self._questions) >= QUESTIONS:
            self._questions.pop(next(iter(self._questions))).cancel()
        mark, task = object(), cast("asyncio.Task[Any]", asyncio.current_task())
        self._questions[mark] = task
        try:
            yield
        except asyncio.CancelledError:
            if mark in self._questions:  # not for want of room
                raise
            if sys.version_info >= (3, 11):
                task.uncancel()
            message = "no message came, and others ask for health; ask again"
            raise ServiceError(self._busy, message) from None
        finally:
            self._questions.pop(mark, None)


async def _pass_on(handler: Any, inner: Any, incoming: Incoming) -> None:
    asked = incoming.all() if handler.request_streaming else await incoming.only(_MESSAGE_BYTES)
    answers = inner(asked, incoming.context)
    if inspect.isawaitable(answers):
        await answers  # grpc's own health writes to the context
        return
    async with contextlib.aclosing(answers):
        async for answer in answers:
            await incoming.context.write(answer)
