"""Several models in one service: none answers for another, and none keeps another waiting."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from audiosearch.embedding.v1 import embedding_service_pb2 as messages
from audiosearch.embedding.v1 import model_pb2

from embedding_service.network.families.panns.network import Shape
from serving.errors import Reason, ServiceError
from tests.contract.embedding.conftest import Running, Start
from tools.servers.checkpoints import random_panns, write_panns

PURPOSES = ("models/voices", "models/sounds")


@pytest.fixture(scope="module")
def several(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Running:
    """A service of a model for voices and one for sounds."""
    shape = Shape("CNN6", width=1 / 16, tags=5)
    labels = ["dog", "rain", "bell", "drum", "horn"]
    folder = write_panns(tmp_path_factory.mktemp("panns") / "p", random_panns(shape), shape, labels)
    return start(AUDIOSEARCH_MODELS=f"voices,small={folder}", AUDIOSEARCH_MAX_STREAMS="2")


def models(service: Running) -> list[model_pb2.Model]:
    """The models that it lists."""
    return list(service.stub.ListModels(messages.ListModelsRequest(), timeout=20).models)


def test_the_list(several: Running) -> None:
    """The default model comes first; each tells what it is for, and what it takes."""
    voices, sounds = models(several)
    assert (voices.purpose, sounds.purpose) == (
        model_pb2.PURPOSE_VOICES,
        model_pb2.PURPOSE_SOUNDS,
    )
    assert (voices.family, sounds.family) == ("ecapatdnn", "panns_cnn6")
    assert (voices.sample_rate, sounds.sample_rate) == (16000, 32000)
    assert (voices.dimension, sounds.dimension) == (192, 32)
    assert (voices.min_score, sounds.min_score) == (-1, 0)
    assert (voices.tag_count, sounds.tag_count) == (0, 5)
    assert (voices.window_rule.window.seconds, sounds.window_rule.window.seconds) == (3, 2)
    assert voices.memory_bytes >= 4 * voices.parameter_count > 0
    assert sounds.memory_bytes >= 4 * sounds.parameter_count > 0
    for name, model in [("default", voices), ("voices", voices), ("sounds", sounds)]:
        request = messages.GetModelRequest(name=f"models/{name}")
        assert several.stub.GetModel(request, timeout=20) == model


def test_unknown_names(several: Running, voice: Any, encode: Any) -> None:
    """The error names the models that run."""
    error = several.refuse(encode(voice(1)), model="models/birds")
    assert error.reason is Reason.MODEL_NOT_FOUND
    assert all(model.name in error.message for model in models(several))


def test_nothing_crosses(several: Running, voice: Callable[..., Any], encode: Any) -> None:
    """Under load by both ways, each answer is that which its model gives alone."""
    sounds = [encode(voice(0.5 + 0.7 * (seed % 4), seed=seed)) for seed in range(8)]

    def embed(number: int) -> Any:
        name, sound = PURPOSES[number % 2], sounds[number % 8]
        if number % 3:
            return several.embed(sound, model=name).embedding
        return several.windows(sound, model=name)[1].embedding

    alone = [embed(number) for number in range(24)]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(embed, [*range(24)] * 3))
    names = [model.name for model in models(several)]
    for number, answer in enumerate(together):
        assert answer.model == alone[number % 24].model == names[number % 2]
        assert np.dot(answer.values, alone[number % 24].values) > 0.9999


def test_streams(several: Running, voice: Any, encode: Any) -> None:
    """A stream follows the window rule of its model, if it names no other."""
    sound = encode(voice(4))
    for name, length in zip(PURPOSES, (3, 2), strict=True):
        *windows, _ = several.stream(sound, model=name)
        first = windows[0].window
        assert first.end_offset.seconds == length
        assert first.embedding.model == several.embed(sound, model=name).embedding.model


def test_the_room_is_shared(several: Running, voice: Any, encode: Any, first: Any) -> None:
    """Streams of one model leave as little room as those of the other."""
    end = threading.Event()

    def requests(name: str) -> Iterator[Any]:
        yield first(model=name)
        yield messages.StreamEmbeddingsRequest(audio_chunk=encode(voice(4)))
        end.wait(60)

    begun = [several.stub.StreamEmbeddings(requests(name), timeout=60) for name in PURPOSES]
    try:
        for answers in begun:
            assert next(iter(answers)).window.embedding.values
        for name in PURPOSES:
            with pytest.raises(ServiceError) as failure:
                list(several.stream(encode(voice(4)), model=name))
            assert failure.value.reason is Reason.ENCODER_BUSY
    finally:
        end.set()
    assert [list(answers)[-1].summary.window_count for answers in begun] == [2, 3]
