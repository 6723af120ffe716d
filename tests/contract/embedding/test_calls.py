"""The calls of the contract: models, the order of a stream's messages, many at once."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import numpy as np
import pytest
from audiosearch.embedding.v1 import embedding_service_pb2 as messages
from audiosearch.embedding.v1.model_pb2 import Model

from serving.errors import Reason, ServiceError, from_rpc_error
from tools.servers.processes import until

CONFIG = messages.EmbedAudioRequest(config=messages.EmbedAudioConfig())
Request = messages.EmbedAudioRequest


def get_model(service: Any, name: str) -> Any:
    """Calls GetModel; a failure is raised as our error."""
    try:
        return service.stub.GetModel(messages.GetModelRequest(name=name))
    except grpc.RpcError as error:
        raise from_rpc_error(error) from None


def test_models(service: Any) -> None:
    """The default model is listed first and found by its name and as models/default."""
    (model,) = service.stub.ListModels(messages.ListModelsRequest()).models
    assert get_model(service, model.name) == get_model(service, "models/default") == model
    assert model.name == f"models/drawn-by-lot-{model.weights_sha256[:12]}-p3"
    assert (model.sample_rate, model.source) == (16000, Model.SOURCE_SETTING)
    assert model.parameter_count > 0
    cosine = re.search(r"Computed in \w+; lowest cosine .* vectors ([\d.]+);", model.description)
    assert float(cosine[1]) >= 0.9999
    assert model.min_audio_seconds == pytest.approx(0.1)
    assert model.max_audio_seconds == 7200


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("models/other-123", Reason.MODEL_NOT_FOUND),
        ("", Reason.FIELD_INVALID),
        ("clips/1", Reason.FIELD_INVALID),
    ],
)
def test_models_that_are_not_here(service: Any, name: str, reason: Reason) -> None:
    """Other models are MODEL_NOT_FOUND. Texts that are no model's name are FIELD_INVALID."""
    with pytest.raises(ServiceError) as failure:
        get_model(service, name)
    assert failure.value.reason is reason


def test_asking_for_a_model(service: Any, encode: Any, voice: Any) -> None:
    """A call can name its model; another than the running one is MODEL_NOT_FOUND."""
    sound = encode(voice(1.0))
    name = get_model(service, "models/default").name
    assert service.embed(sound, model=name) == service.embed(sound, model="models/default")
    assert service.refuse(sound, model="models/other").reason is Reason.MODEL_NOT_FOUND


@pytest.mark.parametrize(
    "requests",
    [
        [],
        [Request(audio_chunk=b"RIFF")],
        [Request()],
        [CONFIG, CONFIG],
        [CONFIG, Request(audio_chunk=b"RIFF"), CONFIG],
        [CONFIG, Request()],
    ],
    ids=["nothing", "no config", "empty", "two", "late config", "empty second"],
)
def test_messages_out_of_order(service: Any, requests: list[Any]) -> None:
    """A stream that does not begin with its one config is FIELD_INVALID."""
    with pytest.raises(ServiceError) as failure:
        service.send(requests)
    assert failure.value.reason is Reason.FIELD_INVALID


def test_empty_chunks(service: Any, encode: Any, voice: Any) -> None:
    """Empty chunks change nothing."""
    sound = encode(voice(1.0))
    empty = Request(audio_chunk=b"")
    assert service.send([CONFIG, empty, Request(audio_chunk=sound), empty]) == service.embed(sound)


def test_a_message_over_the_limit(service: Any, encode: Any, voice: Any) -> None:
    """A message over the limit fails that call alone."""
    with pytest.raises(grpc.RpcError) as failure:
        service.send([CONFIG, Request(audio_chunk=bytes(5 * 2**20))])
    assert failure.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    service.embed(encode(voice(1.0)))


def test_a_stream_that_stops_half_way(service: Any, encode: Any, voice: Any) -> None:
    """A client that goes away leaves nothing behind, and its place to others."""
    sound = encode(voice(6.0))
    sent = threading.Event()

    def half() -> Iterator[Any]:
        yield CONFIG
        yield Request(audio_chunk=sound[: len(sound) // 2])
        sent.set()
        time.sleep(30)

    call = service.stub.EmbedAudio.future(half())
    assert sent.wait(60)
    call.cancel()
    with pytest.raises(grpc.FutureCancelledError):
        call.result()
    service.embed(sound)
    until(lambda: not list(service.spools.glob("audiosearch-*/*")))


def test_many_at_once(service: Any, encode: Any, voice: Any) -> None:
    """16 calls at a time give the vectors of one call after the other, but for rounding."""
    sounds = [encode(voice(0.5 + 0.2 * seed, seed=seed)) for seed in range(16)]
    alone = [service.embed(sound).embedding.values for sound in sounds]
    with ThreadPoolExecutor(16) as threads:
        together = [r.embedding.values for r in threads.map(service.embed, sounds)]
    assert np.sum(np.multiply(together, alone), axis=1).min() > 0.9999


def test_a_full_queue(start: Any, encode: Any, voice: Any) -> None:
    """When the queue is full, calls are ENCODER_BUSY; a cancelled call leaves its place."""
    service = start(AUDIOSEARCH_ENCODER_QUEUE="1")
    long = encode(np.tile(voice(60.0), 30), subtype="ULAW")
    short = encode(voice(1.0))
    chunks = [Request(audio_chunk=long[i : i + 2**20]) for i in range(0, len(long), 2**20)]
    call = service.stub.EmbedAudio.future(iter([CONFIG, *chunks]))
    # It is in work as soon as there is a second file: the decoder's, beside the sent one.
    until(lambda: len(list(service.spools.glob("audiosearch-*/*"))) == 2)
    error = service.refuse(short)
    assert error.reason is Reason.ENCODER_BUSY
    assert error.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert not call.done()
    call.cancel()
    until(lambda: not list(service.spools.glob("audiosearch-*/*")))
    service.embed(short)
