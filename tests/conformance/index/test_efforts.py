"""An index learns from its own queries how much effort a recall takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from audiosearch.filter.v1.filter_pb2 import Condition

from index_service.commands import Commands
from index_service.efforts import Efforts, certain_recall
from index_service.filters import expression
from index_service.recall import effort, smallest
from index_service.store import Among, Found, Vectors
from tests.conformance.index.index_harness import settings_for, unit

ROWS = 100_000
ALL = Among()


class Searched(Commands):
    """Answers like an index that finds the share `recall(ef, filter)` of the nearest."""

    def __init__(self, recall: Callable[[int, str], float]) -> None:
        """Takes the recall by `ef` and filter."""
        self.recall = recall
        self.rows = ROWS
        self.shares = {"": 1.0}

    def count(self, name: str, among: str = "") -> int:
        """See Commands."""
        return round(self.rows * self.shares.get(among, 0.5))

    def search(
        self, name: str, queries: Vectors, limit: int, among: str, parameters: dict[str, int]
    ) -> list[Found]:
        """See Commands."""
        right = round(self.recall(parameters["ef"], among) * limit)
        return [
            [(f"v{rank}" if rank < right else f"wrong{rank}", 0.5) for rank in range(limit)]
            for _ in queries
        ]


@pytest.fixture
def searched() -> Searched:
    """An index that finds more than the table says; of the speaker "far" less."""
    far = expression(of("far"), lite=False)
    return Searched(lambda ef, among: min(1.0, 0.5 + ef / (9600 if among == far else 96)))


@pytest.fixture
def efforts(searched: Searched, tmp_path: Path) -> Iterator[Efforts]:
    """The efforts of its searches. A measurement need not wait for the one before."""
    with closing(Efforts(searched, settings_for(tmp_path, 1), lite=False, rests=0.0)) as made:
        yield made


def of(speaker: str) -> Among:
    """The clips of a speaker."""
    values = Condition.Values(values=[speaker])
    return Among(conditions=[Condition(field="speaker", any_of=values)])


def chosen(efforts: Efforts, target: float, among: Among = ALL, number: int = 0) -> int:
    """The effort for a query."""
    return efforts.choose("c", unit(1, seed=number), 10, 11, among, target)[0]


def learned(efforts: Efforts, among: Among = ALL) -> int:
    """The effort for a target of 0.95, once it differs from that at first."""
    first, give_up = chosen(efforts, 0.95, among), time.monotonic() + 10
    while (now := chosen(efforts, 0.95, among)) == first:
        assert time.monotonic() < give_up
        for number in range(100):
            chosen(efforts, 0.95, among, number)
    return now


def test_effort_follows_the_queries_of_an_index(searched: Searched, efforts: Efforts) -> None:
    """By the table at first, then as much as a target takes here, until the index has grown."""
    assert chosen(efforts, 0.95) == effort(ROWS, 10, 11, 0.95)
    learned(efforts)
    by_target = [chosen(efforts, target) for target in (0.5, 0.9, 0.99)]
    assert by_target == sorted(set(by_target))
    assert by_target[-1] < effort(ROWS, 10, 11, 0.99)
    searched.rows *= 2
    efforts._counts.clear()  # a count may be 30 s old
    assert chosen(efforts, 0.95) == effort(2 * ROWS, 10, 11, 0.95)


def test_effort_follows_the_queries_of_a_filter(searched: Searched, efforts: Efforts) -> None:
    """Each filter has its own, by the table at first and when it lets through many more."""
    near, far, other = of("near"), of("far"), of("other")
    by_table = effort(ROWS, 10, 11, 0.95, share=0.5)
    assert {chosen(efforts, 0.95, each) for each in (near, far, other)} == {by_table}
    assert learned(efforts, near) < by_table < learned(efforts, far)
    assert chosen(efforts, 0.95, other) == by_table
    searched.shares[expression(near, lite=False)] = 0.8
    efforts._counts.clear()
    assert chosen(efforts, 0.95, near) == effort(ROWS, 10, 11, 0.95, share=0.8)


def test_measurements_take_a_small_part_of_the_time(searched: Searched, tmp_path: Path) -> None:
    """After one, none begins for many times as long."""
    with closing(Efforts(searched, settings_for(tmp_path, 1), lite=False, rests=1e6)) as efforts:
        learned(efforts, of("near"))
        by_table = chosen(efforts, 0.95, of("far"))
        for number in range(300):
            assert chosen(efforts, 0.95, of("far"), number) == by_table


def test_a_target_that_no_effort_reached_is_none() -> None:
    """The table decides then."""
    assert smallest({12: 0.6, 24: 0.8}, 0.9) is None
    assert smallest({12: 0.65, 24: 0.99}, 0.5) == 12


def test_few_queries_that_differ_count_less() -> None:
    """The standard error is taken off."""
    assert certain_recall([["a", "b"]] * 4, [["a", "b", "c"]] * 4, 2) == 1.0
    mixed = certain_recall([["a", "b"], ["x", "y"]] * 2, [["a", "b"]] * 4, 2)
    assert np.isclose(mixed, 0.5 - 0.25)
