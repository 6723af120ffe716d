"""PANNs: PaddleSpeech's networks CNN14, CNN10 and CNN6, which tell sounds apart and name them."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from embedding_service.checkpoints.archive import CheckpointError
from embedding_service.network.families import paddlespeech
from embedding_service.network.families.panns import graph
from embedding_service.network.families.panns import network as classes
from embedding_service.network.families.panns.features import log_mel, settings_of
from embedding_service.network.families.panns.network import Shape
from embedding_service.network.families.panns.packing import Batches
from embedding_service.network.family import Network, Outputs, Purpose, Sizes, Traits
from embedding_service.network.precision import Precision
from embedding_service.windows import SECOND_NS, Rule

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from embedding_service.checkpoints.archive import Weights
    from embedding_service.network.features import FeatureSettings

KINDS = {f"panns_{kind.lower()}": kind for kind in classes.KINDS}
"""PaddleSpeech's classes by the layout of their official checkpoints."""

NAMES = ("panns", *KINDS)
"""Names of the layouts: one that says its class itself, and PaddleSpeech's for each class."""

WINDOW_RULE = Rule(2 * SECOND_NS, SECOND_NS, 2 * SECOND_NS)

_CHEAP = r"bn0|pool|fc1|fc_audioset|vectors|tags"
KEPT = {
    Precision.MIXED: re.compile(rf"{_CHEAP}|conv_block1\."),
    Precision.BF16: re.compile(_CHEAP),
}
"""Layers that stay in fp32. Those before the first convolution and after the last one cost no time:
features of up to 100 dB would lose half a decibel. MIXED adds the first block."""

PREPARATION = 1
"""Revision of how audio is prepared.

1: silence left out, and put after clips that are too short for the network.
"""

_LONGEST_LABEL = 127
"""Characters of a tag's name, as the contract has them."""


def build(weights: Weights, threads: int, sizes: Sizes | None = None) -> Network:
    """Builds one of PaddleSpeech's classes with the weights of a checkpoint.

    With sizes that are known, it is built where it is needed. Weights that the class does not know
    are left out, as PaddleSpeech does.

    Raises:
        CheckpointError: PaddleSpeech is missing, or the weights or the labels do not fit.
    """
    files = weights.layout
    _require_labels(weights)
    try:
        features = settings_of(weights.config)
        shape = Shape.from_config(_section(weights), len(weights.labels))
    except ValueError as error:
        raise CheckpointError(f"{files.config}: {error}") from error

    @functools.cache
    def made() -> Any:
        with classes.without_downloads():
            paddlespeech.imported(classes.MODULE, threads)
        network = classes.build(shape)
        known = network.state_dict()
        given = {key: array for key, array in weights.arrays.items() if key in known}
        paddlespeech.load(network, given, f"{files.weights} does not fit {files.config}")
        return network

    sizes = sizes or _sizes(made(), shape)
    return _network(made, shape, features, weights.sha256, weights.labels, sizes, weights.arrays)


def _section(weights: Weights) -> Mapping[str, Any]:
    """Returns the description of the network: PaddleSpeech's own files say their class by name."""
    family = weights.layout.family
    if family in KINDS:
        return {"class": KINDS[family]}
    section = weights.config.get("model")
    if not isinstance(section, dict):
        raise ValueError("model is missing: the class of the network")  # noqa: TRY004
    return section


def _require_labels(weights: Weights) -> None:
    """Checks that each tag of the weights has a name of its own."""
    labels, file = weights.labels, weights.layout.labels
    last = weights.arrays.get("fc_audioset.bias")
    if last is not None and last.shape != (len(labels),):
        raise CheckpointError(
            f"{file} names {len(labels)} kinds of sound, but {weights.layout.weights} knows "
            f"{last.size}"
        )
    for number, label in enumerate(labels):
        if len(label) > _LONGEST_LABEL or not label.isprintable():
            raise CheckpointError(f"{file}: {label[:_LONGEST_LABEL]!r} can't be a name")
        if label in labels[:number]:
            raise CheckpointError(f"{file} names {label!r} twice")


def network_of(
    made: Any, shape: Shape, features: FeatureSettings, sha256: str, labels: tuple[str, ...]
) -> Network:
    """Describes one of PaddleSpeech's classes to the engine.

    Args:
        made: Its instance, its weights loaded.
        shape: Its shape.
        features: Settings of the features that it takes.
        sha256: Hash of its weights.
        labels: Names of its tags.
    """
    sizes, arrays = _sizes(made, shape), _arrays(made)
    return _network(lambda: made, shape, features, sha256, labels, sizes, arrays)


def _network(
    made: Callable[[], Any],
    shape: Shape,
    features: FeatureSettings,
    sha256: str,
    labels: tuple[str, ...],
    sizes: Sizes,
    arrays: Mapping[str, NDArray[Any]],
) -> Network:
    """Describes one of PaddleSpeech's classes, maybe not built yet. The arrays are its weights."""
    least = shape.frames_a_step
    return Network(
        traits=Traits(
            family=next(name for name, kind in KINDS.items() if kind == shape.kind),
            purpose=Purpose.SOUNDS,
            dimension=sizes.dimension,
            sample_rate=features.sample_rate,
            parameter_count=sizes.parameter_count,
            window_rule=WINDOW_RULE,
            min_score=0.0,  # no vector holds a negative value
            features=features.in_words(),
            description=f"{shape.kind} of PANNs",
            preparation=PREPARATION,
            tags=labels,
        ),
        sha256=sha256,
        features=functools.partial(log_mel, settings=features, least_frames=least),
        paddle=lambda clips: _run(made(), clips),
        graph=lambda: graph.build(paddlespeech.as_float32(arrays)),
        packing=Batches(),
        identity=f"graph {graph.GRAPH_VERSION} {shape} {features}",
        kept=KEPT,
    )


def _sizes(made: Any, shape: Shape) -> Sizes:
    return Sizes(shape.embedding, paddlespeech.parameter_count(made))


def _arrays(made: Any) -> dict[str, NDArray[Any]]:
    return {key: value.numpy() for key, value in made.state_dict().items()}


def _run(made: Any, clips: Sequence[NDArray[np.float32]]) -> Outputs:
    import paddle  # noqa: PLC0415  heavy: only where a model runs

    vectors, tags = [], []
    with paddle.no_grad():
        for clip in clips:
            vector = made(paddle.to_tensor(clip.T[np.newaxis, np.newaxis]))
            vectors.append(vector.numpy())
            # As its forward pass does without `extract_embedding`, which would run all again.
            tags.append(paddle.nn.functional.sigmoid(made.fc_audioset(vector)).numpy())
    return Outputs(np.concatenate(vectors), np.concatenate(tags))
