"""Limits of size and rate: refused at the door, with a status that says so."""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import http.client
import threading
import time
from collections.abc import Iterator

import grpc
import pytest
from audiosearch.gateway.v1 import search_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.deploy.deployment import Deployment
from tests.deploy.envoy import load, manager, named
from tools.servers.processes import until

PATIENCE = 60


def test_an_oversized_message_is_refused_before_it_reaches_a_service(
    deployment: Deployment, library: str
) -> None:
    """A search with more than 4 MiB in one message."""
    before = deployment.envoy.counter(r"cluster\.gateway\.upstream_rq_total")
    request = search_pb2.SearchClipsRequest(
        config=search_pb2.SearchConfig(parent=f"libraries/{library}"), audio=bytes(5 * 2**20)
    )
    with deployment.client() as client, pytest.raises(grpc.RpcError) as raised:
        client.stubs.search.SearchClips(request, timeout=30)
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert deployment.envoy.counter(r"cluster\.gateway\.upstream_rq_total") == before


def test_an_oversized_message_of_a_stream_is_refused_by_the_service(deployment: Deployment) -> None:
    """Envoy lets streams flow; the gateway looks at each message."""
    request = search_pb2.StreamSearchClipsRequest(audio_chunk=bytes(5 * 2**20))
    with deployment.client() as client, pytest.raises(grpc.RpcError) as raised:
        list(client.stubs.search.StreamSearchClips(iter([request]), timeout=30))
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_headers_have_their_limit(deployment: Deployment) -> None:
    """16 KiB."""
    connection = http.client.HTTPConnection(deployment.envoy.target("public"), timeout=30)
    connection.request("GET", "/", headers={"X-Long": "x" * 20_000})
    assert connection.getresponse().status == 431


def burst() -> int:
    """Calls that one client address may make at once."""
    public = named(load()["static_resources"]["listeners"])["public"]
    limit = next(
        each["typed_config"]
        for each in manager(public)["http_filters"]
        if each["name"].endswith("local_ratelimit")
    )
    return int(limit["descriptors"][0]["token_bucket"]["max_tokens"])


def flood(deployment: Deployment, calls: int) -> list[grpc.StatusCode]:
    """Sends calls all at once and returns their codes."""
    with grpc.insecure_channel(deployment.envoy.target("public")) as channel:
        check = health_pb2_grpc.HealthStub(channel).Check
        sent = [check.future(health_pb2.HealthCheckRequest(), timeout=60) for _ in range(calls)]
        return [call.code() for call in sent]


def rest_status(deployment: Deployment, source: str) -> int:
    """Status of a request to the REST route from an address of this machine."""
    host, port = "127.0.0.1", deployment.envoy.ports["public"]
    connection = http.client.HTTPConnection(host, port, timeout=30, source_address=(source, 0))
    connection.request("GET", "/v1/libraries")
    return connection.getresponse().status


def test_a_client_in_a_hurry_is_held_back_and_others_are_not(deployment: Deployment) -> None:
    """RESOURCE_EXHAUSTED for gRPC, 429 for REST; another address goes on, and so do we later."""
    codes = collections.Counter(flood(deployment, 5 * burst()))
    assert set(codes) == {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert codes[grpc.StatusCode.OK] >= burst()
    enough = threading.Event()

    def hurry() -> None:
        while not enough.is_set():
            flood(deployment, 5 * burst())

    with concurrent.futures.ThreadPoolExecutor(1) as pool, contextlib.ExitStack() as stack:
        stack.callback(enough.set)
        hurrying = pool.submit(hurry)
        until(lambda: rest_status(deployment, "127.0.0.1") == 429)
        assert rest_status(deployment, "127.0.0.2") != 429
        enough.set()
        hurrying.result()
    until(lambda: set(flood(deployment, 1)) == {grpc.StatusCode.OK})


def test_nobody_without_a_key_makes_a_gateway_unhealthy(deployment: Deployment) -> None:
    """300 streams of health and reflection each, by TLS over four connections, then a call."""
    address = f"localhost:{deployment.envoy.ports['public_tls']}"
    trusted = grpc.ssl_channel_credentials((deployment.secrets / "tls.crt").read_bytes())
    methods = (
        "/grpc.health.v1.Health/Watch",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    )
    ports = deployment.envoy.healthy("gateway")
    release = threading.Event()

    def hold() -> Iterator[bytes]:
        yield b""
        release.wait(PATIENCE)

    with contextlib.ExitStack() as stack:
        stack.callback(release.set)
        streams = []
        for number in range(4):
            options = [("grpc.use_local_subchannel_pool", 1), ("number", number)]
            channel = stack.enter_context(grpc.secure_channel(address, trusted, options))
            for method in methods:
                call = channel.stream_stream(method)
                streams += [call(hold(), timeout=PATIENCE) for _ in range(75)]
        refused = 4 * 75
        until(lambda: sum(each.done() for each in streams) >= refused)
        for _ in range(5):
            time.sleep(1)  # Envoy asks for health each second
            assert deployment.envoy.healthy("gateway") == ports
            assert rest_status(deployment, "127.0.0.3") != 503
