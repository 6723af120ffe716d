"""A model that names kinds of sound answers them, the surest first, as many as were asked for."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from audiosearch.embedding.v1 import embedding_service_pb2 as messages
from audiosearch.embedding.v1 import model_pb2

from embedding_service.network.families.panns.network import Shape
from serving.errors import Reason
from tests.contract.embedding.conftest import Running, Start
from tools.servers.checkpoints import random_panns, write_panns

RATE = 32000
LABELS = tuple(f"Kind {number}" for number in range(7))


@pytest.fixture(scope="module")
def sounds(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Running:
    """A service with a narrow network of PANNs, weights drawn by lot."""
    shape = Shape("CNN6", 1 / 16, len(LABELS), dimension=48)
    folder = tmp_path_factory.mktemp("checkpoints") / "narrow"
    write_panns(folder, random_panns(shape), shape, LABELS)
    return start(AUDIOSEARCH_MODELS=f"narrow={folder}")


@pytest.fixture(scope="module")
def sound(voice: Callable[..., Any], encode: Callable[..., bytes]) -> bytes:
    """Five seconds of noise and of a voice."""
    noise = 0.1 * np.random.default_rng(3).standard_normal(2 * RATE).astype(np.float32)
    return encode(np.concatenate([noise, voice(3, rate=RATE)]), RATE)


def test_its_description(sounds: Running) -> None:
    """A client learns what the model is for, and how many kinds it names."""
    (model,) = sounds.stub.ListModels(messages.ListModelsRequest()).models
    assert (model.family, model.purpose) == ("panns_cnn6", model_pb2.PURPOSE_SOUNDS)
    assert (model.dimension, model.tag_count, model.min_score) == (48, 7, 0)
    assert model.window_rule.window.ToMilliseconds() == 2000
    assert model.window_rule.hop.ToMilliseconds() == 1000


def test_tags_of_a_clip(sounds: Running, sound: bytes) -> None:
    """None unless asked for; then the surest, each with a probability."""
    assert not sounds.embed(sound).tags
    tags = sounds.embed(sound, max_tags=3).tags
    everything = sounds.embed(sound, max_tags=1000).tags
    assert list(tags) == list(everything[:3])
    assert sorted(tag.name for tag in everything) == sorted(LABELS)
    assert all(one.score >= next_.score for one, next_ in pairwise(everything))
    assert all(0 <= tag.score <= 1 for tag in everything)


def test_tags_of_windows(sounds: Running, sound: bytes) -> None:
    """Those of a recording are the highest of its windows."""
    windows, summary = sounds.windows(sound, max_tags=7)
    assert len(windows) == 4
    highest = dict.fromkeys(LABELS, 0.0)
    for start in (0, 1, 2, 3):
        _, part = sounds.windows(sound, max_tags=7, start=start, end=start + 2)
        for tag in part.tags:
            highest[tag.name] = max(highest[tag.name], tag.score)
    assert {tag.name: tag.score for tag in summary.tags} == pytest.approx(highest, abs=1e-3)


def test_tags_of_a_long_clip(sounds: Running, voice: Any, encode: Callable[..., bytes]) -> None:
    """Those of audio that is embedded in pieces are the highest of them."""
    halves = [voice(31, seed, RATE) for seed in (1, 2)]
    whole = sounds.embed(encode(np.concatenate(halves), RATE), max_tags=7).tags
    parts = [sounds.embed(encode(half, RATE), max_tags=7).tags for half in halves]
    highest = {
        label: max(tag.score for part in parts for tag in part if tag.name == label)
        for label in LABELS
    }
    assert {tag.name: tag.score for tag in whole} == pytest.approx(highest, abs=2e-2)


def test_windows_of_a_stream(sounds: Running, sound: bytes) -> None:
    """A stream is cut by the model's own rule, and its vectors hold no negative value."""
    *windows, _ = sounds.stream(sound)
    vectors = [answer.window.embedding.values for answer in windows]
    assert len(vectors) == 4
    assert all(len(vector) == 48 and min(vector) >= 0 for vector in vectors)


def test_a_number_of_tags_that_can_not_be(sounds: Running, sound: bytes) -> None:
    """It is refused by name."""
    for most in (-1, 1001):
        assert sounds.refuse(sound, max_tags=most).reason is Reason.FIELD_INVALID
    assert "max_tags" in str(sounds.refuse_windows(sound, max_tags=-1))


def test_a_model_that_names_none(service: Running, sound: bytes) -> None:
    """It answers no tags, whatever was asked for."""
    assert not service.embed(sound, max_tags=5).tags
