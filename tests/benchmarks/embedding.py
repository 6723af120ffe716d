"""How fast the network runs, and how near its vectors are to PaddleSpeech's: one table, one run.

Run it as `python -m tests.benchmarks.embedding --chart chart.png`. The network has the official
shape (20.8 million parameters) and random weights. PaddleSpeech's row takes VectorExecutor's own
steps on its own network, `backbone(features, lengths)` one clip a call; its features come from
`log_mel`, which equals its own and takes a hundredth of the time. Every row starts from samples.
All rows see the same clips on the same machine, minutes apart: trust the ratios.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from embedding_service import graph, precision, reference
from embedding_service.features import FeatureSettings, log_mel

SHAPE = {
    "input_size": 80,
    "channels": [1024, 1024, 1024, 1024, 3072],
    "kernel_sizes": [5, 3, 3, 3, 1],
    "dilations": [1, 2, 3, 4, 1],
    "attention_channels": 128,
    "lin_neurons": 192,
}
LENGTHS = (1, 5, 20)
BATCH_SECONDS = 32
"""Most audio run together: short clips gain by it, long ones outgrow the processor's caches."""

FEATURES = FeatureSettings()
PADDLESPEECH = "PaddleSpeech"


@dataclass(frozen=True)
class Row:
    """One line of the table; `seconds` is what one of `clips` clips took."""

    route: str
    clips: int
    length: int
    seconds: float
    cosine: float


def main() -> None:
    """Measures, prints the table, saves the chart."""
    arguments = _arguments()
    warnings.simplefilter("ignore")
    threads = precision.all_cores()
    peaks = [_peak()]
    backbone = _random_backbone()
    arrays = {key: value.numpy() for key, value in backbone.state_dict().items()}
    routes = {
        kind.value: precision.compile_graph(graph.build(arrays, SHAPE), kind, threads).run
        for kind in precision.available()
    }
    rows: list[Row] = []
    for length in arguments.lengths:
        rows += _measure(backbone, routes, length, arguments.clips, arguments.repeats)
        peaks.append(_peak())
    peak = max(peaks)
    console = Console(width=100)
    console.print(
        f"{precision.machine(threads, 1)}\nmatrix products reach {peak / 1e9:.0f} GFLOP/s"
    )
    console.print(_table(rows, _work(arrays), peak))
    _print_checks(console, backbone, routes)
    if arguments.chart:
        _draw(rows, arguments.chart)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chart", type=Path, help="PNG file to save a chart in")
    parser.add_argument("--repeats", type=int, default=5, help="runs of which the median is taken")
    parser.add_argument("--clips", type=int, default=32, help="how many clips are many")
    parser.add_argument("--lengths", type=int, nargs="+", default=LENGTHS, help="seconds of a clip")
    return parser.parse_args()


def _random_backbone() -> Any:
    """Draws PaddleSpeech's network; its normalisations learn what comes through them."""
    import paddle  # noqa: PLC0415  heavy
    from paddlespeech.vector.models.ecapa_tdnn import EcapaTdnn  # noqa: PLC0415  the same

    paddle.seed(0)
    backbone = EcapaTdnn(**SHAPE)
    for layer in backbone.sublayers():
        if isinstance(layer, paddle.nn.BatchNorm1D):
            layer._momentum = 0.0
    sounds = [s[..., :51] for s in reference.signals(FEATURES) if s.shape[-1] > 50]
    with paddle.no_grad():
        backbone(paddle.to_tensor(np.concatenate(sounds)))
    backbone.eval()
    return backbone


def _paddlespeech(backbone: Any, clip: Any) -> Any:
    import paddle  # noqa: PLC0415  heavy

    with paddle.no_grad():
        features = paddle.to_tensor(log_mel(clip, FEATURES)).unsqueeze(0)
        return backbone(features, paddle.ones([1])).squeeze().numpy()


def _ours(run: reference.Run, clips: Sequence[Any]) -> Any:
    size = max(1, BATCH_SECONDS * FEATURES.sample_rate // len(clips[0]))
    batches = (clips[start : start + size] for start in range(0, len(clips), size))
    return np.concatenate(
        [run(np.stack([log_mel(clip, FEATURES) for clip in batch])) for batch in batches]
    )


def _measure(
    backbone: Any, routes: dict[str, reference.Run], length: int, many: int, repeats: int
) -> list[Row]:
    random = np.random.default_rng(length)
    level = 0.1 * np.exp(np.sin(np.arange(length * FEATURES.sample_rate) / 4000))
    clips = [(level * random.standard_normal(len(level))).astype(np.float32) for _ in range(many)]
    theirs = np.stack([_paddlespeech(backbone, clip) for clip in clips[:4]])
    cosines = {PADDLESPEECH: 1.0}
    work: dict[tuple[str, int], Callable[[], Any]] = {
        (PADDLESPEECH, 1): lambda: _paddlespeech(backbone, clips[0])
    }
    for route, run in routes.items():
        cosines[route] = _lowest_cosine(_ours(run, clips[:4]), theirs)
        for count in (1, many):
            work[route, count] = lambda run=run, count=count: _ours(run, clips[:count])
    taken = _medians(work, repeats)
    return [
        Row(route, count, length, seconds / count, cosines[route])
        for (route, count), seconds in taken.items()
    ]


def _medians(
    work: dict[tuple[str, int], Callable[[], Any]], repeats: int
) -> dict[tuple[str, int], float]:
    """Runs all in turn, again and again, so that what else the machine does meets all alike.

    Before a single clip is timed one more is run: threads of the route before still spin then.
    """
    taken: dict[tuple[str, int], list[float]] = {key: [] for key in work}
    for run in work.values():
        run()
    for _ in range(repeats):
        for key, run in work.items():
            if key[1] == 1:
                run()
            taken[key].append(_seconds(run))
    return {key: statistics.median(times) for key, times in taken.items()}


def _seconds(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _lowest_cosine(ours: Any, theirs: Any) -> float:
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    return float((np.sum(ours.astype(float) * theirs, axis=1) / lengths).min())


def _peak() -> float:
    """Returns the most operations a second in fp32 that NumPy's matrix product reaches."""
    one = np.random.default_rng(0).standard_normal((2048, 2048)).astype(np.float32)
    return 2 * 2048**3 / min(_seconds(lambda: one @ one) for _ in range(20))


def _work(arrays: dict[str, Any]) -> int:
    """Returns the operations a frame: a product and a sum for each weight that meets each frame."""
    once = ("se_block", "fc.", "asp.tdnn")
    each = sum(
        value.size
        for key, value in arrays.items()
        if value.ndim == 3 and not any(part in key for part in once)
    )
    return 2 * (each + arrays["asp.tdnn.conv.conv.weight"].size // 3)


def _table(rows: list[Row], work: int, peak: float) -> Table:
    table = Table("clip", "route", "clips", "ms a clip", "ratio", "cosine", "GFLOP/s", "of peak")
    theirs = {row.length: row.seconds for row in rows if row.route == PADDLESPEECH}
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


def _print_checks(console: Console, backbone: Any, routes: dict[str, reference.Run]) -> None:
    """Prints what the check at start finds, which decides the precision."""
    signals = [signal for signal in reference.signals(FEATURES) if signal.shape[-1] < 1000]
    import paddle  # noqa: PLC0415  heavy

    def theirs(features: Any) -> Any:
        with paddle.no_grad():
            return backbone(paddle.to_tensor(features)).numpy()[:, :, 0]

    known = reference.Reference(np.concatenate([theirs(signal) for signal in signals]), 0.0)
    for route, run in routes.items():
        cosine = known.lowest_cosine(run, signals)
        console.print(f"{route}: lowest cosine over the signals of the check {cosine:.6f}")


def _draw(rows: list[Row], path: Path) -> None:
    import matplotlib as mpl  # noqa: PLC0415  heavy

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415  after the choice of what draws

    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.route + (f", {row.clips} clips" if row.clips > 1 else ""), []).append(
            row
        )
    figure, axes = plt.subplots(figsize=(9, 4.5), layout="constrained")
    width = 0.8 / len(groups)
    for index, (label, group) in enumerate(groups.items()):
        places = np.arange(len(group)) + index * width
        bars = axes.bar(places, [1000 * row.seconds for row in group], width, label=label)
        axes.bar_label(bars, fmt="%.0f", fontsize=7)
    axes.set_yscale("log")
    axes.set_ylabel("ms a clip")
    axes.set_xticks(np.arange(len(group)) + 0.4 - width / 2, [f"{row.length} s" for row in group])
    axes.set_title("One clip to its vector, official shape: less is better")
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
