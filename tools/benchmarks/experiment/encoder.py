"""Measures our encoder beside VectorExecutor, from files to vectors."""

from __future__ import annotations

import logging
import os
import warnings
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import structlog
from threadpoolctl import threadpool_limits

from tools.benchmarks.embedding import Plan, Row, compare, draw, make_checkpoint
from tools.benchmarks.experiment.settings import Settings
from tools.benchmarks.index_recall import say
from tools.benchmarks.vector_executor import installed, with_threads

MISSING = "VectorExecutor is not installed: run `make .venv-paddlespeech/.installed` (2.7 GB)"


class Official:
    """A checkpoint of the official shape with random weights, made at its first use."""

    def __init__(self, folder: Path) -> None:
        """Takes a folder for the checkpoint, without other files."""
        self.folder = folder / "checkpoint"
        self._arrays: dict[str, Any] = {}

    def made(self) -> Path:
        """Returns the folder, with the checkpoint in it."""
        self.arrays()
        return self.folder

    def arrays(self) -> dict[str, Any]:
        """Returns the weights by name, and writes the checkpoint to `folder`."""
        if not self._arrays:
            say("drawing a network of the official shape")
            # Paddle sets OMP_NUM_THREADS to 1, also for every program that is started later.
            environment = dict(os.environ)
            with warnings.catch_warnings(), threadpool_limits(1, "blas"):
                warnings.simplefilter("ignore")
                self._arrays = make_checkpoint(self.folder)
            os.environ.clear()
            os.environ.update(environment)
        return self._arrays


def measure(official: Official, folder: Path, settings: Settings) -> dict[str, Any]:
    """Returns the rows of `make bench-embedding`, without VectorExecutor if it is missing."""
    plan = Plan(settings.lengths, 4 if settings.quick else 16, settings.repeats)
    arrays = official.arrays()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.enter_context(threadpool_limits(1, "blas"))
        peers = stack.enter_context(with_threads(official.folder)) if installed() else {}
        if not peers:
            say(f"the encoder is measured alone: {MISSING}")
        rows, peak = compare(peers, folder, arrays, plan)
    return {
        "rows": [asdict(row) for row in rows],
        "peak_gflops": peak / 1e9,
        "beside": "VectorExecutor" if peers else f"nobody: {MISSING}",
    }


def chart(result: dict[str, Any], path: Path) -> None:
    """Draws the time of one clip."""
    draw([Row(**row) for row in result["rows"]], path)
