"""Embeddings of a stream of audio through the gateway, window by window, while it is sent."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator

import grpc
import numpy as np
import pytest
from audiosearch.embedding.v1.embedding_pb2 import SAMPLE_TYPE_FLOAT32, PcmFormat
from audiosearch.embedding.v1.embedding_service_pb2 import (
    StreamEmbeddingsConfig,
    StreamEmbeddingsRequest,
    StreamEmbeddingsResponse,
)
from google.protobuf.duration_pb2 import Duration

from serving.errors import Reason, ServiceError, from_rpc_error
from tests.end_to_end.conftest import Running
from tests.end_to_end.test_services import kill, launch
from tools.servers.processes import until

RATE = 16_000
SECOND = Duration(seconds=1)
PCM = PcmFormat(sample_rate=RATE, sample_type=SAMPLE_TYPE_FLOAT32)
CONFIG = StreamEmbeddingsConfig(pcm=PCM, window=SECOND, hop=SECOND)
NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, RATE).astype("<f4").tobytes()


def start(config: StreamEmbeddingsConfig = CONFIG) -> StreamEmbeddingsRequest:
    """The first message."""
    return StreamEmbeddingsRequest(config=config)


def test_each_window_is_answered_as_soon_as_it_is_whole(shared: Running) -> None:
    """The sender waits for the answer to each second before it sends the next."""
    heard: list[int] = []

    def requests() -> Iterator[StreamEmbeddingsRequest]:
        yield start()
        for number in range(3):
            yield StreamEmbeddingsRequest(audio_chunk=NOISE)
            until(lambda number=number: len(heard) > number)  # type: ignore[misc]

    answers = []
    for answer in shared.client.stubs.models.StreamEmbeddings(requests(), timeout=120):
        answers.append(answer)
        heard.append(answer.window.start_offset.seconds)
    *windows, last = answers
    assert [each.window.start_offset.seconds for each in windows] == [0, 1, 2]
    assert all(len(each.window.embedding.values) == 192 for each in windows)
    assert last.summary.window_count == 3


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (start(StreamEmbeddingsConfig(model="models/none")), Reason.MODEL_NOT_FOUND),
        (StreamEmbeddingsRequest(audio_chunk=NOISE), Reason.FIELD_INVALID),
        (start(StreamEmbeddingsConfig(pcm=PCM, hop=Duration(seconds=-1))), Reason.FIELD_INVALID),
    ],
)
def test_a_refusal_does_not_wait_for_the_sender(
    shared: Running, first: StreamEmbeddingsRequest, reason: Reason
) -> None:
    """It comes while a sender pauses that will never end."""
    over = threading.Event()

    def endless() -> Iterator[StreamEmbeddingsRequest]:
        yield first
        over.wait(120)

    with pytest.raises(grpc.RpcError) as raised:
        list(shared.client.stubs.models.StreamEmbeddings(endless(), timeout=100))
    over.set()
    known = from_rpc_error(raised.value)
    assert known is not None
    assert known.reason is reason


def test_the_answers_before_an_error_arrive(shared: Running) -> None:
    """Two whole windows, then samples that are no numbers."""
    bad = np.full(RATE, np.nan, "<f4").tobytes()
    heard: list[StreamEmbeddingsResponse] = []

    def requests() -> Iterator[StreamEmbeddingsRequest]:
        yield start()
        yield StreamEmbeddingsRequest(audio_chunk=2 * NOISE)
        until(lambda: len(heard) == 2)
        yield StreamEmbeddingsRequest(audio_chunk=bad)

    answers = shared.client.receive(shared.client.stubs.models.StreamEmbeddings, requests())
    with pytest.raises(ServiceError) as raised:
        deque(map(heard.append, answers))
    assert raised.value.reason is Reason.AUDIO_UNDECODABLE
    assert [each.window.start_offset.seconds for each in heard] == [0, 1]


def test_a_deadline_ends_it(shared: Running) -> None:
    """Though the sender has not ended."""
    over = threading.Event()

    def endless() -> Iterator[StreamEmbeddingsRequest]:
        yield start()
        over.wait(60)

    with pytest.raises(grpc.RpcError) as raised:
        list(shared.client.stubs.models.StreamEmbeddings(endless(), timeout=1))
    over.set()
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_a_caller_that_leaves_frees_the_encoder(shared: Running) -> None:
    """More streams than it takes at a time, each left in its middle."""
    for _ in range(20):
        over = threading.Event()

        def endless(over: threading.Event = over) -> Iterator[StreamEmbeddingsRequest]:
            yield start()
            yield StreamEmbeddingsRequest(audio_chunk=NOISE)
            over.wait(60)

        call = shared.client.stubs.models.StreamEmbeddings(endless(), timeout=60)
        assert next(call).HasField("window")
        call.cancel()
        over.set()


def test_without_the_embedding_service_it_fails_by_its_reason(fragile: Running) -> None:
    """Until it is back."""
    kill(fragile, "embedding")
    requests = [start(), StreamEmbeddingsRequest(audio_chunk=NOISE)]
    with pytest.raises(ServiceError) as raised:
        list(fragile.client.receive(fragile.client.stubs.models.StreamEmbeddings, iter(requests)))
    assert raised.value.reason is Reason.EMBEDDING_UNAVAILABLE
    launch(fragile, "embedding")
    *_, last = fragile.client.receive(fragile.client.stubs.models.StreamEmbeddings, iter(requests))
    assert last.summary.window_count == 1
