"""PaddleSpeech's ECAPA-TDNN with the weights of a checkpoint: turns samples into vectors."""

from __future__ import annotations

import signal
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import structlog
import threadpoolctl

from embedding_service.checkpoints import checkpoint as checkpoints
from embedding_service.checkpoints.archive import CheckpointError
from embedding_service.network.engine import Network, Options, open_engine
from embedding_service.network.features import FeatureSettings, log_mel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from embedding_service.checkpoints.checkpoint import Checkpoint, Source
    from embedding_service.network.engine import Engine, Measured
    from embedding_service.settings import EmbeddingSettings

DIMENSION = 192
_HASH_DIGITS = 12
_PREPARATION = 2
"""Revision of how audio is prepared for the network; with another one, vectors are not comparable.

1: all samples, channels averaged. 2: silence left out, a channel taken where channels cancel out.
"""
_PREFIX = "backbone."
"""Prefix of the backbone's weights in PaddleSpeech's SpeakerIdetification; others classify."""

log = structlog.get_logger()


@dataclass(frozen=True)
class ModelInfo:
    """A description of a model.

    Attributes:
        name: `models/{checkpoint}-{first 12 digits of the hash}-p{revision of the preparation}`.
        display_name: Name of the checkpoint.
        sample_rate: Sample rate of its input, Hz.
        parameter_count: Number of trainable values in the backbone.
        weights_sha256: Hash of the file of weights, hexadecimal.
        source: Origin of the weights.
        measured: Its precision, and the lowest cosine of its vectors to PaddleSpeech's.
    """

    name: str
    display_name: str
    sample_rate: int
    parameter_count: int
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
        self._features = _features(weights.config)
        backbone = _build(weights.config, options.threads or 1)
        _load(backbone, weights.arrays)
        _require_bands(backbone, self._features)
        self._engine = _open(backbone, checkpoint, self._features, options)
        self.info = ModelInfo(
            name=f"models/{checkpoint.name}-{weights.sha256[:_HASH_DIGITS]}-p{_PREPARATION}",
            display_name=checkpoint.name,
            sample_rate=self._features.sample_rate,
            parameter_count=sum(int(np.prod(p.shape)) for p in backbone.parameters()),
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
        features = log_mel(samples, self._features)
        if not np.isfinite(features).all():
            msg = "the samples hold values that are no numbers"
            raise ArithmeticError(msg)
        return features

    def vectors(self, features: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Runs the network on clips of any number and length.

        Returns:
            The vectors that VectorExecutor gives for each clip, of any norm, shape (clips, 192);
            not finite where the network's values are not.
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


def _open(
    backbone: Any, checkpoint: Checkpoint, features: FeatureSettings, options: Options
) -> Engine:
    import paddle  # noqa: PLC0415  heavy: only where a model runs

    def run(clips: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        with paddle.no_grad():
            # `lengths` is left out: whole clips have no padding to mask, and the result is equal.
            vectors = [backbone(paddle.to_tensor(clip[np.newaxis])).numpy() for clip in clips]
        return np.concatenate(vectors)[:, :, 0]

    weights = checkpoint.weights
    arrays = {key: value.numpy() for key, value in backbone.state_dict().items()}
    network = Network(arrays, weights.config["model"], features, weights.sha256, run)
    return open_engine(network, options)


def _features(config: Mapping[str, Any]) -> FeatureSettings:
    try:
        return FeatureSettings.from_config(config)
    except ValueError as error:
        raise CheckpointError(str(error)) from error


def _build(config: Mapping[str, Any], threads: int) -> Any:
    network = _network_class(threads)
    shape = config.get("model")
    if not isinstance(shape, dict):
        raise CheckpointError("conf/model.yaml lacks model: the shape of the network")
    try:
        backbone = network(**shape)
    except (TypeError, ValueError, AssertionError, IndexError) as error:
        raise CheckpointError(f"conf/model.yaml: model: {error or 'no usable shape'}") from error
    if backbone.emb_size != DIMENSION:
        raise CheckpointError(
            f"conf/model.yaml: model: lin_neurons must be {DIMENSION}, not {backbone.emb_size}"
        )
    backbone.eval()
    return backbone


def _network_class(threads: int) -> Any:
    """Imports PaddleSpeech's class and sets the number of Paddle's threads."""
    with warnings.catch_warnings(), _sigterm_later():
        warnings.simplefilter("ignore")  # about compilers that only Paddle's extensions need
        try:
            import paddle  # noqa: PLC0415  heavy: only where a model runs
            from paddlespeech.vector.models.ecapa_tdnn import EcapaTdnn  # noqa: PLC0415  the same
        except ImportError as error:
            raise CheckpointError(
                f"PaddleSpeech can't be imported ({error}): "
                "pip install --no-deps paddlespeech==1.5.0"
            ) from error
        paddle.disable_signal_handler()  # it prints a trace for a plain SIGTERM
    # Paddle warns at every call about a mask that PaddleSpeech copies.
    warnings.filterwarnings("ignore", message="To copy construct from a tensor")
    paddle.set_device("cpu")
    paddle.base.core.set_num_threads(threads)
    return EcapaTdnn


@contextmanager
def _sigterm_later() -> Iterator[None]:
    """Delays a SIGTERM to the end of the block."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _load(backbone: Any, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Loads the backbone's weights. Refuses missing, unknown and unfit ones."""
    given = {
        key.removeprefix(_PREFIX): array for key, array in arrays.items() if key.startswith(_PREFIX)
    }
    wanted = backbone.state_dict()
    problems = [
        *(f"{key} is missing" for key in wanted if key not in given),
        *(f"{key} is unknown" for key in given if key not in wanted),
        *(
            f"{key} has shape {given[key].shape}, not {tuple(value.shape)}"
            for key, value in wanted.items()
            if key in given and given[key].shape != tuple(value.shape)
        ),
        *(
            f"{key} holds values that are no numbers"
            for key, array in given.items()
            if array.dtype.kind != "f" or not np.isfinite(array).all()
        ),
    ]
    if problems:
        more = f" (and {len(problems) - 3} more)" if len(problems) > 3 else ""
        raise CheckpointError(
            "model/model.pdparams does not fit conf/model.yaml: " + "; ".join(problems[:3]) + more
        )
    backbone.set_state_dict({key: array.astype(np.float32) for key, array in given.items()})


def _require_bands(backbone: Any, features: FeatureSettings) -> None:
    bands = backbone.blocks[0].conv.conv.weight.shape[1]
    if bands != features.n_mels:
        raise CheckpointError(
            f"conf/model.yaml: n_mels is {features.n_mels}, but the network takes {bands}"
        )
