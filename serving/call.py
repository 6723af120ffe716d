"""One call at the boundary of a service, whatever its transport."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import structlog

from serving.errors import Reason, ServiceError
from serving.telemetry import adopt_request_id, deadline

if sys.version_info >= (3, 11):
    from asyncio import timeout
else:
    from async_timeout import timeout

log = structlog.get_logger()


@dataclass
class Call:
    """A call while it is worked on."""

    method: str
    """What the log calls it."""
    request_id: str
    failure: ServiceError | None = None
    """Why it failed; set once it did."""


@contextlib.asynccontextmanager
async def take_call(method: str, sent_id: str | bytes | None, limit: float) -> AsyncIterator[Call]:
    """Gives the block its request id, its deadline of `limit` seconds and its log line.

    What goes wrong in the block is in `failure` behind it, as an error that may be shown; only
    cancellation goes on.
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
    except Exception:  # the call boundary: what nobody expected is logged whole, not shown
        log.exception("call.crashed", method=call.method)
        message = f"internal error; the log has it under request id {call.request_id}"
        call.failure = ServiceError(Reason.INTERNAL, message)
    finally:
        outcome = call.failure.reason.value if call.failure else outcome
        spent = round((time.monotonic() - start) * 1000, 2)
        log.info("call", method=call.method, outcome=outcome, ms=spent)
