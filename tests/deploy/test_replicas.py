"""Calls are spread over the embedding replicas, and one that dies under load costs no call."""

from __future__ import annotations

import concurrent.futures
import threading
from pathlib import Path

import grpc
from audiosearch.embedding.v1 import embedding_service_pb2 as service_pb2
from audiosearch.embedding.v1.embedding_service_pb2_grpc import EmbeddingServiceStub
from audiosearch.gateway.v1 import search_pb2

from tests.deploy.deployment import Deployment, until

CALLERS = 2


def requests(path: Path) -> list[service_pb2.EmbedAudioRequest]:
    """One file as EmbedAudio takes it, in a few chunks."""
    audio, step = path.read_bytes(), 16 * 1024
    return [
        service_pb2.EmbedAudioRequest(config=service_pb2.EmbedAudioConfig()),
        *(
            service_pb2.EmbedAudioRequest(audio_chunk=audio[start : start + step])
            for start in range(0, len(audio), step)
        ),
    ]


def served(deployment: Deployment) -> dict[int, int]:
    """Calls that each replica has been sent so far, by port."""
    totals: dict[int, int] = {}
    for line in deployment.envoy.ask("/clusters").splitlines():
        if line.startswith("embedding::127.0.0.1:") and "::rq_total::" in line:
            _, address, _, count = line.split("::")
            totals[int(address.rpartition(":")[2])] = int(count)
    return totals


def test_each_call_is_balanced_over_one_connection(deployment: Deployment, sounds: Path) -> None:
    """Forty calls of one channel reach both replicas."""
    until(lambda: deployment.envoy.healthy("embedding") == deployment.replicas())
    before = served(deployment)
    with grpc.insecure_channel(deployment.envoy.target("embedding")) as channel:
        stub = EmbeddingServiceStub(channel)
        for _ in range(40):
            stub.EmbedAudio(iter(requests(sounds / "bronze_bell_1.wav")), timeout=60)
    shares = {port: count - before[port] for port, count in served(deployment).items()}
    assert set(shares) == deployment.replicas()
    assert all(share > 5 for share in shares.values())


def test_a_replica_killed_under_load_costs_no_call(
    deployment: Deployment, library: str, sounds: Path
) -> None:
    """SIGKILL while searches and embeddings run: all end well, and the replica comes back."""
    until(lambda: deployment.envoy.healthy("embedding") == deployment.replicas())
    over = threading.Event()
    failures: list[grpc.RpcError] = []
    ended: list[str] = []

    def search(client_channel: grpc.Channel) -> None:
        audio = (sounds / "bronze_bell_1.wav").read_bytes()
        request = search_pb2.SearchClipsRequest(
            config=search_pb2.SearchConfig(parent=f"libraries/{library}"), audio=audio
        )
        stub = client_channel.unary_unary(
            "/audiosearch.gateway.v1.GatewayService/SearchClips",
            request_serializer=search_pb2.SearchClipsRequest.SerializeToString,
            response_deserializer=search_pb2.SearchClipsResponse.FromString,
        )
        stub(request, timeout=60)

    def embed(channel: grpc.Channel) -> None:
        EmbeddingServiceStub(channel).EmbedAudio(
            iter(requests(sounds / "sword_clash_1.wav")), timeout=60
        )

    def call_on(listener: str) -> None:
        with grpc.insecure_channel(deployment.envoy.target(listener)) as channel:
            while not over.is_set():
                try:
                    (search if listener == "public" else embed)(channel)
                except grpc.RpcError as error:
                    failures.append(error)
                ended.append(listener)

    with concurrent.futures.ThreadPoolExecutor(2 * CALLERS) as pool:
        try:
            for _ in range(CALLERS):
                pool.submit(call_on, "public")
                pool.submit(call_on, "embedding")
            until(lambda: len(ended) > 20)
            deployment.replica.kill()
            killed_at = len(ended)
            until(lambda: len(ended) > killed_at + 60)
            until(lambda: deployment.envoy.healthy("embedding") != deployment.replicas())
            deployment.replica.start()
            until(lambda: deployment.envoy.healthy("embedding") == deployment.replicas())
            back_at, before = len(ended), served(deployment)[deployment.replica.port]
            until(lambda: len(ended) > back_at + 20)
        finally:
            over.set()
    assert not failures, failures[:3]
    assert served(deployment)[deployment.replica.port] > before
    assert deployment.envoy.counter(r"cluster\.embedding\.upstream_rq_retry_success") > 0
