"""Runs of the training recipe that take seconds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tools.training.options import TrainingOptions

if TYPE_CHECKING:
    from pathlib import Path

RATE = 16000
SPEAKERS = ("ada", "bob", "cleo", "dan", "eve")


def small_run(speech: Path, work: Path, **changes: Any) -> TrainingOptions:
    """The options of a run of three steps, which exports to `checkpoint` below `work`."""
    small = TrainingOptions(
        speech=speech,
        work=work,
        export=work / "checkpoint",
        steps=3,
        width=16,
        frames=600,
        held_out=2,
        sounds_per_family=1,
        threads=1,
    )
    return replace(small, **changes)
