"""Traces, as a collector of OpenTelemetry gets them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from audiosearch.catalog.v1 import clip_pb2, clip_service_pb2, clip_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from serving.call import take_call
from serving.contracts import Contract
from serving.errors import Reason
from serving.monitoring.stages import stage
from serving.monitoring.tracing import PARENT_KEY, traced
from serving.peers.peer import Peer
from serving.peers.stub import Limits, Stub
from serving.telemetry import configure
from tests.unit.serving.served import Start, logs, start

__all__ = ["logs", "start"]

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{CALLER}-01"
METHOD = "audiosearch.catalog.v1.ClipService/GetClip"


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps the spans that it gets, by name."""

    def __init__(self) -> None:
        """Has none yet."""
        self.spans: dict[str, Span] = {}
        self.services = set[str]()

    def Export(
        self, request: trace_service_pb2.ExportTraceServiceRequest, context: object
    ) -> trace_service_pb2.ExportTraceServiceResponse:
        """Takes spans."""
        for resource in request.resource_spans:
            named = {each.key: each.value.string_value for each in resource.resource.attributes}
            self.services.add(named["service.name"])
            for scope in resource.scope_spans:
                self.spans |= {span.name: span for span in scope.spans}
        return trace_service_pb2.ExportTraceServiceResponse()


@pytest.fixture
def collector() -> Iterator[tuple[Collector, str]]:
    """A collector and its endpoint."""
    server, kept = grpc.server(ThreadPoolExecutor(2)), Collector()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(kept, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield kept, f"http://127.0.0.1:{port}"
    server.stop(0).wait()


def attributes(span: Span) -> dict[str, str]:
    """The attributes of a span."""
    return {each.key: each.value.string_value for each in span.attributes}


async def test_a_trace_goes_through_services_with_the_request_id(
    start: Start, collector: tuple[Collector, str], logs: pytest.CaptureFixture[str]
) -> None:
    """From the caller's span to a call, its stage, and the call of the service behind it."""
    configure("test")
    (kept, endpoint), served = collector, await start()
    contract = Contract(clip_service_pb2, clip_service_pb2_grpc)
    peer = Peer(served.channel, [contract], Reason.CATALOG_UNAVAILABLE, 5)
    behind = Stub(contract, peer, Limits(5, 5, 5))
    with traced("test", endpoint):
        async with take_call("GET", "my-request", 10, PARENT) as call:
            with stage("step"):
                await behind.GetClip(clip_pb2.GetClipRequest(name="typed"))
            call.method = "unreached"
        assert call.failure
    assert kept.services == {"audiosearch-test"}
    assert {span.trace_id.hex() for span in kept.spans.values()} == {TRACE}
    outer, step, inner = (kept.spans[name] for name in ("GET", "step", METHOD))
    assert outer.parent_span_id.hex() == CALLER
    assert step.parent_span_id == outer.span_id
    assert inner.parent_span_id == step.span_id
    told = {"audiosearch.request_id": "my-request", "audiosearch.outcome": "CLIP_NOT_FOUND"}
    for span in (outer, inner):
        assert attributes(span) == told
        assert span.status.code == Status.STATUS_CODE_ERROR
    lines = [json.loads(line) for line in logs.readouterr().err.splitlines()]
    calls = [line for line in lines if line["event"] == "call"]
    assert [(line["request_id"], line["trace_id"]) for line in calls] == [("my-request", TRACE)] * 2


async def test_a_parent_that_is_none_begins_a_trace(collector: tuple[Collector, str]) -> None:
    """Bytes, nonsense and long texts from callers are no error."""
    kept, endpoint = collector
    with traced("test", endpoint):
        for name, parent in (("a", b"\xff"), ("b", "nonsense"), ("c", "0" * 10_000), ("d", None)):
            async with take_call(name, None, 10, parent):
                pass
    assert len({span.trace_id for span in kept.spans.values()}) == 4
    assert {span.parent_span_id for span in kept.spans.values()} == {b""}


async def test_a_collector_that_is_away_holds_up_no_call(start: Start) -> None:
    """Spans are sent in the background, and dropped at the end."""
    served = await start()
    with traced("test", "http://127.0.0.1:9"):
        metadata = ((PARENT_KEY, PARENT),)
        answer = await served.stub.GetClip(
            clip_pb2.GetClipRequest(name="x"), metadata=metadata, timeout=5
        )
    assert answer.name == "x"


def test_nothing_is_loaded_while_traces_are_off() -> None:
    """Services start without OpenTelemetry, and pay nothing for it."""
    script = (
        "import sys, serving.server\n"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
