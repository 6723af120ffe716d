"""One call at the boundary of a service, over any transport."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import structlog

from serving.compat import timeout
from serving.errors import Reason, ServiceError
from serving.monitoring import metrics
from serving.monitoring.tracing import CallSpan
from serving.telemetry import adopt_request_id, deadline

NAMED = {"library", "clip", "speaker"}
"""Resources that a line names."""
log = structlog.get_logger()


@dataclass
class Call:
    """A call in progress."""

    method: str
    """The name of the method in the log."""
    request_id: str
    failure: ServiceError | None = None
    """The error, if the call failed."""
    peer: str = ""
    """The address that the call came from."""
    received: int = 0
    """Bytes of its messages, or of its body, so far."""
    about: dict[str, str] = field(default_factory=dict)
    """Names of what the call is about."""
    routine: bool = False
    """True for a call that no user's call led to: it is logged only if it fails."""

    def log(self, outcome: str, ms: float) -> None:
        """Writes the call's line."""
        if not self.failure:
            (log.debug if self.routine and outcome == "OK" else log.info)(
                "call", method=self.method, outcome=outcome, ms=ms
            )
            return
        told = {name: self.failure.metadata[name] for name in NAMED & self.failure.metadata.keys()}
        log.info(
            "call",
            method=self.method,
            outcome=outcome,
            why=self.failure.message,
            **{**told, **self.about},
            peer=self.peer,
            bytes=self.received,
            ms=ms,
        )


@contextlib.asynccontextmanager
async def take_call(
    method: str, sent_id: str | bytes | None, limit: float, parent: str | bytes | None = None
) -> AsyncIterator[Call]:
    """Gives the block a request id, a deadline of `limit` seconds, a log line, metrics and a span.

    `parent` is the span that the caller names, as W3C's `traceparent`.

    The line of a call that fails tells the reason, the library, the clip, the peer and the size.

    An exception in the block is kept in `failure` as an error that may be shown to the caller. Only
    a cancellation is raised.
    """
    start = time.monotonic()
    call, outcome = Call(method, adopt_request_id(sent_id)), "CANCELLED"
    deadline.set(start + limit)
    span = CallSpan(method, call.request_id, parent)
    try:
        async with timeout(limit):
            yield call
        outcome = "OK"
    except ServiceError as error:
        call.failure = error
    except (TimeoutError, asyncio.TimeoutError):
        message = f"the call took longer than its {limit:.3g} s"
        call.failure = ServiceError(Reason.DEADLINE_EXCEEDED, message)
    except Exception:  # the call boundary: an unexpected error is logged, not shown
        log.exception("call.crashed", method=call.method)
        message = f"internal error; the log has it under request id {call.request_id}"
        call.failure = ServiceError(Reason.INTERNAL, message)
    finally:
        outcome = call.failure.reason.value if call.failure else outcome
        seconds = time.monotonic() - start
        metrics.count_call(call.method, outcome, seconds)
        if call.failure:
            metrics.FAILURES.labels(outcome).inc()
        call.log(outcome, round(seconds * 1000, 2))
        span.end(call.method, outcome)
