"""Calls are spread over the replicas, and one that dies under load costs no call."""

from __future__ import annotations

import concurrent.futures
import itertools
import threading
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from audiosearch.catalog.v1.library_pb2 import GetLibraryRequest
from audiosearch.embedding.v1 import embedding_service_pb2 as service_pb2
from audiosearch.embedding.v1.embedding_service_pb2_grpc import EmbeddingServiceStub
from audiosearch_client.client import AudiosearchClient

from deploy import example_sounds
from serving.errors import ServiceError
from tests.deploy.deployment import Deployment
from tools.servers.processes import until

pytestmark = pytest.mark.timeout(900)  # replicas start, which takes long on a busy machine

SOUND = "bronze_bell_1.wav"


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


def served(deployment: Deployment, cluster: str) -> dict[int, int]:
    """Calls that each replica has been sent so far, by port."""
    totals: dict[int, int] = {}
    for line in deployment.envoy.ask("/clusters").splitlines():
        if line.startswith(f"{cluster}::127.0.0.1:") and "::rq_total::" in line:
            _, address, _, count = line.split("::")
            totals[int(address.rpartition(":")[2])] = int(count)
    return totals


def test_each_call_is_balanced_over_one_connection(deployment: Deployment, sounds: Path) -> None:
    """Forty calls of one channel reach both replicas."""
    before = served(deployment, "embedding")
    with grpc.insecure_channel(deployment.envoy.target("embedding")) as channel:
        stub = EmbeddingServiceStub(channel)
        for _ in range(40):
            stub.EmbedAudio(iter(requests(sounds / SOUND)), timeout=60)
    shares = {port: count - before[port] for port, count in served(deployment, "embedding").items()}
    assert set(shares) == deployment.replicas["embedding"].ports
    assert all(share > 5 for share in shares.values())


class Load:
    """Callers that call without a pause, each on a channel of its own, until they are stopped."""

    def __init__(self, calls: list[Callable[[], None]]) -> None:
        """Takes one function for each caller; it makes one call."""
        self.failures: list[Exception] = []
        self.ended = 0
        self._over = threading.Event()
        self._pool = concurrent.futures.ThreadPoolExecutor(len(calls))
        for call in calls:
            self._pool.submit(self._repeat, call)

    def _repeat(self, call: Callable[[], None]) -> None:
        while not self._over.is_set():
            try:
                call()
            except (grpc.RpcError, ServiceError) as error:
                self.failures.append(error)
            self.ended += 1

    def go_on(self, calls: int) -> None:
        """Waits until so many more calls have ended."""
        before = self.ended
        until(lambda: self.ended >= before + calls)

    def stop(self) -> None:
        """Lets the last calls end."""
        self._over.set()
        self._pool.shutdown()


@pytest.mark.parametrize("service", ["embedding", "gateway"])
def test_a_replica_killed_under_load_costs_no_call(
    deployment: Deployment, library: str, sounds: Path, tmp_path: Path, service: str
) -> None:
    """SIGKILL while searches, uploads and embeddings run: all end well, and it comes back."""
    replica, envoy = deployment.replicas[service], deployment.envoy
    uploads, numbers = deployment.library(f"killed-{service}"), itertools.count()
    until(lambda: envoy.healthy(service) == replica.ports)

    def upload(client: AudiosearchClient) -> None:
        number = next(numbers)
        sound = example_sounds.make("knife_on_wood", number)
        client.upload(uploads, example_sounds.write(tmp_path / f"{number}.wav", sound))

    with (
        deployment.client() as first,
        deployment.client() as second,
        grpc.insecure_channel(envoy.target("embedding")) as channel,
    ):
        embedding = EmbeddingServiceStub(channel)
        load = Load(
            [
                lambda: first.search(library, sounds / SOUND) and None,
                lambda: upload(second),
                lambda: embedding.EmbedAudio(iter(requests(sounds / SOUND)), timeout=60) and None,
            ]
        )
        try:
            load.go_on(20)
            replica.kill()
            load.go_on(40)
            until(lambda: envoy.healthy(service) != replica.ports)
            replica.start()
            until(lambda: envoy.healthy(service) == replica.ports)
            before = served(deployment, service)[replica.port]
            until(lambda: served(deployment, service)[replica.port] > before)
        finally:
            load.stop()
        found = first.call(
            first.stubs.libraries.GetLibrary, GetLibraryRequest(name=f"libraries/{uploads}")
        )
    assert not load.failures
    assert found.clip_count == next(numbers)
