"""ECAPA-TDNN: PaddleSpeech's networks that tell voices apart."""

from __future__ import annotations

import functools
import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from embedding_service.checkpoints.archive import CheckpointError
from embedding_service.network.families import paddlespeech
from embedding_service.network.families.ecapatdnn import graph
from embedding_service.network.families.ecapatdnn.packing import TimeAxis
from embedding_service.network.family import Network, Outputs, Purpose, Sizes, Traits
from embedding_service.network.features import FeatureSettings, log_mel
from embedding_service.network.precision import Precision
from embedding_service.speech.weights import SpeechModelError, read_weights
from embedding_service.windows import SECOND_NS, Rule

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from embedding_service.checkpoints.archive import Weights

NAME = "ecapatdnn"

WINDOW_RULE = Rule(3 * SECOND_NS, 3 * SECOND_NS // 2, 6 * SECOND_NS)

_ONCE_A_CLIP = r"fc\.|asp\.context\.|.*\.se_block\."
KEPT = {
    Precision.MIXED: re.compile(rf"{_ONCE_A_CLIP}|blocks\.0\.|asp\."),
    Precision.BF16: re.compile(_ONCE_A_CLIP),
}
"""Layers that stay in fp32. Those that run once a clip, not once a frame, cost no time and improve
the vectors most. MIXED adds the first layer and the pooling."""

PREPARATION = 3
"""Revision of how audio is prepared.

1: all samples, channels averaged. 2: silence left out, a channel taken where channels cancel out.
3: all but speech left out, where there is speech.
"""

DECISION_SECONDS = 2.0
"""Speech from which on a decision is sure, by the figures in docs/speakers.md."""

_PREFIX = "backbone."
"""Prefix of the backbone's weights in PaddleSpeech's SpeakerIdetification; others classify."""

_MISFIT = "model/model.pdparams does not fit conf/model.yaml"


def build(weights: Weights, threads: int, sizes: Sizes | None = None) -> Network:
    """Builds PaddleSpeech's EcapaTdnn with the weights of a checkpoint.

    With sizes that are known, it is built where it is needed.

    Raises:
        CheckpointError: PaddleSpeech or the detector of speech is missing, or the weights do not
            fit.
    """
    try:
        read_weights()
    except SpeechModelError as error:
        raise CheckpointError(str(error)) from error
    features = _features(weights.config)
    given = {
        key.removeprefix(_PREFIX): array
        for key, array in weights.arrays.items()
        if key.startswith(_PREFIX)
    }

    @functools.cache
    def backbone() -> Any:
        made = _backbone(weights.config, threads)
        paddlespeech.load(made, given, _MISFIT)
        _require_bands(made, features)
        return made

    sizes = sizes or _sizes(backbone())
    return _network(backbone, weights.config["model"], features, weights.sha256, sizes, given)


def network_of(
    backbone: Any, shape: Mapping[str, Any], features: FeatureSettings, sha256: str
) -> Network:
    """Describes an EcapaTdnn to the engine.

    Args:
        backbone: PaddleSpeech's network, its weights loaded.
        shape: The keyword arguments that it was made with.
        features: Settings of the features that it takes.
        sha256: Hash of its weights.
    """
    return _network(lambda: backbone, shape, features, sha256, _sizes(backbone), _arrays(backbone))


def _network(
    backbone: Callable[[], Any],
    shape: Mapping[str, Any],
    features: FeatureSettings,
    sha256: str,
    sizes: Sizes,
    arrays: Mapping[str, NDArray[Any]],
) -> Network:
    """Describes an EcapaTdnn that may not be built yet. The arrays are its weights."""
    return Network(
        traits=Traits(
            family=NAME,
            purpose=Purpose.VOICES,
            dimension=sizes.dimension,
            sample_rate=features.sample_rate,
            parameter_count=sizes.parameter_count,
            window_rule=WINDOW_RULE,
            min_score=-1.0,
            features=features.in_words(),
            description="ECAPA-TDNN",
            preparation=PREPARATION,
            decision_seconds=DECISION_SECONDS,
        ),
        sha256=sha256,
        features=functools.partial(log_mel, settings=features),
        paddle=lambda clips: _run(backbone(), clips),
        graph=lambda: graph.build(paddlespeech.as_float32(arrays), shape),
        packing=TimeAxis(graph.margin(arrays, shape)),
        identity=f"graph {graph.GRAPH_VERSION} {json.dumps(shape, sort_keys=True, default=str)} "
        f"{features}",
        kept=KEPT,
    )


def _sizes(backbone: Any) -> Sizes:
    return Sizes(backbone.emb_size, paddlespeech.parameter_count(backbone))


def _arrays(backbone: Any) -> dict[str, NDArray[Any]]:
    return {key: value.numpy() for key, value in backbone.state_dict().items()}


def _run(backbone: Any, clips: Sequence[NDArray[np.float32]]) -> Outputs:
    import paddle  # noqa: PLC0415  heavy: only where a model runs

    with paddle.no_grad():
        # `lengths` is left out: whole clips have no padding to mask, and the result is equal.
        vectors = [backbone(paddle.to_tensor(clip[np.newaxis])).numpy() for clip in clips]
    return Outputs.without_tags(np.concatenate(vectors)[:, :, 0])


def _features(config: Mapping[str, Any]) -> FeatureSettings:
    try:
        return FeatureSettings.from_config(config)
    except ValueError as error:
        raise CheckpointError(str(error)) from error


def _backbone(config: Mapping[str, Any], threads: int) -> Any:
    module = paddlespeech.imported("paddlespeech.vector.models.ecapa_tdnn", threads)
    shape = config.get("model")
    if not isinstance(shape, dict):
        raise CheckpointError("conf/model.yaml lacks model: the shape of the network")
    try:
        return module.EcapaTdnn(**shape)
    except (TypeError, ValueError, AssertionError, IndexError) as error:
        raise CheckpointError(f"conf/model.yaml: model: {error or 'no usable shape'}") from error


def _require_bands(backbone: Any, features: FeatureSettings) -> None:
    bands = backbone.blocks[0].conv.conv.weight.shape[1]
    if bands != features.n_mels:
        raise CheckpointError(
            f"conf/model.yaml: n_mels is {features.n_mels}, but the network takes {bands}"
        )
