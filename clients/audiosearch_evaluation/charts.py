"""The DET curve and the histogram of scores, as PNG."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from audiosearch_evaluation.evaluating import Evaluation
from scoring.error_rates import det_points, normal_deviates
from serving.errors import Reason, ServiceError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_TICKS = (0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
BLUE, ORANGE = "#0072b2", "#d55e00"


def check() -> None:
    """Fails before hours of work if the drawing library is missing, and says how to install it."""
    if importlib.util.find_spec("matplotlib") is None:
        raise ServiceError(
            Reason.FIELD_INVALID,
            "charts need matplotlib: pip install 'audiosearch[evaluation]' brings it; or leave "
            "--output out",
        )


def draw_det(evaluation: Evaluation, path: Path) -> None:
    """Draws miss rate over false-alarm rate, both on the normal-deviate scale."""
    from matplotlib.figure import Figure  # noqa: PLC0415  an extra

    figure = Figure(figsize=(6, 6), layout="constrained")
    axes = det_axes(figure, f"{evaluation.library}: {evaluation.trials_from}")
    rates = evaluation.verification.rates
    axes.plot(*det_points(rates), color=BLUE, linewidth=2)
    value = evaluation.verification.equal_error_rate.value
    if 0 < value < 1:
        (place,) = normal_deviates(np.array([value]))
        axes.plot(
            [place], [place], "o", color=ORANGE, label=f"equal error rate {100 * value:.2f} %"
        )
        axes.legend()
    figure.savefig(path, dpi=120)


def det_axes(figure: Figure, title: str) -> Axes:
    """Axes of a DET curve: both rates on the normal-deviate scale."""
    axes = figure.subplots()
    places = normal_deviates(np.array(_TICKS))
    words = [f"{100 * tick:g}" for tick in _TICKS]
    axes.set_xticks(places, words)
    axes.set_yticks(places, words)
    axes.set(
        xlim=(places[0], places[-1]),
        ylim=(places[0], places[-1]),
        xlabel="false-alarm rate, %",
        ylabel="miss rate, %",
        title=title,
        aspect="equal",
    )
    axes.grid(alpha=0.3)
    return axes


def draw_scores(evaluation: Evaluation, path: Path) -> None:
    """Draws the distributions of the scores of target trials and of the others."""
    from matplotlib.figure import Figure  # noqa: PLC0415  an extra

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    scored = evaluation.scored
    bins = np.linspace(float(scored.scores.min()), float(scored.scores.max()) + 1e-6, 61).tolist()
    for kept, color, word in (
        (scored.targets, ORANGE, "target"),
        (~scored.targets, BLUE, "nontarget"),
    ):
        label = f"{word} ({np.count_nonzero(kept):,})"
        axes.hist(scored.scores[kept], bins, density=True, color=color, alpha=0.6, label=label)
    axes.set(
        xlabel="score (cosine)",
        ylabel="density",
        title=f"{evaluation.library}: {evaluation.trials_from}",
    )
    axes.legend()
    figure.savefig(path, dpi=120)
