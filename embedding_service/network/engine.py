"""Measures and chooses the fastest engine whose vectors equal PaddleSpeech's.

A lower precision is taken only if it is clearly faster, and what was once chosen on a processor
stays: vectors of two precisions differ a little, and must not by a race of timings.

At every start the engine runs on a fixed set of signals, 0.1 to 60 s long, and its vectors are
compared with PaddleSpeech's own. The slow steps run once: the converted network, PaddleSpeech's
vectors and the choice are kept on disk under the hash of the weights.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from embedding_service.network import gpu, precision, reference
from embedding_service.network.cores import runs_by_rule, usable_cores
from embedding_service.network.gpu import Device
from embedding_service.network.precision import EngineError, Precision
from embedding_service.network.reference import Reference
from embedding_service.network.sealed import SealedFiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from embedding_service.network.family import Network, Outputs, Run
    from embedding_service.settings import EmbeddingSettings

LOWEST_COSINE = 0.9999
"""Lowest cosine similarity to PaddleSpeech's vector that is accepted for a signal."""

LARGEST_TAG_ERROR = 0.05
"""Largest difference to PaddleSpeech's probability that is accepted for a tag of a signal.

Tags are computed in fp32 from the vector, so they are as near to PaddleSpeech's as it is. This one
tells of a wrong conversion: CNN6 in bf16 differed by 0.006 with the levels of common sounds.
"""

_CLEARLY = 1.05
"""Times as fast as a higher precision from which on a lower one is taken: less is noise."""

_KEY_DIGITS = 24
_FORMAT = 2
"""Version of the files of the cache; others are not read."""

SHIPPED = Path(__file__).parents[1] / "bundled" / "checked"
"""Results of PaddleSpeech's network for the bundled models, so that they need no Paddle.

`python -m tools.checked_models` writes it.
"""

_GRAPH = "graph.onnx"
_REFERENCE = "reference.npz"

log = structlog.get_logger()


@dataclass(frozen=True)
class Options:
    """Options of an engine.

    Attributes:
        precision: The precision to use, or to refuse if its vectors are not PaddleSpeech's; None
            takes the fastest precision that gives them.
        cache: Folder for the results of slow steps; None keeps nothing.
        threads: Processor threads of all streams together; 0 takes all cores.
        runs: Runs at a time, each with its share of the threads, if much audio waits; 0 goes by
            the number of threads.
        shipped: Folder that is only read, with such results for models that come with it.
        device: The device to run on; AUTO takes a GPU where ONNX Runtime is installed for one.
    """

    precision: Precision | None = None
    cache: Path | None = None
    threads: int = 0
    runs: int = 1
    shipped: Path | None = None
    device: Device = Device.CPU

    @classmethod
    def of(cls, settings: EmbeddingSettings) -> Options:
        """Reads the options from the settings of the service."""
        named = settings.encoder_precision
        return cls(
            None if named == "auto" else Precision(named),
            settings.encoder_cache or _users_cache(),
            settings.encoder_threads,
            settings.encoder_runs,
            shipped=SHIPPED,
            device=Device(settings.device),
        )


def _users_cache() -> Path:
    import pooch  # noqa: PLC0415  heavy: only where no folder is set

    return Path(pooch.os_cache("audiosearch"))


@dataclass(frozen=True)
class Measured:
    """The measurements of a precision on this machine.

    Attributes:
        precision: The precision.
        lowest_cosine: Lowest cosine similarity to PaddleSpeech's vectors over all signals.
        speed_ratio: Time of PaddleSpeech's network for one clip of 5 s, divided by this one's.
        tag_error: Largest difference to PaddleSpeech's probabilities of tags over all signals.
        seconds: Time for one clip of 5 s; 1 where it was not measured.
    """

    precision: Precision
    lowest_cosine: float
    speed_ratio: float
    tag_error: float = 0.0
    seconds: float = 1.0

    @property
    def holds(self) -> bool:
        """True if vectors and tags are as near to PaddleSpeech's as they must be."""
        return self.lowest_cosine >= LOWEST_COSINE and self.tag_error <= LARGEST_TAG_ERROR

    def to_bytes(self) -> bytes:
        """Writes the measurements as bytes."""
        return json.dumps([self.precision.value, *dataclasses.astuple(self)[1:]]).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Measured:
        """Reads the bytes that `to_bytes` wrote."""
        value, *numbers = json.loads(data)
        return cls(Precision(value), *numbers)


class Engine:
    """A network ready to run, safe for any number of threads at once.

    Attributes:
        measured: Its measurements on this machine.
        runs: Number of runs that share the threads in `run_beside`; 1 if there is no such way.
    """

    def __init__(
        self, run: Run, measured: Measured, beside: Run | None = None, runs: int = 1
    ) -> None:
        """Takes a network that was checked, and its measurements.

        Args:
            run: Runs it with all threads.
            measured: The measurements of `run`.
            beside: Runs it with a share of the threads.
            runs: Number of shares.
        """
        self._run = run
        self._beside = beside or run
        self.measured = measured
        self.runs = runs

    def run(self, clips: Sequence[NDArray[np.float32]]) -> Outputs:
        """Runs the network on clips of any number and length, with all threads.

        Args:
            clips: Features, each of shape (bands, frames), float32.

        Returns:
            Vectors of any norm and tags, as PaddleSpeech gives them.
        """
        return self._run(clips)

    def run_beside(self, clips: Sequence[NDArray[np.float32]]) -> Outputs:
        """Does the same with a share of the threads, beside others that do so."""
        return self._beside(clips)


def open_engine(network: Network, options: Options) -> Engine:
    """Converts a network, checks it against PaddleSpeech's and returns it ready to run.

    Raises:
        EngineError: The vectors of the converted network, or of the precision that was set, are
            not PaddleSpeech's; or this processor lacks the precision.
    """
    if options.precision is Precision.PADDLE:
        return Engine(_one_at_a_time(network.paddle), Measured(Precision.PADDLE, 1.0, 1.0))
    threads = options.threads or usable_cores()
    runs = min(options.runs or runs_by_rule(threads), threads)
    options = replace(options, threads=threads, runs=runs)
    engine = _Opening(network, options).open()
    log.info(
        "engine.opened",
        precision=engine.measured.precision.value,
        lowest_cosine=round(engine.measured.lowest_cosine, 6),
        times_paddle=round(engine.measured.speed_ratio, 1),
        threads=options.threads,
        runs=engine.runs,
    )
    return engine


def _one_at_a_time(run: Run) -> Run:
    lock = threading.Lock()

    def locked(clips: Sequence[NDArray[np.float32]]) -> Outputs:
        with lock:
            return run(clips)

    return locked


class _Opening:
    """Opens one engine, and holds the data that only the opening needs."""

    def __init__(self, network: Network, options: Options) -> None:
        self._network = network
        self._options = options
        self._signals = reference.features(network)
        key = _key(network)
        self._files = SealedFiles(
            options.cache and options.cache / key, options.shipped and options.shipped / key
        )
        self._reference = self._read_reference(network)
        self._kept_graph = self._files.read(_GRAPH)
        self._graph = self._kept_graph or network.graph()
        place = precision.machine()
        self._choice = f"choice-{hashlib.sha256(place.encode()).hexdigest()[:_KEY_DIGITS]}"

    def open(self) -> Engine:
        named = self._options.precision
        if on_gpu := self._on_gpu():
            engine = on_gpu
        elif named is not None:
            engine = self._shared(_require(self._measure(_require_native(named))))
        else:
            engine = self._remembered() or self._settle(_require(self._choose()))
            engine = self._shared(engine)
        if self._kept_graph is None:  # written only after the check of its vectors
            self._files.write(_GRAPH, self._graph)
        return engine

    def _shared(self, engine: Engine) -> Engine:
        """Adds a way of several runs at a time, if its vectors are PaddleSpeech's too."""
        runs, measured = self._options.runs, engine.measured
        if runs == 1:
            return engine
        beside = self._compile(measured.precision, runs)
        short = [
            number
            for number, signal in enumerate(self._signals)
            if signal.shape[1] <= self._signals[0].shape[1]
        ]
        cosine, tag_error = self._reference.of_some(short).compare(
            beside, [self._signals[number] for number in short]
        )
        if not replace(measured, lowest_cosine=cosine, tag_error=tag_error).holds:
            log.warning("engine.without_runs_beside", lowest_cosine=cosine, tag_error=tag_error)
            return engine
        return Engine(engine.run, measured, beside, runs)

    def _on_gpu(self) -> Engine | None:
        """Returns the network on a GPU; None where `auto` finds none, or none that holds."""
        options = self._options
        required = options.device is Device.CUDA
        if not required and (options.device is Device.CPU or not gpu.is_installed()):
            return None
        if not required and options.precision not in {None, Precision.FP32}:
            return None
        try:
            run = gpu.compile_graph(self._graph, self._network.packing).run
            return _require(self._compared(run, Precision.FP32, None))
        except EngineError as error:
            if required:
                raise
            log.warning("engine.without_gpu", why=str(error))
            return None

    def _read_reference(self, network: Network) -> Reference:
        kept = self._files.read(_REFERENCE)
        if kept is not None:
            return Reference.from_bytes(kept)
        made = Reference.of(network.paddle, self._signals)
        self._files.write(_REFERENCE, made.to_bytes())
        return made

    def _remembered(self) -> Engine | None:
        """Returns the engine that an earlier start chose, or None if it no longer holds."""
        kept = self._files.read(self._choice)
        if kept is None:
            return None
        before = Measured.from_bytes(kept)
        engine = self._measure(before.precision, before.speed_ratio)
        return engine if engine.measured.holds else None

    def _settle(self, chosen: Engine) -> Engine:
        """Keeps a choice; returns that of another process that was first meanwhile."""
        if first := self._remembered():
            return first
        self._files.write(self._choice, chosen.measured.to_bytes())
        return chosen

    def _choose(self) -> Engine:
        """Returns the fastest engine that holds, or else the one of the highest cosine."""
        engines = [self._measure(candidate, 1.0) for candidate in precision.available()]
        holding = [engine for engine in engines if engine.measured.holds]
        if not holding:
            return max(engines, key=lambda engine: engine.measured.lowest_cosine)
        times = reference.seconds([engine.run for engine in holding], self._signals)
        best = fastest(times)
        ratio = self._reference.seconds / times[best]
        seconds = self._reference.seconds / ratio  # as a later start computes it
        measured = replace(holding[best].measured, speed_ratio=ratio, seconds=seconds)
        return Engine(holding[best].run, measured)

    def _measure(self, candidate: Precision, speed_ratio: float | None = None) -> Engine:
        """Compiles and checks one precision, and measures its speed unless it is given."""
        return self._compared(self._compile(candidate), candidate, speed_ratio)

    def _compile(self, candidate: Precision, runs: int = 1) -> Run:
        return precision.compile_graph(
            self._graph,
            self._network.packing,
            candidate,
            self._options.threads,
            runs,
            self._network.kept.get(candidate),
        ).run

    def _compared(self, run: Run, candidate: Precision, speed_ratio: float | None) -> Engine:
        """Compares with PaddleSpeech's vectors, and measures the speed unless it is given."""
        cosine, tag_error = self._reference.compare(run, self._signals)
        ratio = speed_ratio or (
            self._reference.seconds / reference.seconds([run], self._signals)[0]
        )
        log.debug(
            "engine.measured",
            precision=candidate.value,
            cosine=cosine,
            tag_error=tag_error,
            times_paddle=ratio,
        )
        return Engine(
            run, Measured(candidate, cosine, ratio, tag_error, self._reference.seconds / ratio)
        )


def fastest(times: Sequence[float]) -> int:
    """Returns the number of the fastest precision; of those about as fast, that of the highest.

    Args:
        times: Seconds of the same work in each precision, the highest precision first.
    """
    best = 0
    for number, seconds in enumerate(times):
        if seconds * _CLEARLY < times[best]:
            best = number
    return best


def _require_native(named: Precision) -> Precision:
    if named not in precision.available():
        raise EngineError(
            f"AUDIOSEARCH_ENCODER_PRECISION is {named.value}, which this processor does not "
            "support: set auto or fp32"
        )
    return named


def _require(engine: Engine) -> Engine:
    measured = engine.measured
    if not measured.holds:
        wrong = (
            f"vectors are not PaddleSpeech's: the lowest cosine is {measured.lowest_cosine:.6f}, "
            f"and {LOWEST_COSINE} is needed"
            if measured.lowest_cosine < LOWEST_COSINE
            else f"tags are not PaddleSpeech's: a probability differs by {measured.tag_error:.4f}, "
            f"and {LARGEST_TAG_ERROR} is allowed"
        )
        raise EngineError(
            f"computed in {measured.precision.value}, the network's {wrong}. Set "
            "AUDIOSEARCH_ENCODER_PRECISION to auto, or to paddle to run PaddleSpeech's own network"
        )
    return engine


def _key(network: Network) -> str:
    """Returns a hash of all that PaddleSpeech's vectors and the graph depend on.

    The features' own values are no part of it: their last bits differ from processor to processor,
    and what comes with a bundled model must serve on all of them.
    """
    parts = [
        network.sha256,
        f"{network.traits.family} {network.identity}",
        f"format {_FORMAT}, signals {reference.VERSION}",
    ]
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return f"{network.sha256[:12]}-{digest[:_KEY_DIGITS]}"
