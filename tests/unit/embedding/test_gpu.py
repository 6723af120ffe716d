"""The network on ONNX Runtime, by its provider for processors: no GPU is needed to try the rest."""

from __future__ import annotations

import numpy as np
import pytest

from embedding_service.network import gpu, reference
from embedding_service.network.engine import LOWEST_COSINE, EngineError, Options, open_engine
from embedding_service.network.family import Network
from embedding_service.network.gpu import Device
from embedding_service.network.precision import Precision
from embedding_service.network.reference import Reference
from embedding_service.settings import EmbeddingSettings
from tests.unit.embedding.test_engine import NARROW, drawn, spoken

PROCESSOR = "CPUExecutionProvider"


@pytest.fixture(scope="module")
def narrow() -> Network:
    """The official shape, but narrow."""
    return drawn(NARROW)


def test_paddlespeechs_vectors(narrow: Network) -> None:
    """The check of an engine finds nothing: signals alone and together, of unlike lengths."""
    run = gpu.compile_graph(narrow.graph(), narrow.packing, PROCESSOR).run
    signals = reference.features(narrow)[:8]
    made = Reference.of(narrow.paddle, signals)
    assert made.compare(run, signals).lowest_cosine >= LOWEST_COSINE
    several = spoken(0.3) + spoken(1.1, 1) + spoken(0.2, 2)
    theirs = narrow.paddle(several).vectors
    np.testing.assert_allclose(run(several).vectors, theirs, atol=1e-4 * np.abs(theirs).max())


def test_a_gpu_that_is_asked_for_and_missing_ends_the_start(narrow: Network) -> None:
    """The message says what to install, or to set."""
    with pytest.raises(EngineError, match=r"onnxruntime-gpu.*AUDIOSEARCH_DEVICE"):
        open_engine(narrow, Options(device=Device.CUDA))


def test_without_its_package_auto_takes_the_processor(narrow: Network) -> None:
    """As if nothing had been said."""
    assert not gpu.is_installed()
    engine = open_engine(narrow, Options(Precision.FP32, device=Device.AUTO))
    assert engine.measured.lowest_cosine >= LOWEST_COSINE


@pytest.mark.parametrize("precision", ["mixed", "bf16", "paddle"])
def test_a_gpu_computes_in_fp32_alone(precision: str) -> None:
    """Another precision beside it is refused by name."""
    with pytest.raises(ValueError, match="AUDIOSEARCH_ENCODER_PRECISION"):
        EmbeddingSettings(device="cuda", encoder_precision=precision)
