"""PaddleSpeech's own vectors of a fixed set of signals, to compare an engine's vectors with."""

from __future__ import annotations

import io
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from embedding_service.network.family import Outputs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from embedding_service.network.family import Network, Run

VERSION = 1
"""Version of the signals and of their features, to be raised with every change of either."""

_TIMED = 0
"""Number of the signal that speed is measured with: a voice of 5 s."""

_REPEATS = 5


class Likeness(NamedTuple):
    """Likeness of two ways to run a network, over all signals.

    Attributes:
        lowest_cosine: Lowest cosine similarity of the vectors; -1 if one is not finite.
        tag_error: Largest difference of a tag's probability; infinite if one is not finite.
    """

    lowest_cosine: float
    tag_error: float


@dataclass(frozen=True)
class Reference:
    """Results of PaddleSpeech's network for the signals.

    Attributes:
        outputs: Vectors of any norm and tags, a row for each signal.
        seconds: Time for one clip of 5 s.
    """

    outputs: Outputs
    seconds: float

    def to_bytes(self) -> bytes:
        """Writes the results as bytes."""
        file = io.BytesIO()
        np.savez(file, **self.outputs._asdict(), seconds=self.seconds)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Reference:
        """Reads the bytes that `to_bytes` wrote."""
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            return cls(Outputs(file["vectors"], file["tags"]), float(file["seconds"]))

    @classmethod
    def of(cls, run: Run, signals: Sequence[NDArray[np.float32]]) -> Reference:
        """Runs the network on every signal."""
        return cls(run(signals), seconds([run], signals)[0])

    def of_some(self, numbers: Sequence[int]) -> Reference:
        """Returns the results of some of the signals."""
        chosen = list(numbers)
        outputs = Outputs(self.outputs.vectors[chosen], self.outputs.tags[chosen])
        return Reference(outputs, self.seconds)

    def compare(self, run: Run, signals: Sequence[NDArray[np.float32]]) -> Likeness:
        """Compares another way to run the network: each signal alone, then all together."""
        alone = [run([signal]) for signal in signals]
        runs = [Outputs(*map(np.concatenate, zip(*alone, strict=True))), run(signals)]
        return Likeness(
            min(
                _cosine(theirs, ours)
                for outputs in runs
                for theirs, ours in zip(self.outputs.vectors, outputs.vectors, strict=True)
            ),
            max(_largest(outputs.tags - self.outputs.tags) for outputs in runs),
        )


def seconds(runs: Sequence[Run], signals: Sequence[NDArray[np.float32]]) -> list[float]:
    """Returns the time of each way to run one clip of 5 s: the shortest of a few.

    They run in turn, so that another program disturbs all of them alike.
    """
    timed = [signals[_TIMED]]
    for run in runs:
        run(timed)
    taken: list[list[float]] = [[] for _ in runs]
    for _ in range(_REPEATS):
        for run, times in zip(runs, taken, strict=True):
            start = time.perf_counter()
            run(timed)
            times.append(time.perf_counter() - start)
    return [min(times) for times in taken]


def features(network: Network) -> list[NDArray[np.float32]]:
    """Returns the network's features of those signals that are long enough for it.

    Returns:
        One array of shape (bands, frames) for each signal.
    """
    rate = network.traits.sample_rate
    least = network.traits.min_seconds * rate
    return [network.features(signal) for signal in signals(rate) if len(signal) >= least]


def signals(rate: int) -> list[NDArray[np.float64]]:
    """Makes the signals, 0.1 to 60 s long, at a sample rate in Hz.

    The signals are voices and noises, and cases that are hard on rounding: digital silence,
    changing levels, a single frequency, little bandwidth.
    """
    bits = np.random.PCG64(1)
    return [*_voices(rate, bits), *_noises(rate, bits), *_tones(rate)]


def _times(rate: int, length: float) -> NDArray[np.float64]:
    return np.arange(round(rate * length)) / rate


def _voices(rate: int, bits: Any) -> Iterator[NDArray[np.float64]]:
    """Makes a buzz of gliding pitch in syllables, with quiet noise for the breath."""
    for length, pitch in ((5, 120), (0.5, 210), (1, 95), (60, 160)):
        t = _times(rate, length)
        phase = np.cumsum(pitch * (1 + 0.2 * np.sin(2 * np.pi * 0.7 * t))) / rate
        syllables = np.clip(np.sin(2 * np.pi * 2.3 * t) + 0.4, 0, 1)
        yield 0.2 * syllables * (2 * (phase % 1) - 1) + 0.003 * _noise(len(t), bits)


def _noises(rate: int, bits: Any) -> Iterator[NDArray[np.float64]]:
    """Makes noise: white, swelling, low-passed, interrupted by silence, followed by silence."""
    for length, level in ((0.1, 0.1), (0.5, 0.003), (1, 0.3), (20, 0.1)):
        yield level * _noise(round(rate * length), bits)
    t = _times(rate, 2)
    swelling = 0.002 * np.exp(3 * np.sin(2 * np.pi * 0.5 * t))
    yield swelling * _noise(len(t), bits)
    yield 0.1 * np.convolve(_noise(len(t), bits), np.ones(16) / 16, "same")
    yield 0.1 * _noise(len(t), bits) * (np.sin(2 * np.pi * 1.5 * t) > 0)
    yield 0.1 * _noise(len(t), bits) * (t < 0.3)


def _tones(rate: int) -> Iterator[NDArray[np.float64]]:
    t = _times(rate, 1)
    yield 0.3 * np.sin(2 * np.pi * 440 * t)
    yield 0.3 * np.sin(2 * np.pi * (200 + 1000 * t) * t)


def _noise(count: int, bits: Any) -> NDArray[np.float64]:
    """Makes white noise in [-1, 1) from raw bits, which are equal in every version of NumPy."""
    noise: NDArray[np.float64] = bits.random_raw(count) / 2.0**63 - 1
    return noise


def _cosine(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    a, b = one.astype(np.float64), other.astype(np.float64)
    cosine = float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-30))
    return cosine if np.isfinite(cosine) else -1.0


def _largest(errors: NDArray[np.float32]) -> float:
    largest = float(np.abs(errors).max(initial=0.0))
    return largest if np.isfinite(largest) else float("inf")
