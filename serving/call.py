"""One call at the boundary of a service, over any transport."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import structlog

from serving.compat import timeout
from serving.errors import Reason, ServiceError
from serving.telemetry import adopt_request_id, deadline

log = structlog.get_logger()


@dataclass
class Call:
    """A call in progress."""

    method: str
    """The name of the method in the log."""
    request_id: str
    failure: ServiceError | None = None
    """The error, if the call failed."""


@contextlib.asynccontextmanager
async def take_call(method: str, sent_id: str | bytes | None, limit: float) -> AsyncIterator[Call]:
    """Gives the block a request id, a deadline of `limit` seconds and a log line.

    An exception in the block is kept in `failure` as an error that may be shown to the caller. Only
    a cancellation is raised.
    """
    start = time.monotonic()
    call, outcome = Call(method, adopt_request_id(sent_id)), "CANCELLED"
    deadline.set(start + limit)
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
        spent = round((time.monotonic() - start) * 1000, 2)
        log.info("call", method=call.method, outcome=outcome, ms=spent)
