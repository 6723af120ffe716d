"""Weights that fitted PaddleSpeech's class at an earlier start, and need no Paddle any more."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from embedding_service.network.family import Sizes
from embedding_service.network.sealed import SealedFiles

if TYPE_CHECKING:
    from pathlib import Path

    from embedding_service.checkpoints.archive import Weights

_FORMAT = 1
"""Version of the check and of its file; others are not read."""

_KEY_DIGITS = 24
_FOLDER = "fitting"


class Known:
    """Tells of the weights of a checkpoint if they are known to fit, and remembers that they do."""

    def __init__(self, weights: Weights, cache: Path | None, shipped: Path | None = None) -> None:
        """Takes the weights, and the folders of what is kept and of what is only read, if any."""
        parts = [
            weights.sha256,
            f"{weights.layout.family}, format {_FORMAT}",
            json.dumps(weights.config, sort_keys=True, default=str),
            *weights.labels,
        ]
        digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
        self._name = f"{weights.sha256[:12]}-{digest[:_KEY_DIGITS]}"
        self._files = SealedFiles(cache and cache / _FOLDER, shipped and shipped / _FOLDER)

    def sizes(self) -> Sizes | None:
        """Returns the sizes of weights that are known to fit, or None."""
        kept = self._files.read(self._name)
        return None if kept is None else Sizes(*json.loads(kept))

    def remember(self, sizes: Sizes) -> None:
        """Keeps the sizes of weights that fit."""
        self._files.write(self._name, json.dumps(sizes).encode())
