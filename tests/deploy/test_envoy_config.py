"""deploy/envoy.yaml: what Envoy says to it, and that it says the same as contracts and settings."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions

from deploy.container import PORTS
from deploy.new_secrets import write as write_secrets
from gateway.settings import GatewaySettings
from index_service.settings import IndexSettings
from tests.contracts import services
from tests.deploy import envoy
from tests.deploy.envoy import Document, manager, named, routes

GRPC_FRAME_BYTES = 5
CONTRACTS = {
    "public": services("gateway"),
    "embedding": services("embedding"),
    "index": services("index"),
    "catalog": services("catalog"),
}
METHODS = [
    pytest.param(listener, method, id=method.full_name)
    for listener, offered in CONTRACTS.items()
    for service in offered
    for method in service.methods
]


def listeners() -> dict[str, Document]:
    """The listeners by name."""
    return named(envoy.load()["static_resources"]["listeners"])


def clusters() -> dict[str, Document]:
    """The clusters by name."""
    return named(envoy.load()["static_resources"]["clusters"])


def takes(route: Document, path: str) -> bool:
    """Returns True if a route is for a POST to a path."""
    match = route["match"]
    if any(header["name"] == ":method" for header in match.get("headers", [])):
        return False
    if "path" in match:
        return bool(path == match["path"])
    if "prefix" in match:
        return path.startswith(match["prefix"])
    return re.fullmatch(match["safe_regex"]["regex"], path) is not None


def route_of(listener: str, method: MethodDescriptor) -> Document:
    """The route that a method's calls take."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    return next(route for route in routes(listeners()[listener]) if takes(route, path))


def test_the_real_envoy_takes_the_configuration(tmp_path: Path) -> None:
    """Without a word: nothing unknown, nothing deprecated, no missing cluster."""
    write_secrets(tmp_path)
    ports = {name: 1 + number for number, name in enumerate((*envoy.LISTENERS, "admin"))}
    config = envoy.at_home(ports, {name: [1] for name in clusters()}, tmp_path)
    file = tmp_path / "envoy.json"
    file.write_text(json.dumps(config))
    done = envoy.validate(file)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr
    assert f"configuration '{file}' OK" in done.stdout


@pytest.mark.parametrize(("listener", "method"), METHODS)
def test_what_is_tried_again_is_what_the_contract_calls_repeatable(
    listener: str, method: MethodDescriptor
) -> None:
    """Each method is retried if and only if its idempotency_level is set."""
    route = route_of(listener, method)["route"]
    repeatable = method.GetOptions().idempotency_level != MethodOptions.IDEMPOTENCY_UNKNOWN
    assert ("retry_policy" in route) == repeatable, (
        f"deploy/envoy.yaml, listener {listener}: {method.name} belongs "
        f"{'in' if repeatable else 'out of'} the list of what is tried again"
    )


@pytest.mark.parametrize(("listener", "method"), [p for p in METHODS if p.values[0] == "public"])
def test_only_single_messages_are_held_back_until_they_are_whole(
    listener: str, method: MethodDescriptor
) -> None:
    """A stream must flow."""
    held = "typed_per_filter_config" in route_of(listener, method)
    assert held == (not method.client_streaming)


@pytest.mark.parametrize("listener", CONTRACTS)
def test_the_lists_name_no_method_that_is_gone(listener: str) -> None:
    """Every name in them is in the contract."""
    offered = CONTRACTS[listener]
    package = re.escape(offered[0].file.package)
    for route in routes(listeners()[listener]):
        regex = route["match"].get("safe_regex", {}).get("regex", "")
        if listed := re.search(r"/\(([A-Za-z|]+)\)$", regex):
            names = {method.name for service in offered for method in service.methods}
            assert set(listed[1].split("|")) <= names
            assert regex.startswith(f"/{package}\\.")


def test_watch_is_not_for_everyone() -> None:
    """Its streams last. A single question for health, and reflection, reach the gateway."""
    health = "/grpc.health.v1.Health"
    reflection = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
    first = {
        path: next(route for route in routes(listeners()["public"]) if takes(route, path))
        for path in (f"{health}/Check", f"{health}/Watch", reflection)
    }
    assert "direct_response" in first[f"{health}/Watch"]
    assert first[f"{health}/Check"]["route"]["cluster"] == "gateway"
    assert first[reflection]["route"]["cluster"] == "gateway"


def test_every_call_ends_in_time() -> None:
    """As late as the services themselves allow, and at the caller's deadline."""
    longest = f"{GatewaySettings().max_call_seconds:.0f}s"
    for name in (*CONTRACTS, "public_tls"):
        for route in routes(listeners()[name]):
            if "direct_response" in route or route["route"]["cluster"] == "gateway_rest":
                continue
            assert route["route"]["timeout"] == "0s"  # the time of a stream's first half
            assert route["route"]["max_stream_duration"] == {
                "max_stream_duration": longest,
                "grpc_timeout_header_max": longest,
            }


def test_sizes_are_those_of_the_services() -> None:
    """Envoy refuses sizes that a service would refuse, and no others."""
    (held,) = {
        route["typed_per_filter_config"]["envoy.filters.http.buffer"]["buffer"]["max_request_bytes"]
        for route in routes(listeners()["public"])
        if "envoy.filters.http.buffer" in route.get("typed_per_filter_config", {})
    }
    assert held == GatewaySettings().max_message_bytes + GRPC_FRAME_BYTES
    (kept,) = {
        route["request_body_buffer_limit"]
        for route in routes(listeners()["index"])
        if "request_body_buffer_limit" in route
    }
    assert kept == IndexSettings().max_message_bytes + GRPC_FRAME_BYTES


def test_ports_and_names_are_those_of_compose() -> None:
    """8068 and 8443 outside; inside the services' own, by DNS; the admin interface on loopback."""
    outside = {"public": 8068, "public_tls": 8443}
    assert {
        name: listener["address"]["socket_address"]["port_value"]
        for name, listener in listeners().items()
    } == outside | {name: port for name, port in PORTS.items() if name != "gateway"}
    addresses = {
        name: cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]
        for name, cluster in clusters().items()
    }
    assert {name: each["socket_address"] for name, each in addresses.items()} == {
        **{name: {"address": name, "port_value": port} for name, port in PORTS.items()},
        "gateway_rest": {"address": "gateway", "port_value": 8002},
    }
    admin = envoy.load()["admin"]["address"]["socket_address"]
    assert admin["address"] == "127.0.0.1"


def test_every_replica_of_a_service_is_checked_and_put_aside_when_it_breaks() -> None:
    """By gRPC's own health, or its like for REST, each second."""
    for name, cluster in clusters().items():
        assert cluster["outlier_detection"]["consecutive_local_origin_failure"] > 0
        (check,) = cluster["health_checks"]
        if name == "gateway_rest":
            assert check["http_health_check"] == {"path": "/healthz"}
        else:
            assert "grpc_health_check" in check
        assert check["interval"] == "1s"


def test_the_tls_port_serves_the_same() -> None:
    """Same filters, same routes."""
    both = listeners()
    assert manager(both["public"]) == manager(both["public_tls"])
