"""The view that the service has of a network, whatever family it is of.

A family is a folder of `families`. It reads the config of a checkpoint, builds PaddleSpeech's
class with its weights, computes its features, and converts it for the engine. All else is shared:
finding weights, the choice of a precision and its check, batches, turns, windows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import re

    from embedding_service.network.precision import Precision
    from embedding_service.windows import Rule

Samples = NDArray[np.floating[Any]]
"""Mono, shape (n,), at the network's sample rate."""

Features = NDArray[np.float32]
"""Input of the network for a clip, shape (bands, frames)."""


class Purpose(Enum):
    """The purpose of a network: what its vectors tell apart."""

    VOICES = "voices"
    SOUNDS = "sounds"


class Outputs(NamedTuple):
    """Results of a network, one row for each clip.

    Attributes:
        vectors: Vectors of any norm, shape (clips, dimension), float32.
        tags: Probabilities of its tags, shape (clips, tags), float32; no columns if it has none.
    """

    vectors: NDArray[np.float32]
    tags: NDArray[np.float32]

    @classmethod
    def without_tags(cls, vectors: NDArray[np.float32]) -> Outputs:
        """Returns the results of a network that names no tags."""
        return cls(vectors, np.empty((len(vectors), 0), np.float32))


Run = Callable[[Sequence[Features]], Outputs]
"""Runs a network on clips of any number and length."""


class Packing(Protocol):
    """A way to put clips of different lengths into one run of the graph."""

    def groups(self, lengths: Sequence[int]) -> Iterator[Sequence[int]]:
        """Yields the numbers of the clips of each run, each clip once.

        Args:
            lengths: Frames of each clip.
        """

    def inputs(self, clips: Sequence[Features]) -> Sequence[NDArray[Any]]:
        """Returns the inputs of the graph, in its order, for the clips of one group."""


def run_in_groups(packing: Packing, infer: Run, clips: Sequence[Features]) -> Outputs:
    """Runs clips of any number and length, and returns their results in the order of the clips.

    Args:
        packing: Says which clips go into one run.
        infer: Runs the clips of one group.
        clips: Features, each of shape (bands, frames), float32.
    """
    groups = list(packing.groups([clip.shape[1] for clip in clips]))
    parts = [infer([clips[index] for index in group]) for group in groups]
    order = np.argsort(np.concatenate(groups), kind="stable")
    vectors, tags = (np.concatenate(part)[order] for part in zip(*parts, strict=True))
    return Outputs(vectors, tags)


@dataclass(frozen=True)
class Traits:
    """Properties of a network that others than the engine need.

    Attributes:
        family: Name of the family.
        purpose: Its purpose.
        dimension: Length of its vectors.
        sample_rate: Sample rate of its input, Hz.
        parameter_count: Number of trainable values.
        window_rule: Rule by which recordings are cut into windows for a search.
        min_score: Lowest cosine that two of its vectors can have.
        features: Its features, in words.
        description: A sentence for people about the network, without its weights.
        preparation: Revision of how audio is prepared for it; with another one, vectors are not
            comparable. It is part of the model's name.
        min_seconds: Shortest audio that it can take.
        tags: Names of its tags, in the order of `Outputs.tags`.
        decision_seconds: Speech from which on one recording carries a decision about a voice. Its
            network is for voices then, and hears nothing but speech. None for other sounds.
    """

    family: str
    purpose: Purpose
    dimension: int
    sample_rate: int
    parameter_count: int
    window_rule: Rule
    min_score: float
    features: str
    description: str
    preparation: int
    min_seconds: float = 0.0
    tags: tuple[str, ...] = ()
    decision_seconds: float | None = None


class Sizes(NamedTuple):
    """Numbers that PaddleSpeech's class tells of weights that fit it."""

    dimension: int
    parameter_count: int


@dataclass(frozen=True)
class Network:
    """A network with the weights of a checkpoint, to be run by PaddleSpeech or by the engine.

    Paddle is imported only where `paddle` or `graph` is called, if the sizes were known before.

    Attributes:
        traits: Its properties.
        sha256: Hash of the weights, hexadecimal.
        features: Computes the features of one clip's samples.
        paddle: PaddleSpeech's own network. Used from one thread at a time.
        graph: Builds the graph: a serialized ONNX model whose first output are the vectors, and
            whose second one are the tags, where it has any.
        packing: Puts clips into the graph.
        identity: Text of all that the graph and PaddleSpeech's results depend on beside weights:
            shape, settings of the features, and the version of the code that converts it.
        kept: Names of the layers that stay in fp32, by precision.
    """

    traits: Traits
    sha256: str
    features: Callable[[Samples], Features]
    paddle: Run
    graph: Callable[[], bytes]
    packing: Packing
    identity: str
    kept: Mapping[Precision, re.Pattern[str]] = field(default_factory=dict)
