"""From vectors to places in two dimensions."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from gateway.maps.projection import FEW, rough, turned
from gateway.maps.runner import run
from serving.errors import Reason, ServiceError
from tools.servers.processes import children

SAID: list[float] = []


def unit(count: int, seed: int = 0) -> np.ndarray:
    """Unit vectors in all directions."""
    found = np.random.default_rng(seed).standard_normal((count, 192)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def groups(of: int, each: int) -> tuple[np.ndarray, np.ndarray]:
    """Vectors around `of` centres, and the centre of each."""
    labels = np.repeat(np.arange(of), each)
    vectors = 0.8 * unit(of, seed=1)[labels] + 0.6 * unit(of * each, seed=2)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), labels


def kept(places: np.ndarray, labels: np.ndarray, near: int) -> float:
    """Share of the nearest places that have the same label."""
    far = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(far, np.inf)
    return float((labels[np.argsort(far, axis=1)[:, :near]] == labels[:, None]).mean())


def working() -> list[int]:
    """Processes that work on a map."""
    return children("self", b"gateway.maps.process")


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 300])
def test_rough_places_are_inside_for_any_number(count: int) -> None:
    """Within [-1, 1], as large as fits, and the same ones each time."""
    vectors = unit(count) if count else np.zeros((0, 2), np.float32)
    places = rough(vectors)
    assert places.shape == (count, 2)
    assert np.array_equal(places, rough(vectors))
    if count > 1:
        assert np.abs(places).max() == pytest.approx(1)


def test_sounds_that_are_the_same_are_in_one_place() -> None:
    """In the middle, and not spread over the map by rounding."""
    assert np.abs(rough(np.repeat(unit(1), 30, axis=0))).max() < 0.5


async def test_neighbours_stay_neighbours() -> None:
    """Of 30 groups nearly all the nearest are of one's own; chance would be one in thirty."""
    vectors, labels = groups(30, 20)
    SAID.clear()
    places = await run(vectors, rough(vectors), SAID.append)
    assert np.isfinite(places).all()
    assert np.abs(places).max() == pytest.approx(1)
    assert kept(places, labels, 10) > 0.95
    assert kept(rough(vectors), labels, 10) < 0.7
    assert sorted(SAID) == SAID
    assert 0 < SAID[0] < SAID[-1] <= 1


async def test_the_same_vectors_make_the_same_map() -> None:
    """Otherwise it would jump whenever it is made again."""
    vectors, _ = groups(4, FEW)
    first, second = [await run(vectors, rough(vectors), SAID.append) for _ in range(2)]
    assert np.allclose(first, second, atol=1e-3)


async def test_few_clips_do_not_fall_into_one_place() -> None:
    """As few as are refined at all."""
    vectors, labels = groups(4, 3)
    places = await run(vectors, rough(vectors), SAID.append)
    assert kept(places, labels, 2) == 1
    assert len(np.unique(places.round(2), axis=0)) == len(places)


def test_a_new_map_lies_like_the_old_one() -> None:
    """Turned and mirrored, the picture itself unchanged."""
    old = rough(unit(50))
    angle = 2.0
    turn = np.array([[np.cos(angle), np.sin(angle)], [np.sin(angle), -np.cos(angle)]])
    again = turned((old @ turn).astype(np.float32), np.arange(50), old)
    assert np.abs(again - old).max() < 0.35
    assert np.corrcoef(again[:, 0], old[:, 0])[0, 1] > 0.999


async def test_a_process_that_takes_too_long_is_ended() -> None:
    """With a typed error."""
    vectors = unit(3000)
    with pytest.raises(ServiceError) as raised:
        await run(vectors, rough(vectors), SAID.append, seconds=0.5)
    assert raised.value.reason is Reason.DEADLINE_EXCEEDED
    assert not working()


async def test_a_process_ends_with_who_waits_for_it() -> None:
    """When nobody wants the map any more."""
    vectors = unit(3000)
    task = asyncio.create_task(run(vectors, rough(vectors), SAID.append))
    while not working():
        await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not working()


async def test_a_process_that_breaks_down_is_told() -> None:
    """It is an error of ours; the log has its last words."""
    with pytest.raises(ServiceError) as raised:
        await run(np.full((20, 192), np.nan, np.float32), rough(unit(20)), SAID.append)
    assert raised.value.reason is Reason.INTERNAL
