"""The goals of the benchmark, with their results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from index_service.recall import DEFAULT_TARGET
from tools.benchmarks import index_filtered
from tools.benchmarks.experiment.growth import OURS, sizes_of
from tools.benchmarks.experiment.measured import as_it_is, with_all_cores
from tools.benchmarks.experiment.results import result
from tools.benchmarks.experiment.search import reaching
from tools.benchmarks.experiment.wording import Content, ms, percent, table

SHARE_OF_DEMO = 0.2
REST_MS = 8.0
SHARE_OF_ENCODER = 0.9
NARROWED_TIMES = 1.3
BARE_TIMES, BARE_RATE = 1.3, 0.6
FLAT = 1.1
"""Largest factor from the memory with the smallest library to that with the largest."""

Outcome = tuple[str, bool] | None
"""The measurement as text, and True if it meets the goal; None if a step is missing."""


def goals(content: Content) -> str:
    """Returns a table of each goal, its measurement, and yes or no."""
    found = {goal: outcome(content) for goal, outcome in GOALS.items()}
    if not any(found.values()):
        return ""
    rows = [[goal, *_cells(outcome)] for goal, outcome in found.items()]
    return table(["goal", "measured", "holds"], rows)


def _cells(outcome: Outcome) -> list[str]:
    if outcome is None:
        return ["not measured", ""]
    text, holds = outcome
    return [text, "yes" if holds else "no"]


def _share(of_demo: Callable[[Mapping[str, Any]], float]) -> Callable[[Content], Outcome]:
    """Returns a goal of our time as a share of the demo's, which `of_demo` reads, in ms."""

    def outcome(content: Content) -> Outcome:
        beside = result(content, "end-to-end/demo")
        if not beside:
            return None
        ours, theirs = beside["ours"]["p50_ms"], of_demo(beside)
        text = f"{ms(ours)} / {ms(theirs)}: {percent(ours / theirs)}"
        return text, ours <= SHARE_OF_DEMO * theirs

    return outcome


def _rest(content: Content) -> Outcome:
    measured = result(content, "end-to-end")
    if not measured:
        return None
    rest = measured["one"]["all_but_backbone_p50_ms"]
    return ms(rest), rest < REST_MS


def _index_time(content: Content) -> Outcome:
    pair = _at_target(content)
    if pair is None:
        return None
    ours, bare = (point["p50_ms"] for point in pair)
    return f"{ours:.2f} / {bare:.2f} ms: {ours / bare:.2f} times", ours <= BARE_TIMES * bare


def _index_rate(content: Content) -> Outcome:
    pair = _at_target(content)
    if pair is None:
        return None
    ours, bare = (point["together_a_second"] for point in pair)
    text = f"{ours:,.0f} / {bare:,.0f} queries a second: {ours / bare:.2f}"
    return text, ours >= BARE_RATE * bare


def _at_target(content: Content) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
    """The first settings of ours and of bare pymilvus that reach the default recall."""
    names = ("search/index service", "search/bare pymilvus")
    ours, bare = (reaching(result(content, name) or {"points": []}) for name in names)
    return (ours, bare) if ours and bare else None


def _import(content: Content) -> Outcome:
    measured = result(content, "ingest")
    if not measured:
        return None
    imported = measured["import"]
    share = imported["share_of_encoder"]
    rate, alone = imported["clips_a_second"], imported["encoder_clips_a_second"]
    text = f"{rate:.1f} / {alone:.1f} clips a second: {share:.2f}"
    return text, share >= SHARE_OF_ENCODER


def _memory(content: Content) -> Outcome:
    sizes = sizes_of(content)
    if len(sizes) < 2:
        return None
    first, last = sizes[0], sizes[-1]
    totals = [sum(each["memory_mib"][name] for name in OURS) for each in (first, last)]
    grown = {name: last["memory_mib"][name] / first["memory_mib"][name] for name in OURS}
    most = max(OURS, key=lambda name: grown[name])
    text = (
        f"{totals[0]:,.0f} MiB with {first['rows']:,} clips, {totals[1]:,.0f} with "
        f"{last['rows']:,}: {totals[1] / totals[0]:.2f} times (most: {most}, {grown[most]:.2f})"
    )
    return text, totals[1] <= FLAT * totals[0]


def _slowest(step: str) -> Callable[[Content], Outcome]:
    """Returns a goal of the slowest way of a step beside the plain search."""

    def outcome(content: Content) -> Outcome:
        measured = result(content, step)
        if not measured:
            return None
        plain = measured[index_filtered.PLAIN]["p50_ms"]
        slowest = max(measured, key=lambda name: float(measured[name]["p50_ms"]))
        times = measured[slowest]["p50_ms"] / plain
        return f"{times:.2f} times ({slowest})", times <= NARROWED_TIMES

    return outcome


def _filtered_recall(content: Content) -> Outcome:
    measured = result(content, "search/filtered")
    if not measured:
        return None
    worst = min(measured, key=lambda name: float(measured[name]["recall"]))
    share = measured[worst]["recall"]
    return f"{share:.3f} ({worst})", share >= DEFAULT_TARGET


def _long(content: Content) -> Outcome:
    measured = result(content, "segments")
    if not measured:
        return None
    rate, alone = measured["vectors_a_second"], measured["encoder_vectors_a_second"]
    share = measured["share_of_encoder"]
    return f"{rate:.1f} / {alone:.1f} vectors a second: {share:.2f}", share >= SHARE_OF_ENCODER


def _short(content: Content) -> Outcome:
    measured = result(content, "segments")
    if not measured:
        return None
    vectors, clips = measured["vectors_of_short_clips"], measured["short_clips"]
    return f"{vectors} vectors of {clips} clips", vectors == clips


GOALS: dict[str, Callable[[Content], Outcome]] = {
    "a search end to end takes at most a fifth of the time of the demo as it is": _share(as_it_is),
    "the same, with an index on its ids in MySQL that it lacks": _share(
        lambda beside: beside["demo"]["p50_ms"]
    ),
    "the same, and if its VectorExecutor had all cores (computed)": _share(with_all_cores),
    "all of a search but the backbone takes less than 8 ms, p50": _rest,
    "the index service takes at most 1.3 times as long as bare pymilvus, p50": _index_time,
    "in calls of 100 it answers at least 0.6 of bare pymilvus' queries a second": _index_rate,
    "an import reaches at least 0.9 of the encoder's rate": _import,
    "the memory of our four services is flat: it grows to at most 1.1 times": _memory,
    "a search with a condition takes at most 1.3 times the plain one in the index, p50": _slowest(
        "search/filtered"
    ),
    "the same through the gateway, with a condition or groups": _slowest("search/grouped"),
    "a search with a condition finds at least 0.95 of the exact 10 nearest": _filtered_recall,
    "an import of long recordings reaches at least 0.9 of the encoder's rate": _long,
    "a clip of one window costs one vector": _short,
}
