"""Streamed samples as frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Framing:
    """Cuts samples into frames, whatever the blocks that they come in."""

    def __init__(self, sample_rate: int, seconds: float) -> None:
        """Takes the sample rate in Hz and the length of a frame."""
        self.length = max(1, round(seconds * sample_rate))
        """Samples of a frame."""
        self._rest = np.zeros(0, np.float32)

    def add(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Takes the next samples, mono, shape (n,); gives the whole frames, shape (k, length)."""
        joined = np.concatenate([self._rest, samples])
        whole = len(joined) - len(joined) % self.length
        self._rest = joined[whole:]
        return joined[:whole].reshape(-1, self.length)

    def finish(self) -> NDArray[np.float32]:
        """Gives the samples that are left as one short frame, shape (1, m); none: shape (0, 1)."""
        rest, self._rest = self._rest, self._rest[:0]
        return rest[np.newaxis] if len(rest) else np.zeros((0, 1), np.float32)
