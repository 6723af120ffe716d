"""A model ready to run: a network with the weights of a checkpoint, checked and described."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import structlog
import threadpoolctl

from embedding_service.checkpoints import checkpoint as checkpoints
from embedding_service.network import families
from embedding_service.network.engine import Options, open_engine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from embedding_service.checkpoints.checkpoint import Checkpoint, Source
    from embedding_service.network.engine import Measured
    from embedding_service.network.family import Outputs, Traits
    from embedding_service.settings import EmbeddingSettings

_HASH_DIGITS = 12

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
    """

    name: str
    display_name: str
    traits: Traits
    weights_sha256: str
    source: Source
    measured: Measured


class Model:
    """An encoder ready to run. Safe for any number of threads at once."""

    def __init__(self, checkpoint: Checkpoint, options: Options | None = None) -> None:
        """Builds PaddleSpeech's network, loads the weights and converts it for the engine.

        Args:
            checkpoint: The weights and the settings of their features.
            options: Options of the engine; the fastest engine by default.

        Raises:
            CheckpointError: PaddleSpeech is missing, the weights do not fit the network, or no
                engine gives its vectors.
        """
        options = options or Options()
        weights = checkpoint.weights
        network = families.build(weights, options.threads or 1)
        self._features = network.features
        self._engine = open_engine(network, options)
        traits = network.traits
        short = weights.sha256[:_HASH_DIGITS]
        self.info = ModelInfo(
            name=f"models/{checkpoint.name}-{short}-p{traits.preparation}",
            display_name=checkpoint.name,
            traits=traits,
            weights_sha256=weights.sha256,
            source=checkpoint.source,
            measured=self._engine.measured,
        )
        log.info("model.loaded", model=self.info.name, source=self.info.source.value)

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


def load_model(settings: EmbeddingSettings) -> Model:
    """Finds the checkpoint that these settings ask for, and makes it ready to run.

    Raises:
        CheckpointError: The checkpoint can't be used, or not with these settings.
    """
    # The products of the features are small: a second thread costs ten times what it saves.
    threadpoolctl.threadpool_limits(1, "blas")
    return Model(checkpoints.choose(settings), Options.of(settings))
