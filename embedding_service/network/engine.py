"""The fastest way to run a network that still gives PaddleSpeech's vectors, chosen by measuring.

Before it serves, an engine is run on a fixed set of signals, 0.5 to 60 s long, and its vectors are
held against PaddleSpeech's own. What takes time once, the conversion, PaddleSpeech's vectors and
the choice, is kept on disk under the hash of the weights; the comparison is made at every start.
"""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from embedding_service.network import graph, precision, reference
from embedding_service.network.precision import EngineError, Precision
from embedding_service.network.reference import Reference
from embedding_service.network.sealed import SealedFiles

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from embedding_service.network.features import FeatureSettings
    from embedding_service.network.reference import Run
    from embedding_service.settings import EmbeddingSettings

LOWEST_COSINE = 0.9999
"""Least cosine similarity to PaddleSpeech's vector, for every signal."""

_KEY_DIGITS = 24
_GRAPH = "graph.onnx"
_REFERENCE = "reference.npz"

log = structlog.get_logger()


@dataclass(frozen=True)
class Network:
    """What is run.

    Attributes:
        arrays: Weights by their names in EcapaTdnn's `state_dict`.
        shape: The keyword arguments of EcapaTdnn.
        features: What its input is made of.
        sha256: Hash of the weights, hexadecimal.
        paddle: PaddleSpeech's own network.
    """

    arrays: Mapping[str, NDArray[Any]]
    shape: Mapping[str, Any]
    features: FeatureSettings
    sha256: str
    paddle: Run


@dataclass(frozen=True)
class Options:
    """How it is run.

    Attributes:
        precision: The precision to use or refuse; None takes the fastest that holds.
        cache: Folder for what is worth keeping; None keeps nothing.
        threads: Processor threads of all streams together; 0 takes all cores.
        streams: Clips at a time, each with its share of the threads.
    """

    precision: Precision | None = None
    cache: Path | None = None
    threads: int = 0
    streams: int = 1

    @classmethod
    def of(cls, settings: EmbeddingSettings) -> Options:
        """Takes them from the settings of the service."""
        named = settings.encoder_precision
        return cls(
            None if named == "auto" else Precision(named),
            settings.encoder_cache or _users_cache(),
            settings.encoder_threads,
        )


def _users_cache() -> Path:
    import pooch  # noqa: PLC0415  heavy: only where no folder is set

    return Path(pooch.os_cache("audiosearch"))


@dataclass(frozen=True)
class Measured:
    """What a precision showed.

    Attributes:
        precision: Which one.
        lowest_cosine: Lowest cosine similarity to PaddleSpeech's vectors over all signals.
        speed_ratio: How many times faster than PaddleSpeech's network it ran one clip of 5 s.
    """

    precision: Precision
    lowest_cosine: float
    speed_ratio: float

    @property
    def holds(self) -> bool:
        """Whether its vectors are PaddleSpeech's."""
        return self.lowest_cosine >= LOWEST_COSINE

    def to_bytes(self) -> bytes:
        """Returns it as bytes."""
        return json.dumps([self.precision.value, self.lowest_cosine, self.speed_ratio]).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Measured:
        """Reads what `to_bytes` wrote."""
        value, lowest_cosine, speed_ratio = json.loads(data)
        return cls(Precision(value), lowest_cosine, speed_ratio)


class Engine:
    """A network ready to run, safe for any number of threads at once.

    Attributes:
        measured: What it showed on this machine.
    """

    def __init__(self, run: Run, measured: Measured) -> None:
        """Takes a run that was checked, and what it showed."""
        self._run = run
        self.measured = measured

    def run(self, clips: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Runs the network on clips of any number and length.

        Args:
            clips: Features, each of shape (bands, frames), float32.

        Returns:
            Shape (clips, dimension), float32, of any length, as PaddleSpeech gives them.
        """
        return self._run(clips)


def open_engine(
    network: Network,
    options: Options,
    build: Callable[[Mapping[str, NDArray[Any]], Mapping[str, Any]], bytes] = graph.build,
) -> Engine:
    """Converts a network, checks it against PaddleSpeech's and returns it ready to run.

    Args:
        network: What to run.
        options: How to run it.
        build: Makes the graph from weights and shape.

    Raises:
        EngineError: The conversion is wrong, or the precision that was named does not hold, or
            this processor lacks it.
    """
    if options.precision is Precision.PADDLE:
        return Engine(_one_at_a_time(network.paddle), Measured(Precision.PADDLE, 1.0, 1.0))
    options = replace(options, threads=options.threads or precision.all_cores())
    engine = _Opening(network, options, build).open()
    log.info(
        "engine.opened",
        precision=engine.measured.precision.value,
        lowest_cosine=round(engine.measured.lowest_cosine, 6),
        times_paddle=round(engine.measured.speed_ratio, 1),
        threads=options.threads,
    )
    return engine


def _one_at_a_time(run: Run) -> Run:
    lock = threading.Lock()

    def locked(clips: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        with lock:
            return run(clips)

    return locked


class _Opening:
    """What is needed while an engine is chosen, and not after."""

    def __init__(self, network: Network, options: Options, build: Callable[..., bytes]) -> None:
        self._options = options
        self._signals = reference.signals(network.features)
        self._files = SealedFiles(options.cache and options.cache / _key(network, self._signals))
        self._reference = self._read_reference(network)
        self._kept_graph = self._files.read(_GRAPH)
        self._graph = self._kept_graph or build(network.arrays, network.shape)
        self._margin = graph.margin(network.arrays, network.shape)
        place = precision.machine(options.threads, options.streams)
        self._choice = f"choice-{hashlib.sha256(place.encode()).hexdigest()[:_KEY_DIGITS]}"

    def open(self) -> Engine:
        named = self._options.precision
        if named is not None:
            engine = _require(self._measure(_require_native(named)))
        else:
            engine = self._remembered() or _require(self._choose())
            self._files.write(self._choice, engine.measured.to_bytes())
        if self._kept_graph is None:  # kept once it is known to be right
            self._files.write(_GRAPH, self._graph)
        return engine

    def _read_reference(self, network: Network) -> Reference:
        kept = self._files.read(_REFERENCE)
        if kept is not None:
            return Reference.from_bytes(kept)
        made = Reference.of(network.paddle, self._signals)
        self._files.write(_REFERENCE, made.to_bytes())
        return made

    def _remembered(self) -> Engine | None:
        """Returns the engine that was chosen at an earlier start, when it holds once more."""
        kept = self._files.read(self._choice)
        if kept is None:
            return None
        before = Measured.from_bytes(kept)
        engine = self._measure(before.precision, before.speed_ratio)
        return engine if engine.measured.holds else None

    def _choose(self) -> Engine:
        """Returns the fastest engine that holds, or else the nearest to holding."""
        engines = [self._measure(candidate) for candidate in precision.available()]
        holding = [engine for engine in engines if engine.measured.holds]
        if holding:
            return max(holding, key=lambda engine: engine.measured.speed_ratio)
        return max(engines, key=lambda engine: engine.measured.lowest_cosine)

    def _measure(self, candidate: Precision, speed_ratio: float | None = None) -> Engine:
        """Compiles and checks one precision; its speed is measured unless it is known."""
        options = self._options
        run = precision.compile_graph(
            self._graph, self._margin, candidate, options.threads, options.streams
        ).run
        cosine = self._reference.lowest_cosine(run, self._signals)
        ratio = speed_ratio or self._reference.seconds / reference.seconds(run, self._signals)
        log.debug("engine.measured", precision=candidate.value, cosine=cosine, times_paddle=ratio)
        return Engine(run, Measured(candidate, cosine, ratio))


def _require_native(named: Precision) -> Precision:
    if named not in precision.available():
        raise EngineError(
            f"AUDIOSEARCH_ENCODER_PRECISION is {named.value}, which this processor does not "
            "compute itself: set auto or fp32"
        )
    return named


def _require(engine: Engine) -> Engine:
    measured = engine.measured
    if not measured.holds:
        raise EngineError(
            f"computed in {measured.precision.value}, the network's vectors are not "
            f"PaddleSpeech's: the lowest cosine is {measured.lowest_cosine:.6f}, and "
            f"{LOWEST_COSINE} is needed. Set AUDIOSEARCH_ENCODER_PRECISION to auto, or to paddle "
            "to run PaddleSpeech's own network"
        )
    return engine


def _key(network: Network, signals: Sequence[NDArray[np.float32]]) -> str:
    """Names all that PaddleSpeech's vectors and the graph depend on."""
    parts = [
        network.sha256,
        json.dumps(network.shape, sort_keys=True, default=str),
        f"graph {graph.GRAPH_VERSION}",
        *(hashlib.sha256(signal.tobytes()).hexdigest() for signal in signals),
    ]
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return f"{network.sha256[:12]}-{digest[:_KEY_DIGITS]}"
