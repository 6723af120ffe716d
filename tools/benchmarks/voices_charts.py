"""Charts of the error rates of speaker identification."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from audiosearch_evaluation.charts import BLUE, ORANGE, det_axes
from matplotlib.figure import Figure

from scoring.error_rates import det_points
from scoring.figures import Verification
from tools.benchmarks.voices_counted import Rate


def draw_det(found: Mapping[str, Verification], path: Path) -> None:
    """Draws miss rate over false-alarm rate for both kinds of scores."""
    figure = Figure(figsize=(6, 6), layout="constrained")
    axes = det_axes(figure, "50 clips of each of 6 speakers, all of them enrolled")
    for (kind, each), color in zip(found.items(), (BLUE, ORANGE), strict=False):
        label = f"{kind}, equal error rate {100 * each.equal_error_rate.value:.1f} %"
        axes.plot(*det_points(each.rates), color=color, linewidth=2, label=label)
    axes.legend()
    figure.savefig(path, dpi=120)


def draw_rates(by_point: Mapping[str, Mapping[str, Rate]], path: Path) -> None:
    """Draws measured rates with their intervals, and the expected rates."""
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    all_axes = figure.subplots(1, len(by_point), sharey=True)
    for axes, (point, rates) in zip(all_axes, by_point.items(), strict=True):
        told = {name: rate for name, rate in rates.items() if rate.expected is not None}
        for place, rate in enumerate(told.values()):
            if rate.interval:
                ends = [100 * rate.interval.low, 100 * rate.interval.high]
                axes.plot(ends, [place, place], color=BLUE, linewidth=2)
            axes.plot([100 * rate.value], [place], "o", color=BLUE)
            axes.plot([100 * rate.expected], [place], "D", color=ORANGE, markersize=5)
        axes.set_yticks(range(len(told)), list(told))
        axes.set(xlabel="%", title=point, xlim=(0, None))
        axes.grid(alpha=0.3)
    all_axes[0].invert_yaxis()
    all_axes[-1].plot([], [], "o-", color=BLUE, label="measured, 95 %")
    all_axes[-1].plot([], [], "D", color=ORANGE, label="expected")
    all_axes[-1].legend()
    figure.savefig(path, dpi=120)
