"""The table of all models, from the contents of models.json."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table

Measured = Mapping[str, Any]

_BASE = re.compile(r".*?-\d+k")
"""The part of a model's name that names its checkpoint; hash and revision follow it."""


def table(measured: Measured) -> Table:
    """Returns a table with a row for each model."""
    models, chance = measured["models"], measured["chance"]
    lengths = sorted({each["seconds"] for model in models for each in model["voices"]})
    made = Table(
        *("model", "for", "vector", "precision", "MB", "5 s, ms", "times", "1 - cosine"),
        title="times: beside PaddleSpeech's class; sounds: first result of the same kind (of the "
        "first five); voices: equal error rate by seconds of speech",
        title_justify="left",
    )
    for head in (*chance, *(f"{length:g} s" for length in lengths)):
        made.add_column(head, justify="right")
    speeds = {each["model"]: each for each in measured["speed"] if each["chosen"]}
    for model in models:
        heard = {each["seconds"]: each for each in model["voices"]}
        made.add_row(
            *(model["model"], model["purpose"], str(model["dimension"]), model["precision"]),
            f"{model['memoryBytes'] / 1e6:.0f}",
            *_speed(speeds.pop(base(model["model"]), None)),
            *(_found(model["sounds"][name]) for name in chance),
            *(_rate(heard.get(length)) for length in lengths),
        )
    for row in _timed_alone(speeds.values()):
        made.add_row(*row)
    if chance:
        made.add_row("chance", *[""] * 7, *map(_found, chance.values()))
    return made


def base(name: str) -> str:
    """Returns the name of a model's checkpoint: `panns_small-32k` of `panns_small-32k-0a1b-p1`."""
    found = _BASE.match(name)
    return found.group() if found else name


def _timed_alone(speeds: Iterable[Measured]) -> Iterator[Sequence[str]]:
    """Yields rows of models whose speed alone is known, as their weights are drawn by lot."""
    for speed in speeds:
        yield (
            f"{speed['model']}, weights by lot",
            *("", str(speed["dimension"]), speed["precision"], f"{speed['memory_mb']:.0f}"),
            *_speed(speed),
        )


def _speed(speed: Measured | None) -> Sequence[str]:
    if not speed:
        return ("", "", "")
    off = 1 - speed["lowest_cosine"]
    return (f"{speed['ours_ms']:.1f}", f"{speed['times']:.1f}", f"{off:.1e}")


def _found(found: Measured) -> str:
    return f"{100 * found['first']:.0f} % ({100 * found['of_five']:.0f} %)"


def _rate(heard: Measured | None) -> str:
    return f"{100 * heard['equal_error_rate']:.1f} %" if heard else ""
