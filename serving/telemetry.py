"""Structured logs, and the request id and deadline that travel with each call."""

from __future__ import annotations

import logging
import sys
import time
import uuid
from contextvars import ContextVar

import structlog

from serving.monitoring.tracing import trace_id

REQUEST_ID_KEY = "x-request-id"
_MAX_ID_LENGTH = 128
_MAX_LINE = 200
_BY_CALLERS = ("Invalid encoding on ", "ExecuteBatchError raised in core by servicer method ")
"""Beginnings of what gRPC logs when a header is no text, or a caller leaves while it is refused."""

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""Id of the call that this task works for; empty outside a call."""

key_id: ContextVar[str] = ContextVar("key_id", default="")
"""Id of the API key that the call came with; it is no secret."""

deadline: ContextVar[float | None] = ContextVar("deadline", default=None)
"""The time by which the call must be answered, by `time.monotonic`; None outside a call."""


def remaining() -> float | None:
    """Seconds left until the deadline; None outside a call."""
    due = deadline.get()
    return None if due is None else due - time.monotonic()


def adopt_request_id(sent: str | bytes | None) -> str:
    """The caller's request id if it is safe to log, otherwise a new one."""
    usable = isinstance(sent, str) and 0 < len(sent) <= _MAX_ID_LENGTH and sent.isprintable()
    request_id.set(str(sent) if usable else uuid.uuid4().hex)
    return request_id.get()


def _add_call(
    _logger: object, _name: str, event: structlog.types.EventDict
) -> structlog.types.EventDict:
    named = {"request_id": request_id.get(), "key": key_id.get(), "trace_id": trace_id()}
    return {**event, **{name: value for name, value in named.items() if value}}


def _in_one_line(record: logging.LogRecord) -> bool:
    """Shortens what gRPC says, with a trace, about callers that send no text or break off."""
    said = record.getMessage()
    if said.startswith(_BY_CALLERS):
        record.msg, record.args, record.exc_info = said[:_MAX_LINE], None, None
        record.levelno, record.levelname = logging.WARNING, "WARNING"
    return True


def configure(service: str, level: str = "info", style: str = "json") -> None:
    """Sends all logs, also those of libraries, to standard error, as JSON or as readable text."""
    shared: list[structlog.types.Processor] = [
        structlog.stdlib.add_log_level,
        _add_call,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # Traces show no local variables, because these hold keys, passwords and audio.
    traces = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    last: list[structlog.types.Processor] = [
        structlog.processors.ExceptionRenderer(traces),
        structlog.processors.JSONRenderer(),
    ]
    if style == "console":
        last = [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            )
        ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                lambda _l, _n, event: {"service": service, **event},
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *last,
            ],
        )
    )
    logging.getLogger("grpc._cython.cygrpc").addFilter(_in_one_line)
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    logging.captureWarnings(capture=True)
