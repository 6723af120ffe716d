"""An index learns from its own queries how much effort a recall takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from index_service.commands import Commands
from index_service.efforts import Efforts, certain_recall
from index_service.recall import effort, smallest
from index_service.store import Among, Found, Vectors
from tests.conformance.index.index_harness import settings_for, unit

ROWS = 100_000


class Searched(Commands):
    """Answers like an index that finds the share `recall(ef)` of the nearest."""

    def __init__(self, recall: Callable[[int], float]) -> None:
        """Takes the recall by `ef`."""
        self.recall = recall
        self.rows = ROWS

    def count(self, name: str, among: str = "") -> int:
        """See Commands."""
        return self.rows

    def search(
        self, name: str, queries: Vectors, limit: int, among: str, parameters: dict[str, int]
    ) -> list[Found]:
        """See Commands."""
        right = round(self.recall(parameters["ef"]) * limit)
        return [
            [(f"v{rank}" if rank < right else f"wrong{rank}", 0.5) for rank in range(limit)]
            for _ in queries
        ]


def test_effort_follows_the_queries_of_an_index(tmp_path: Path) -> None:
    """By the table at first, then as much as a target takes here, until the index has grown."""
    searched = Searched(lambda ef: min(1.0, 0.5 + ef / 96))
    efforts = Efforts(searched, settings_for(tmp_path, 1), lite=False)

    def chosen(target: float, number: int = 0) -> int:
        query = unit(1, seed=number)
        return efforts.choose("c", query, 10, 11, Among(), target)[0]

    try:
        assert chosen(0.95) == effort(ROWS, 10, 11, 0.95)
        give_up = time.monotonic() + 10
        while chosen(0.95) == effort(ROWS, 10, 11, 0.95):
            assert time.monotonic() < give_up
            for number in range(100):
                chosen(0.95, number)
        assert [chosen(target) for target in (0.5, 0.9, 0.99)] == sorted(
            {chosen(target) for target in (0.5, 0.9, 0.99)}
        )
        assert chosen(0.99) < effort(ROWS, 10, 11, 0.99)
        searched.rows *= 2
        efforts._counts.clear()  # a count may be 30 s old
        assert chosen(0.95) == effort(2 * ROWS, 10, 11, 0.95)
    finally:
        efforts.close()


def test_a_target_that_no_effort_reached_is_none() -> None:
    """The table decides then."""
    assert smallest({12: 0.6, 24: 0.8}, 0.9) is None
    assert smallest({12: 0.65, 24: 0.99}, 0.5) == 12


def test_few_queries_that_differ_count_less() -> None:
    """The standard error is taken off."""
    assert certain_recall([["a", "b"]] * 4, [["a", "b", "c"]] * 4) == 1.0
    mixed = certain_recall([["a", "b"], ["x", "y"]] * 2, [["a", "b"]] * 4)
    assert np.isclose(mixed, 0.5 - 0.25)
