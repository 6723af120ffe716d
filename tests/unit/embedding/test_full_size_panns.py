"""CNN14 as large as the official one: converted, run in the fastest precision, compared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from embedding_service.network import precision
from embedding_service.network.engine import LARGEST_TAG_ERROR, LOWEST_COSINE
from embedding_service.network.families import panns
from embedding_service.network.families.panns.network import AUDIOSET_TAGS, Shape
from embedding_service.network.reference import Reference, signals
from tools.servers.checkpoints import PANNS_FEATURES, random_panns

pytestmark = pytest.mark.slow


@pytest.mark.timeout(600)
def test_vectors_and_tags_are_paddlespeechs() -> None:
    """Its vectors of clips of unlike length, together and alone, pass the gate of every start."""
    shape = Shape("CNN14")
    made: Any = random_panns(shape)
    features = panns.settings_of({"feature": PANNS_FEATURES})
    labels = tuple(f"Kind {number}" for number in range(AUDIOSET_TAGS))
    network = panns.network_of(made, shape, features, "0" * 64, labels)
    assert (network.traits.dimension, network.traits.parameter_count) == (2048, 80_769_871)
    short = [signal for signal in signals(features.sample_rate) if len(signal) <= 2 * 32000]
    clips = [network.features(signal.astype(np.float32)) for signal in short]
    fastest = precision.available()[-1]
    run = precision.compile_graph(
        network.graph(), network.packing, fastest, 2, kept=network.kept.get(fastest)
    ).run
    likeness = Reference(network.paddle(clips), 0).compare(run, clips)
    assert likeness.lowest_cosine >= LOWEST_COSINE
    assert likeness.tag_error <= LARGEST_TAG_ERROR
