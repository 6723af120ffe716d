"""Makes spans and sends them by OTLP. It is imported only where traces are on: see tracing.py."""

from __future__ import annotations

from collections.abc import Mapping

from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span

EXPORT_SECONDS = 5


class Tracer:
    """Makes spans and sends them in the background. A full queue drops spans and delays no call."""

    def __init__(self, service: str, endpoint: str) -> None:
        """Sends to `endpoint`. Other OTEL_ variables, such as the sampler's, work as specified."""
        name = Resource.create({"service.name": f"audiosearch-{service}"})
        self._provider = TracerProvider(resource=name)
        exporter = OTLPSpanExporter(endpoint=endpoint, timeout=EXPORT_SECONDS)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("audiosearch")

    def close(self) -> None:
        """Sends what is left."""
        self._provider.shutdown()

    def begin_call(self, name: str, request_id: str, metadata: Mapping[str, str]) -> Span:
        """Begins the span of a call, below the one that its metadata names."""
        attributes = {"audiosearch.request_id": request_id}
        parent = propagate.extract(metadata)
        return self._tracer.start_span(name, parent, trace.SpanKind.SERVER, attributes)

    def end_call(self, span: Span, name: str, outcome: str) -> None:
        """Ends the span of a call. Its name may be known only now."""
        span.update_name(name)
        span.set_attribute("audiosearch.outcome", outcome)
        if outcome != "OK":
            span.set_status(trace.StatusCode.ERROR, outcome)
        span.end()

    def begin_part(self, name: str, parent: Context) -> Span:
        """Begins the span of a part of a call."""
        return self._tracer.start_span(name, parent)

    def context(self, span: Span) -> Context:
        """The context of what belongs to a span."""
        return trace.set_span_in_context(span)

    def trace_id(self, context: Context) -> str:
        """The id of the trace, in hexadecimal."""
        return format(trace.get_current_span(context).get_span_context().trace_id, "032x")

    def metadata(self, context: Context) -> dict[str, str]:
        """Metadata that names the span to another service."""
        carrier = dict[str, str]()
        propagate.inject(carrier, context)
        return carrier
