"""Helpers of the report: Markdown tables, units, and names of ways to embed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tools.benchmarks.vector_executor import PEER

SHOWN = {"wire": "wire, gateway and waiting"}
"""Longer names of steps of a search. "wire" is the time that no other step accounts for."""

Content = Mapping[str, Any]


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a table in Markdown."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def route_name(route: str) -> str:
    """Returns the name of a route of benchmark.json for the table, with product and threads."""
    if route == PEER:
        return "VectorExecutor, as it comes (one thread)"
    if route.startswith(PEER):
        threads = "".join(filter(str.isdigit, route))
        return f"VectorExecutor, {threads} threads"
    return f"Audiosearch, {route}"


def ms(value: float) -> str:
    """Formats milliseconds."""
    return f"{_short(value)} ms"


def gib(value: float) -> str:
    """Formats GiB, as TiB from 1 TiB on."""
    return f"{value:,.1f} GiB" if value < 1024 else f"{value / 1024:,.1f} TiB"


def hours(value: float) -> str:
    """Formats a number of hours."""
    return _short(value)


def percent(share: float) -> str:
    """Formats a share of 1 as percent."""
    return f"{100 * share:.0f} %"


def _short(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"
