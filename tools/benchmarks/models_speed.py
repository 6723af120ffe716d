"""Measures each model beside PaddleSpeech's own class: speed, likeness, memory; one run, in turn.

Run it as `python -m tools.benchmarks.models_speed`, with names of models for less than all. The
networks have the official shapes and weights drawn by lot; bundled ones have their own. The network
alone is timed, from features to vector and tags, with all cores for both. The processors' time
counts all threads, and other load moves it less.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

from embedding_service.checkpoints.archive import read_checkpoint
from embedding_service.checkpoints.wanted import BUNDLED
from embedding_service.network import families, precision, reference
from embedding_service.network.cores import usable_cores
from embedding_service.network.engine import Measured
from embedding_service.network.families import ecapatdnn, paddlespeech, panns
from embedding_service.network.families.panns.network import AUDIOSET_TAGS, Shape
from embedding_service.network.family import Network
from embedding_service.network.features import FeatureSettings
from embedding_service.network.precision import Precision
from embedding_service.network.reference import Reference
from tools.servers.checkpoints import OFFICIAL_SHAPE, PANNS_FEATURES, random_panns

SHORT, LONG = 2, 5
"""Seconds of the clips that speed is measured with."""

BATCH = 8
"""Short clips together, as the windows of a recording are."""

_LONGEST = 20
"""Seconds of the longest signal that vectors are compared on; a start compares 60 s too."""

_REPEATS = 5


@dataclass(frozen=True)
class Speed:
    """The measurements of one model in one precision; times are those of one clip.

    Attributes:
        model: Name of the checkpoint whose shape it has.
        precision: Precision of the arithmetic.
        chosen: True for the precision that a start would choose.
        parameters: Number of trainable values.
        dimension: Length of its vectors.
        lowest_cosine: Lowest cosine to the vectors of PaddleSpeech's class.
        tag_error: Largest difference to its probabilities of tags.
        paddle_ms: Time of PaddleSpeech's class for a clip of 5 s.
        ours_ms: Time for the same clip.
        short_ms: Time for a clip of 2 s.
        batch_ms: Time for one of `BATCH` clips of 2 s together.
        times: `paddle_ms` divided by `ours_ms`.
        times_processor: The same ratio of the processors' time.
        features_ms: Time of the features of the clip of 5 s, which the others leave out.
        memory_mb: Memory that the model takes when it has run, in MB.
    """

    model: str
    precision: str
    chosen: bool
    parameters: int
    dimension: int
    lowest_cosine: float
    tag_error: float
    paddle_ms: float
    ours_ms: float
    short_ms: float
    batch_ms: float
    times: float
    times_processor: float
    features_ms: float
    memory_mb: float


def measure_models(names: Iterable[str] | None = None) -> list[Speed]:
    """Measures models in all precisions of this processor, each model in a process of its own.

    Args:
        names: Some of `MODELS`; all by default.
    """
    found: list[Speed] = []
    for name in names or MODELS:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            found.extend(pool.apply(measure, (name,)))
    return found


def measure(name: str) -> list[Speed]:
    """Measures one model in this process."""
    threadpool_limits(1, "blas")
    network = MODELS[name]()
    rate = network.traits.sample_rate
    signals = [each for each in reference.signals(rate) if len(each) <= _LONGEST * rate]
    features = [network.features(signal) for signal in signals]
    theirs, graph = Reference(network.paddle(features), 0), network.graph()
    rows = [
        _measured(name, network, graph, candidate, (features, theirs))
        for candidate in precision.available()
    ]
    holding = [row for row in rows if _holds(row)]
    best = min(holding, key=lambda row: row.ours_ms, default=None)
    return [replace(row, chosen=row is best) for row in rows]


def _holds(row: Speed) -> bool:
    return Measured(Precision(row.precision), row.lowest_cosine, row.times, row.tag_error).holds


def _measured(
    name: str,
    network: Network,
    graph: bytes,
    candidate: Precision,
    compared: tuple[Sequence[NDArray[np.float32]], Reference],
) -> Speed:
    before = _memory()
    threads, kept = usable_cores(), network.kept.get(candidate)
    run = precision.compile_graph(graph, network.packing, candidate, threads, kept=kept).run
    features, theirs = compared
    likeness = theirs.compare(run, features)
    short, long = (_noise(network, seconds) for seconds in (SHORT, LONG))
    clip, window = network.features(long), network.features(short)
    taken = _in_turn(
        {
            "theirs": lambda: network.paddle([clip]),
            "ours": lambda: run([clip]),
            "short": lambda: run([window]),
            "batch": lambda: run([window] * BATCH),
            "features": lambda: network.features(long),
        }
    )
    ours, theirs_taken = taken["ours"], taken["theirs"]
    return Speed(
        model=name,
        precision=candidate.value,
        chosen=False,
        parameters=network.traits.parameter_count,
        dimension=network.traits.dimension,
        lowest_cosine=likeness.lowest_cosine,
        tag_error=likeness.tag_error,
        paddle_ms=theirs_taken.wall,
        ours_ms=ours.wall,
        short_ms=taken["short"].wall,
        batch_ms=taken["batch"].wall / BATCH,
        times=theirs_taken.wall / ours.wall,
        times_processor=theirs_taken.processor / ours.processor,
        features_ms=taken["features"].wall,
        memory_mb=_memory() - before,
    )


@dataclass(frozen=True)
class _Taken:
    """Time that a run took, in ms: on the clock, and of all processors."""

    wall: float
    processor: float


def _in_turn(work: Mapping[str, Callable[[], Any]]) -> dict[str, _Taken]:
    """Runs all routes in turn and returns the least time of each, as others may disturb."""
    taken: dict[str, list[_Taken]] = {key: [] for key in work}
    for run in work.values():
        run()
    for _ in range(_REPEATS):
        for key, run in work.items():
            wall, processor = time.perf_counter(), time.process_time()
            run()
            now = time.perf_counter(), time.process_time()
            taken[key].append(_Taken(1000 * (now[0] - wall), 1000 * (now[1] - processor)))
    return {
        key: _Taken(min(one.wall for one in runs), min(one.processor for one in runs))
        for key, runs in taken.items()
    }


def _noise(network: Network, seconds: float) -> NDArray[np.float32]:
    count = round(network.traits.sample_rate * seconds)
    level = 0.1 * np.exp(np.sin(np.arange(count) / 5000))
    return (level * np.random.default_rng(1).standard_normal(count)).astype(np.float32)


def _memory() -> float:
    """Returns the resident memory of this process in MB; 0 where the system does not tell."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.is_file() else []
    return sum(int(line.split()[1]) / 1000 for line in lines if line.startswith("VmRSS"))


def _official_voices() -> Network:
    module = paddlespeech.imported("paddlespeech.vector.models.ecapa_tdnn", usable_cores())
    made = module.EcapaTdnn(**OFFICIAL_SHAPE)
    made.eval()
    return ecapatdnn.network_of(made, OFFICIAL_SHAPE, FeatureSettings(), "")


def _official_sounds(kind: str) -> Callable[[], Network]:
    def make() -> Network:
        labels = tuple(f"Kind {number}" for number in range(AUDIOSET_TAGS))
        features = panns.settings_of({"feature": PANNS_FEATURES})
        with panns.classes.without_downloads():
            paddlespeech.imported(panns.classes.MODULE, usable_cores())
        return panns.network_of(random_panns(Shape(kind)), Shape(kind), features, "", labels)

    return make


def _bundled(folder: Path) -> Callable[[], Network]:
    return lambda: families.build(read_checkpoint(folder), usable_cores())


MODELS: Mapping[str, Callable[[], Network]] = {
    "ecapatdnn_voxceleb12-16k": _official_voices,
    "panns_cnn14-32k": _official_sounds("CNN14"),
    "panns_cnn10-32k": _official_sounds("CNN10"),
    "panns_cnn6-32k": _official_sounds("CNN6"),
    **{name: _bundled(folder) for name, folder in BUNDLED.items() if folder.is_dir()},
}
"""Makes the network of a model, by the name of the checkpoint whose shape it has."""


def table(rows: Sequence[Speed]) -> Table:
    """Returns the measurements as a table, the precision of a start marked with a star."""
    heads = (
        "model",
        "precision",
        "1 - cosine",
        "tags off by",
        "PaddleSpeech, 5 s",
        "5 s",
        "2 s",
        f"2 s of {BATCH}",
        "times",
        "of processors' time",
        "features, 5 s",
        "memory",
    )
    made = Table(*heads, title="Time in ms of the network alone, and memory in MB")
    for row in rows:
        made.add_row(
            row.model,
            f"{row.precision}{' *' if row.chosen else ''}",
            f"{1 - row.lowest_cosine:.1e}",
            f"{row.tag_error:.4f}",
            *(f"{ms:.1f}" for ms in (row.paddle_ms, row.ours_ms, row.short_ms, row.batch_ms)),
            f"{row.times:.1f}",
            f"{row.times_processor:.1f}",
            f"{row.features_ms:.1f}",
            f"{row.memory_mb:.0f}",
        )
    return made


def main() -> None:
    """Measures, prints the table, and writes the figures if a file is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", metavar="MODEL", help=", ".join(MODELS))
    parser.add_argument("--json", type=Path, help="file for the figures")
    arguments = parser.parse_args()
    rows = measure_models(arguments.models)
    Console(width=160).print(table(rows))
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


if __name__ == "__main__":
    main()
