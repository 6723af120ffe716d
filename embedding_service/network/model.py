"""A model ready to run: a network with the weights of a checkpoint, checked and described."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import structlog
import threadpoolctl

from embedding_service.checkpoints import checkpoint as checkpoints
from embedding_service.checkpoints.archive import CheckpointError
from embedding_service.checkpoints.wanted import parse
from embedding_service.network import families, memory, precision
from embedding_service.network.engine import Options, open_engine
from embedding_service.network.families import paddlespeech
from embedding_service.network.family import Purpose, Sizes
from embedding_service.network.known import Known
from embedding_service.network.precision import Precision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from embedding_service.checkpoints.checkpoint import Checkpoint, Source
    from embedding_service.network.engine import Measured
    from embedding_service.network.family import Outputs, Traits
    from embedding_service.settings import EmbeddingSettings

_HASH_DIGITS = 12
_WEIGHT_BYTES = 4

log = structlog.get_logger()


@dataclass(frozen=True)
class ModelInfo:
    """A description of a model.

    Attributes:
        name: `models/{checkpoint}-{first 12 digits of the hash}-p{revision of the preparation}`.
        display_name: Name of the checkpoint.
        traits: Properties of its network: purpose, dimension, sample rate, window rule, tags.
        weights_sha256: Hash of the file of weights, hexadecimal.
        source: Origin of the weights.
        measured: Its precision, and the lowest cosine of its vectors to PaddleSpeech's.
        memory_bytes: Memory that it took when it was loaded.
    """

    name: str
    display_name: str
    traits: Traits
    weights_sha256: str
    source: Source
    measured: Measured
    memory_bytes: int


class Model:
    """An encoder ready to run. Safe for any number of threads at once."""

    def __init__(self, checkpoint: Checkpoint, options: Options | None = None) -> None:
        """Builds PaddleSpeech's network, loads the weights and converts it for the engine.

        Paddle is imported only if a sealed file is missing, of an earlier start or of the bundle.

        Args:
            checkpoint: The weights and the settings of their features.
            options: Options of the engine; the fastest engine by default.

        Raises:
            CheckpointError: PaddleSpeech is missing, the weights do not fit the network, or no
                engine gives its vectors.
        """
        options = options or Options()
        weights = checkpoint.weights
        known = Known(weights, options.cache, options.shipped)
        sizes = None if options.precision is Precision.PADDLE else known.sizes()
        _import_libraries(options, paddle=sizes is None)
        before = memory.resident_bytes()
        network = families.build(weights, options.threads or 1, sizes)
        self._features = network.features
        self._engine = open_engine(network, options)
        traits = network.traits
        if sizes is None:
            known.remember(Sizes(traits.dimension, traits.parameter_count))
        del network
        taken = max(memory.resident_bytes() - before, _WEIGHT_BYTES * traits.parameter_count)
        self.info = ModelInfo(
            name=name_of(checkpoint),
            display_name=checkpoint.name,
            traits=traits,
            weights_sha256=weights.sha256,
            source=checkpoint.source,
            measured=self._engine.measured,
            memory_bytes=taken,
        )
        log.info(
            "model.loaded",
            model=self.info.name,
            source=self.info.source.value,
            purpose=traits.purpose.value,
            memory_mb=round(taken / 1e6),
        )

    def features(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Computes the network's input.

        Args:
            samples: Mono, shape (n,), at the model's sample rate, with n at least one frame.

        Returns:
            Features, shape (bands, frames).

        Raises:
            ArithmeticError: Samples are not finite, which the network would hide.
        """
        features = self._features(samples)
        if not np.isfinite(features).all():
            msg = "the samples hold values that are no numbers"
            raise ArithmeticError(msg)
        return features

    def run(self, features: Sequence[NDArray[np.float32]]) -> Outputs:
        """Runs the network on clips of any number and length.

        Returns:
            The vectors, of any norm, and tags that PaddleSpeech gives for each clip; not finite
            where the network's values are not.
        """
        return self._engine.run(features)

    def run_beside(self, features: Sequence[NDArray[np.float32]]) -> Outputs:
        """Does the same with a share of the threads, beside others that do so."""
        return self._engine.run_beside(features)

    @property
    def runs(self) -> int:
        """The number of runs that share the threads in `run_beside`; 1 if there is but one."""
        return self._engine.runs


def name_of(checkpoint: Checkpoint) -> str:
    """Returns the name of the model of a checkpoint, which need not be loaded for it.

    Raises:
        CheckpointError: It is of no family that is known.
    """
    weights = checkpoint.weights
    preparation = families.PREPARATIONS.get(weights.layout.family)
    if preparation is None:
        raise CheckpointError(f"{weights.layout.family} is no family of networks")
    return f"models/{checkpoint.name}-{weights.sha256[:_HASH_DIGITS]}-p{preparation}"


def _import_libraries(options: Options, *, paddle: bool) -> None:
    """Imports OpenVINO, and Paddle if it is needed; their memory is no part of a model's."""
    if paddle:
        paddlespeech.imported("paddle", options.threads or 1)
    if options.precision is not Precision.PADDLE:
        precision.available()


def load_models(settings: EmbeddingSettings) -> list[Model]:
    """Finds the checkpoints that these settings ask for, and makes them ready to run.

    One after the other: each measures its speed, and takes all processors for it.

    Raises:
        CheckpointError: A checkpoint can't be used, or not with these settings; or there is none.
    """
    # The products of the features are small: a second thread costs ten times what it saves.
    threadpoolctl.threadpool_limits(1, "blas")
    options = Options.of(settings)
    models: list[Model] = []
    for checkpoint in checkpoints.choose(settings):
        model = Model(checkpoint, options)
        if any(model.info.name == other.info.name for other in models):
            log.warning("AUDIOSEARCH_MODELS asks twice for one model", model=model.info.name)
        else:
            models.append(model)
    if not models:
        raise CheckpointError("no model of AUDIOSEARCH_MODELS can be run")
    _require_purpose(settings, models)
    return models


def _require_purpose(settings: EmbeddingSettings, models: Sequence[Model]) -> None:
    """Checks that a checkpoint that was set for voices is one for voices."""
    asked = any(wanted.name == Purpose.VOICES.value for wanted in parse(settings.models))
    if asked and all(model.info.traits.purpose is not Purpose.VOICES for model in models):
        raise CheckpointError(
            f"AUDIOSEARCH_CHECKPOINT: {settings.checkpoint} holds a model for sounds: name it in "
            "AUDIOSEARCH_MODELS as NAME=PATH"
        )
