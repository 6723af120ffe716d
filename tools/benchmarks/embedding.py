"""Measures the way from audio to vector beside PaddleSpeech's VectorExecutor: one table, one run.

Run it as `python -m tools.benchmarks.embedding --chart chart.png`. The network has the official
shape (20.8 million parameters) and random weights. Every row measures from the bytes of a WAV file
to its vector, with the same clips on the same machine, in turn, so the ratios are reliable. Two
more tables give the stages of one request to the service, and its memory with many requests.
"""

from __future__ import annotations

import argparse
import io
import logging
import signal
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import structlog
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from threadpoolctl import threadpool_limits

from embedding_service.decoding.decoding import convert
from embedding_service.decoding.readers import open_audio
from embedding_service.network import precision, reference
from embedding_service.network.cores import usable_cores
from embedding_service.network.families.ecapatdnn import KEPT, TimeAxis, graph
from embedding_service.network.family import Run
from embedding_service.network.features import FeatureSettings, log_mel
from tools.benchmarks.embedding_service import print_memory, print_stages
from tools.benchmarks.timing import medians, seconds
from tools.benchmarks.vector_executor import PEER, VectorExecutor, with_threads
from tools.servers.checkpoints import OFFICIAL_SHAPE, write_checkpoint

LENGTHS = (1, 5, 20)
FEATURES = FeatureSettings()


@dataclass(frozen=True)
class Row:
    """A row of the table. `seconds` is the time for one of the `clips` clips of a run."""

    route: str
    clips: int
    length: int
    seconds: float
    cosine: float


@dataclass(frozen=True)
class Clips:
    """Clips of one length as files, with their paths and contents."""

    length: int
    paths: Sequence[Path]
    contents: Sequence[bytes]

    @classmethod
    def make(cls, folder: Path, length: int, count: int, seed: int = 0) -> Clips:
        """Writes noise of changing level, each clip with another spectrum."""
        random = np.random.default_rng((length, seed))
        level = 0.1 * np.exp(np.sin(np.arange(length * FEATURES.sample_rate) / 4000))
        paths = [folder / f"{length}-{index}.wav" for index in range(count)]
        for path in paths:
            spectrum = np.fft.rfft(random.standard_normal(len(level)))
            bands = np.interp(np.linspace(0, 15, len(spectrum)), range(16), random.random(16))
            noise = level * np.fft.irfft(spectrum * bands, len(level))
            soundfile.write(path, noise, FEATURES.sample_rate, "PCM_16")
        return cls(length, paths, [path.read_bytes() for path in paths])


def main() -> None:
    """Measures, prints the tables and saves the chart."""
    arguments = _arguments()
    warnings.simplefilter("ignore")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    console = Console(width=100)
    with tempfile.TemporaryDirectory() as name, threadpool_limits(1, "blas"):
        folder = Path(name)
        arrays = make_checkpoint(folder)
        with with_threads(folder) as peers:
            plan = Plan(arguments.lengths, arguments.clips, arguments.repeats)
            rows, peak = compare(peers, folder, arrays, plan)
        console.print(precision.machine())
        console.print(f"matrix products in fp32 reach {peak / 1e9:.0f} GFLOP/s")
        console.print(_table(rows, _work(arrays), peak))
        print_stages(console, folder)
        print_memory(console, folder)
    if arguments.chart:
        draw(rows, arguments.chart)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chart", type=Path, help="PNG file to save a chart in")
    parser.add_argument("--repeats", type=int, default=5, help="runs of which the median is taken")
    parser.add_argument("--clips", type=int, default=16, help="clips in a run with many")
    parser.add_argument("--lengths", type=int, nargs="+", default=LENGTHS, help="seconds of a clip")
    return parser.parse_args()


def make_checkpoint(folder: Path) -> dict[str, Any]:
    """Writes a checkpoint of PaddleSpeech's network with random weights, in the official layout.

    Sets the statistics of the normalisations by running signals. Returns the weights by name.
    """
    import paddle  # noqa: PLC0415  heavy
    from paddlespeech.vector.models.ecapa_tdnn import EcapaTdnn  # noqa: PLC0415  the same

    paddle.disable_signal_handler()  # it prints a trace for a plain SIGTERM
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))  # that removed Python's too
    paddle.seed(0)
    backbone = EcapaTdnn(**OFFICIAL_SHAPE)
    for layer in backbone.sublayers():
        if isinstance(layer, paddle.nn.BatchNorm1D):
            layer._momentum = 0.0
    sounds = [
        log_mel(signal, FEATURES)[:, :51]
        for signal in reference.signals(FEATURES.sample_rate)
        if len(signal) >= FEATURES.sample_rate // 2
    ]
    with paddle.no_grad():
        backbone(paddle.to_tensor(np.stack(sounds)))
    weights = backbone.state_dict()
    write_checkpoint(folder, OFFICIAL_SHAPE, weights)
    return {key: value.numpy() for key, value in weights.items()}


@dataclass(frozen=True)
class Plan:
    """Lengths of the clips in seconds, clips of a run with many, and runs for a median."""

    lengths: Sequence[int] = LENGTHS
    clips: int = 16
    repeats: int = 5


def compare(
    peers: Mapping[str, VectorExecutor], folder: Path, arrays: dict[str, Any], plan: Plan
) -> tuple[list[Row], float]:
    """Returns the rows, and the peak rate of matrix products in operations a second.

    Args:
        peers: Processes to compare with, PEER first; without it cosines are to fp32.
        folder: Folder for the clips.
        arrays: The weights.
        plan: Lengths, numbers of clips and repeats.
    """
    made = graph.build(arrays, OFFICIAL_SHAPE)
    packing = TimeAxis(graph.margin(arrays, OFFICIAL_SHAPE))
    threads = usable_cores()
    routes = {
        kind.value: precision.compile_graph(made, packing, kind, threads, kept=KEPT.get(kind)).run
        for kind in precision.available()
    }
    rows, peaks = [], [_peak(threads)]
    with Progress(transient=True) as progress:
        for length in progress.track(plan.lengths, description="measuring"):
            clips = Clips.make(folder, length, plan.clips)
            rows += _measure(peers, routes, clips, plan.repeats)
            peaks.append(_peak(threads))
    return rows, max(peaks)


def _ours(run: Run, contents: Sequence[bytes]) -> Any:
    return run([log_mel(_samples(content), FEATURES) for content in contents]).vectors


def _samples(content: bytes) -> Any:
    kept: list[Any] = []
    with open_audio(io.BytesIO(content), None) as stream:
        convert(stream, FEATURES.sample_rate, -70, kept.append)
    return np.concatenate(kept)


def _measure(
    peers: Mapping[str, VectorExecutor],
    routes: dict[str, Run],
    clips: Clips,
    repeats: int,
) -> list[Row]:
    cosines: dict[str, float] = {}
    work: dict[tuple[str, int], Callable[[], float]] = {}
    theirs = _ours(routes["fp32"], clips.contents[:4])
    for name, peer in peers.items():
        vectors = np.stack([peer.embed(path)[1] for path in clips.paths[:4]])
        theirs = vectors if name == PEER else theirs
        cosines[name] = _lowest_cosine(vectors, theirs)
        work[name, 1] = lambda peer=peer: peer.embed(clips.paths[0])[0]
    for route, run in routes.items():
        cosines[route] = _lowest_cosine(_ours(run, clips.contents[:4]), theirs)
        for count in (1, len(clips.contents)):
            work[route, count] = lambda run=run, count=count: seconds(
                lambda: _ours(run, clips.contents[:count])
            )
    taken = medians(work, repeats)
    return [
        Row(route, count, clips.length, whole / count, cosines[route])
        for (route, count), whole in taken.items()
    ]


def _lowest_cosine(ours: Any, theirs: Any) -> float:
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    return float((np.sum(ours.astype(float) * theirs, axis=1) / lengths).min())


def _peak(threads: int) -> float:
    """Returns the peak rate of NumPy's matrix product in fp32, in operations a second."""
    one = np.random.default_rng(0).standard_normal((2048, 2048)).astype(np.float32)
    with threadpool_limits(threads, "blas"):
        return 2 * 2048**3 / min(seconds(lambda: one @ one) for _ in range(20))


def _work(arrays: dict[str, Any]) -> int:
    """Returns the operations a frame: one product and one sum for each weight used each frame."""
    once = ("se_block", "fc.", "asp.tdnn")
    each = sum(
        value.size
        for key, value in arrays.items()
        if value.ndim == 3 and not any(part in key for part in once)
    )
    return 2 * (each + arrays["asp.tdnn.conv.conv.weight"].size // 3)


def _table(rows: list[Row], work: int, peak: float) -> Table:
    table = Table("clip", "route", "clips", "ms a clip", "ratio", "cosine", "GFLOP/s", "of peak")
    theirs = {row.length: row.seconds for row in rows if row.route == PEER}
    for row in rows:
        rate = work * FEATURES.frame_count(row.length * FEATURES.sample_rate) / row.seconds
        table.add_row(
            f"{row.length} s",
            row.route,
            str(row.clips),
            f"{1000 * row.seconds:.1f}",
            f"{theirs[row.length] / row.seconds:.1f}",
            f"{row.cosine:.6f}",
            f"{rate / 1e9:.0f}",
            f"{100 * rate / peak:.0f} %",
        )
    return table


def draw(rows: list[Row], path: Path) -> None:
    """Draws the time of one clip, by route and length, as a PNG file."""
    import matplotlib as mpl  # noqa: PLC0415  heavy

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415  after the choice of the backend

    groups: dict[str, list[Row]] = {}
    for row in rows:
        label = row.route + (f", {row.clips} clips" if row.clips > 1 else "")
        groups.setdefault(label, []).append(row)
    figure, axes = plt.subplots(figsize=(9, 4.5), layout="constrained")
    width = 0.8 / len(groups)
    for index, (label, group) in enumerate(groups.items()):
        places = np.arange(len(group)) + index * width
        bars = axes.bar(places, [1000 * row.seconds for row in group], width, label=label)
        axes.bar_label(bars, fmt="%.0f", fontsize=7)
    axes.set_yscale("log")
    axes.set_ylabel("ms a clip")
    axes.set_xticks(np.arange(len(group)) + 0.4 - width / 2, [f"{row.length} s" for row in group])
    axes.set_title("From a WAV file to its vector, official shape: less is better")
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
