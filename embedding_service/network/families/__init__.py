"""The families of networks. Another one is a folder here, and a line in `FAMILIES`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedding_service.checkpoints.archive import CheckpointError
from embedding_service.network.families import ecapatdnn, panns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from embedding_service.checkpoints.archive import Weights
    from embedding_service.network.family import Network, Sizes

FAMILIES: Mapping[str, Callable[[Weights, int, Sizes | None], Network]] = {
    ecapatdnn.NAME: ecapatdnn.build,
    **dict.fromkeys(panns.NAMES, panns.build),
}
"""Builds a network from a checkpoint, the number of Paddle's threads, and its sizes if they are
known, by the family's name.

Each raises CheckpointError if PaddleSpeech is missing, or the weights do not fit its class.
"""

PREPARATIONS: Mapping[str, int] = {
    ecapatdnn.NAME: ecapatdnn.PREPARATION,
    **dict.fromkeys(panns.NAMES, panns.PREPARATION),
}
"""Revision of how audio is prepared, by the family's name."""


def build(weights: Weights, threads: int, sizes: Sizes | None = None) -> Network:
    """Builds the network of a checkpoint.

    Args:
        weights: The contents of the checkpoint.
        threads: Threads of PaddleSpeech's own network.
        sizes: The sizes, where these very weights were found to fit before. Without them Paddle
            is imported, and the weights are held against its class.

    Raises:
        CheckpointError: PaddleSpeech is missing, or the weights do not fit the network.
    """
    family = FAMILIES.get(weights.layout.family)
    if family is None:
        raise CheckpointError(
            f"{weights.layout.family} is no family of networks: there are {', '.join(FAMILIES)}"
        )
    return family(weights, threads, sizes)
