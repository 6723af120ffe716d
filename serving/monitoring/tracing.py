"""Traces of calls and their stages, sent by OTLP. While they are off, OpenTelemetry is not loaded.

A call's span has its request id as an attribute, and its log lines have the id of the trace.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from serving.monitoring.otlp import Tracer

PARENT_KEY = "traceparent"
"""Metadata and header by which a call names the span that it belongs to (W3C Trace Context)."""

_MAX_LENGTH = 128

_tracer: Tracer | None = None
"""One for the process, as the log is; None while traces are off."""

_context: ContextVar[Context | None] = ContextVar("trace_context", default=None)
"""The span that this task works for. It ends with the task, so nothing takes it back."""


@contextlib.contextmanager
def traced(service: str, endpoint: str | None) -> Iterator[None]:
    """Sends traces to an endpoint during the block, unless it is None; the last ones at its end.

    Raises:
        SystemExit: OpenTelemetry is not installed.
    """
    global _tracer  # noqa: PLW0603  see there
    if endpoint is None:
        yield
        return
    try:
        from serving.monitoring.otlp import Tracer  # noqa: PLC0415  only where traces are on
    except ImportError as error:
        raise SystemExit(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, and OpenTelemetry is not installed: "
            "pip install 'audiosearch[tracing]', or unset it"
        ) from error
    _tracer = tracer = Tracer(service, endpoint)
    try:
        yield
    finally:
        _tracer = None
        tracer.close()


def trace_id() -> str:
    """The id of the trace that this task works for, in hexadecimal; empty while there is none."""
    context = _context.get()
    return _tracer.trace_id(context) if _tracer and context is not None else ""


def outgoing() -> tuple[tuple[str, str], ...]:
    """Metadata that names this task's span to another service."""
    context = _context.get()
    return tuple(_tracer.metadata(context).items()) if _tracer and context is not None else ()


class CallSpan:
    """The span of a call, from its begin to its end; nothing while traces are off."""

    def __init__(self, method: str, request_id: str, parent: str | bytes | None) -> None:
        """Begins it, below the span that the caller names."""
        if _tracer is None:
            return
        usable = isinstance(parent, str) and len(parent) <= _MAX_LENGTH
        metadata = {PARENT_KEY: str(parent)} if usable else {}
        self._span = _tracer.begin_call(method.lstrip("/"), request_id, metadata)
        _context.set(_tracer.context(self._span))

    def end(self, method: str, outcome: str) -> None:
        """Ends it with the outcome of the call."""
        if _tracer is not None and hasattr(self, "_span"):
            _tracer.end_call(self._span, method.lstrip("/"), outcome)


@contextlib.contextmanager
def span(name: str) -> Iterator[None]:
    """A span of this task's call for the block; nothing while traces are off."""
    parent = _context.get()
    if _tracer is None or parent is None:
        yield
        return
    own = _tracer.begin_part(name, parent)
    token = _context.set(_tracer.context(own))
    try:
        yield
    finally:
        own.end()
        with contextlib.suppress(ValueError):  # a generator that ends in another task
            _context.reset(token)
