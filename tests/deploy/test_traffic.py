"""Real traffic through the real Envoy, of every kind it is there for."""

from __future__ import annotations

import http.client
import io
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from audiosearch.catalog.v1 import library_pb2
from audiosearch.embedding.v1 import embedding_pb2
from audiosearch.embedding.v1 import embedding_service_pb2 as service_pb2
from audiosearch.embedding.v1.embedding_service_pb2_grpc import EmbeddingServiceStub
from audiosearch.gateway.v1 import search_pb2
from audiosearch.gateway.v1.library_service_pb2_grpc import LibraryServiceStub
from audiosearch.gateway.v1.model_service_pb2_grpc import ModelServiceStub
from audiosearch.index.v1 import index_service_pb2
from audiosearch.index.v1.index_service_pb2_grpc import IndexServiceStub
from google.protobuf.duration_pb2 import Duration

from tests.deploy.deployment import Deployment
from tools.servers.processes import until

QUERY = "bronze_bell_1.wav"
LIST = "/audiosearch.gateway.v1.LibraryService/ListLibraries"
RATE = 16_000


def test_one_message_there_and_one_back(deployment: Deployment, library: str) -> None:
    """Unary: ListLibraries."""
    with deployment.client() as client:
        answer = client.call(
            client.stubs.libraries.ListLibraries, library_pb2.ListLibrariesRequest()
        )
    assert f"libraries/{library}" in {each.name for each in answer.libraries}


def test_a_stream_there(deployment: Deployment, library: str, sounds: Path) -> None:
    """Client-streaming: UploadClip filled the library, and its clips are found."""
    with deployment.client() as client:
        matches = client.search(library, sounds / QUERY, k=3).matches
    assert matches[0].clip.display_name == QUERY
    assert all(match.clip.display_name.startswith("bronze_bell") for match in matches)


def test_a_stream_back(deployment: Deployment, library: str, sounds: Path) -> None:
    """Server-streaming: DownloadAudio gives the bytes that were sent."""
    audio = io.BytesIO()
    with deployment.client() as client:
        clip = client.search(library, sounds / QUERY, k=1).matches[0].clip
        client.download(clip.name, audio)
    assert audio.getvalue() == (sounds / QUERY).read_bytes()


@pytest.mark.parametrize(
    ("listener", "stub"), [("embedding", EmbeddingServiceStub), ("public", ModelServiceStub)]
)
def test_streams_both_ways_at_once(
    deployment: Deployment, listener: str, stub: Callable[[grpc.Channel], Any]
) -> None:
    """Bidirectional: a window is answered while the sender has not ended yet."""
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, RATE).astype("<f4").tobytes()
    second = Duration(seconds=1)
    pcm = embedding_pb2.PcmFormat(
        sample_type=embedding_pb2.SAMPLE_TYPE_FLOAT32, sample_rate=RATE, channels=1
    )
    config = service_pb2.StreamEmbeddingsConfig(pcm=pcm, window=second, hop=second)
    heard: list[int] = []
    sent_before_answer: list[int] = []

    def requests() -> Iterator[service_pb2.StreamEmbeddingsRequest]:
        yield service_pb2.StreamEmbeddingsRequest(config=config)
        for number in range(3):
            yield service_pb2.StreamEmbeddingsRequest(audio_chunk=samples)
            until(lambda number=number: len(heard) > number)  # type: ignore[misc]
            sent_before_answer.append(number)

    with grpc.insecure_channel(deployment.envoy.target(listener)) as channel:
        for answer in stub(channel).StreamEmbeddings(requests(), timeout=120):
            start = answer.window.start_offset.seconds if answer.HasField("window") else -1
            heard.append(start)
    assert heard == [0, 1, 2, -1]
    assert sent_before_answer == [0, 1, 2]


def test_a_streamed_search(deployment: Deployment, library: str, sounds: Path) -> None:
    """Bidirectional through the public port: StreamSearchClips."""
    search = search_pb2.SearchConfig(parent=f"libraries/{library}", k=2)
    requests = [
        search_pb2.StreamSearchClipsRequest(
            config=search_pb2.StreamSearchClipsConfig(search=search)
        ),
        search_pb2.StreamSearchClipsRequest(audio_chunk=(sounds / QUERY).read_bytes()),
    ]
    with deployment.client() as client:
        first, *rest = client.stubs.search.StreamSearchClips(iter(requests), timeout=60)
    assert first.HasField("summary")
    assert rest[0].match.clip.display_name == QUERY


def test_tls(deployment: Deployment, library: str) -> None:
    """The same calls work on the TLS port, but not for a client that distrusts the certificate."""
    with deployment.secure_channel() as channel:
        answer = LibraryServiceStub(channel).ListLibraries(
            library_pb2.ListLibrariesRequest(), timeout=30
        )
    assert answer.libraries
    port = deployment.envoy.ports["public_tls"]
    with grpc.secure_channel(f"localhost:{port}", grpc.ssl_channel_credentials()) as channel:
        with pytest.raises(grpc.RpcError) as raised:
            LibraryServiceStub(channel).ListLibraries(
                library_pb2.ListLibrariesRequest(), timeout=30
            )
        assert raised.value.code() is grpc.StatusCode.UNAVAILABLE


def web(deployment: Deployment, origin: str, method: str = "POST") -> http.client.HTTPResponse:
    """The reply to a page of `origin`: to an empty ListLibraries, or to the question before it."""
    connection = http.client.HTTPConnection(deployment.envoy.target("public"), timeout=30)
    headers = {"Content-Type": "application/grpc-web+proto", "X-Grpc-Web": "1"}
    if method == "OPTIONS":
        headers = {
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type,x-grpc-web,authorization",
        }
    body = bytes(5) if method == "POST" else None
    connection.request(method, LIST, body=body, headers={"Origin": origin, **headers})
    return connection.getresponse()


def test_grpc_web_as_browsers_frame_it(deployment: Deployment, library: str) -> None:
    """HTTP/1.1, one frame with the message and one with the trailers."""
    reply = web(deployment, "http://localhost:3000")
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("application/grpc-web")
    assert "grpc-status" in reply.headers["access-control-expose-headers"]
    body = reply.read()
    kind, length = struct.unpack_from(">BI", body)
    assert kind == 0
    answer = library_pb2.ListLibrariesResponse.FromString(body[5 : 5 + length])
    assert f"libraries/{library}" in {each.name for each in answer.libraries}
    assert body[5 + length] == 0x80
    assert b"grpc-status:0" in body[5 + length + 5 :]


def test_pages_of_other_sites_get_no_leave(deployment: Deployment) -> None:
    """CORS: a page of this machine may call, another may not until its address is added."""
    allowed = web(deployment, "http://localhost:3000", "OPTIONS")
    assert allowed.headers["access-control-allow-origin"] == "http://localhost:3000"
    assert "x-grpc-web" in allowed.headers["access-control-allow-headers"]
    refused = web(deployment, "https://elsewhere.example", "OPTIONS")
    assert refused.headers["access-control-allow-origin"] is None


def test_what_is_inside_stays_inside(deployment: Deployment) -> None:
    """The services behind the gateway can't be called through the public port."""
    with (
        grpc.insecure_channel(deployment.envoy.target("public")) as channel,
        pytest.raises(grpc.RpcError) as raised,
    ):
        IndexServiceStub(channel).GetIndexStats(
            index_service_pb2.GetIndexStatsRequest(), timeout=30
        )
    assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_errors_keep_their_reason(deployment: Deployment) -> None:
    """google.rpc.ErrorInfo and the request id come through, without and with gRPC-Web."""
    with deployment.client() as client, pytest.raises(grpc.RpcError) as raised:
        client.stubs.libraries.GetLibrary(
            library_pb2.GetLibraryRequest(name="libraries/nowhere"),
            timeout=30,
            metadata=(("x-request-id", "look-for-me"),),
        )
    trailers = dict(raised.value.trailing_metadata())
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND
    assert b"LIBRARY_NOT_FOUND" in trailers["grpc-status-details-bin"]
    assert trailers["x-request-id"] == "look-for-me"


def test_the_callers_deadline_counts(deployment: Deployment) -> None:
    """A call that has no time left ends, though its sender has not."""
    over = threading.Event()

    def endless() -> Iterator[service_pb2.EmbedAudioRequest]:
        yield service_pb2.EmbedAudioRequest(config=service_pb2.EmbedAudioConfig())
        over.wait(60)

    with grpc.insecure_channel(deployment.envoy.target("embedding")) as channel:
        with pytest.raises(grpc.RpcError) as raised:
            EmbeddingServiceStub(channel).EmbedAudio(endless(), timeout=1)
        over.set()
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_the_access_log_tells_each_call_and_no_secret(deployment: Deployment) -> None:
    """A line of JSON: what, who, how it ended, how long it took, and the request's id."""
    connection = http.client.HTTPConnection(deployment.envoy.target("public"), timeout=30)
    headers = {"Authorization": "Bearer s3cret", "X-Api-Key": "s3cret", "X-Request-Id": "logged"}
    connection.request("GET", "/v1/libraries?key=s3cret", headers=headers)
    connection.getresponse().read()

    def line() -> list[dict[str, object]]:
        return [each for each in deployment.envoy.lines() if each["request_id"] == "logged"]

    until(lambda: bool(line()))
    (logged,) = line()
    assert (logged["method"], logged["path"]) == ("GET", "/v1/libraries")
    assert logged["client"] == "127.0.0.1"
    assert {"time", "status", "grpc_status", "ms", "upstream", "attempts", "flags"} <= set(logged)
    assert "s3cret" not in deployment.envoy.log.read_text()
