"""Charts of the results, as PNG files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.benchmarks.experiment import demo, encoder, end_to_end
from tools.benchmarks.experiment.growth import fitted, kind, sizes_of
from tools.benchmarks.experiment.measured import PUBLISHED_AT
from tools.benchmarks.experiment.results import result
from tools.benchmarks.experiment.search import MOST, curves
from tools.benchmarks.experiment.settings import CALLERS
from tools.benchmarks.experiment.wording import SHOWN, route_name

GROWN = (
    "a search in the index, ms",
    "a look-up of ten clips in the catalog, ms",
    "a search end to end without the backbone, ms",
    "an upload, searchable at its answer, ms",
    "a clip of an import, ms",
)


def draw(content: Mapping[str, Any], folder: Path) -> list[str]:
    """Draws a chart for each result that exists. Returns the names of the files."""
    drawn = {}
    if found := curves(content):
        drawn["search.png"] = lambda path: _search(found, path)
    if rows := result(content, "embedding"):
        drawn["embedding.png"] = lambda path: encoder.chart(_named(rows), path)
    if ours := result(content, "end-to-end"):
        beside = result(content, "end-to-end/demo")
        drawn["end_to_end.png"] = lambda path: _end_to_end(ours, beside, path)
    if sizes := sizes_of(content):
        drawn["growth.png"] = lambda path: _growth(sizes, path)
    for name, chart in drawn.items():
        chart(folder / name)
    return list(drawn)


def _named(embedding: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the results of the encoder with the names of routes that the table uses."""
    rows = [row | {"route": route_name(row["route"])} for row in embedding["rows"]]
    return {**embedding, "rows": rows}


def _plots(columns: int) -> tuple[Any, Any]:
    import matplotlib as mpl  # noqa: PLC0415  heavy

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415  after the choice of the backend

    return plt.subplots(1, columns, figsize=(5.5 * columns, 4.5), layout="constrained")


def _search(routes: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draws searches a second and the time of one over recall, as in the demo's chart."""
    figure, (rates, times) = _plots(2)
    for route in routes:
        recalls, points = [point["recall"] for point in route["points"]], route["points"]
        (line,) = rates.plot(
            recalls, [point["one_caller_a_second"] for point in points], "o-", label=route["route"]
        )
        colour = {"color": line.get_color(), "markersize": 4}
        for rate, style in (("at_once_a_second", "o--"), ("together_a_second", "o:")):
            rates.plot(recalls, [point[rate] for point in points], style, alpha=0.5, **colour)
        times.plot(recalls, [point["p50_ms"] for point in points], "o-", **colour)
        times.plot(recalls, [point["p99_ms"] for point in points], "o:", alpha=0.6, **colour)
    published = list(zip(*demo.PUBLISHED, strict=True))
    published_as = "the earlier demo, as published: taken as one caller's"
    rates.plot(*published, "k*-", markersize=9, label=published_as)
    times.plot([PUBLISHED_AT], [demo.PUBLISHED_SEARCH_MS], "k*", markersize=9)
    lines = {"-": "one caller", "--": f"{CALLERS} callers", ":": f"{MOST} queries a call"}
    for style, label in lines.items():
        rates.plot([], [], style, color="grey", label=label)
    rates.set_title("searches a second")
    times.set_title("one query a call, ms: median (dotted: 99th percentile)")
    for axes in (rates, times):
        axes.set_xlim(0.4, 1.005)
        axes.set_yscale("log")
        axes.set_xlabel("recall@10")
        axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=3, fontsize=7)
    figure.savefig(path, dpi=120)


def _end_to_end(ours: Mapping[str, Any], beside: Mapping[str, Any] | None, path: Path) -> None:
    """Draws the steps of one search of one client."""
    bars = {"Audiosearch": (ours["one"]["steps_p50_ms"], end_to_end.STEPS)}
    if beside:
        bars["the earlier demo"] = (beside["demo"]["steps_p50_ms"], end_to_end.DEMO_STEPS)
    figure, axes = _plots(1)
    for place, (steps, names) in enumerate(bars.values()):
        left = 0.0
        for name in names:
            label = SHOWN.get(name, name) if place == 0 else f"{name} (demo)"
            axes.barh(place, steps[name], left=left, label=f"{label} {steps[name]:.1f} ms")
            left += steps[name]
    axes.set_yticks(range(len(bars)), bars)
    axes.set_xlabel("ms, medians")
    axes.set_title("From a clip of 5 s to named matches, one client")
    axes.legend(fontsize=7)
    figure.savefig(path, dpi=120)


def _growth(sizes: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draws costs over the size of the library."""
    figure, axes = _plots(1)
    rows, fits = [each["rows"] for each in sizes], fitted(sizes)
    for name in GROWN:
        fit = fits[name]
        grows = "" if fit["exponent"] is None else f": rows^{fit['exponent']:.2f}"
        axes.plot(rows, fit["values"], "o-", label=name + grows)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(rows, [f"{each['rows']:,}\n{kind(each)}" for each in sizes])
    axes.minorticks_off()
    axes.set_xlabel("clips in the library, and the kind of their index")
    axes.set_title("What things cost as the library grows")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", fontsize=7)
    figure.savefig(path, dpi=120)
