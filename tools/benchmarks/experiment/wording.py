"""What the report's tables have in common: Markdown, units, and its phrases in two languages."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.benchmarks.vector_executor import PEER

CHINESE = Path(__file__).with_name("chinese.json")
"""Each phrase of the report, and what README_cn.md says in its place."""

SHOWN = {"wire": "wire, gateway and waiting"}
"""What to call a step of a search, where benchmark.json is too brief: this one is what is left."""

Content = Mapping[str, Any]
Words = Callable[[str], str]


def words(language: str) -> Words:
    """What translates a phrase: nothing for `en`; KeyError where the Chinese one is missing."""
    if language == "en":
        return lambda phrase: phrase
    known: dict[str, str] = json.loads(CHINESE.read_text(encoding="utf-8"))
    return known.__getitem__


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def route_name(route: str, w: Words) -> str:
    """Whose a way to embed is, and its threads; `route` as benchmark.json has it."""
    if route == PEER:
        return w("VectorExecutor, as it comes (one thread)")
    if route.startswith(PEER):
        threads = "".join(filter(str.isdigit, route))
        return w("VectorExecutor, {threads} threads").format(threads=threads)
    return f"Audiosearch, {route}"


def ms(value: float) -> str:
    """Milliseconds."""
    return f"{_short(value)} ms"


def gib(value: float) -> str:
    """GiB, or TiB from one on."""
    return f"{value:,.1f} GiB" if value < 1024 else f"{value / 1024:,.1f} TiB"


def hours(value: float) -> str:
    """A number of hours."""
    return _short(value)


def percent(share: float) -> str:
    """A share of 1."""
    return f"{100 * share:.0f} %"


def _short(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"
