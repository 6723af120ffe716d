"""A migration whose worker ends at any point is taken up by another, and loses nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.end_to_end.conftest import start
from tests.end_to_end.indexed import Indexed, opened
from tests.end_to_end.test_migration import fill, searching, wait_for_the_end
from tools.servers.processes import until

SHORTS, LONGS = 5, 2
POINTS = [
    ("libraries", "restore_indexes", 1, "before"),
    ("libraries", "restore_indexes", 1, "after"),
    ("clips", "embed_again", 4, "after"),
    ("catalog", "ReportMigration", 2, "after"),
    ("catalog", "FinishMigration", 1, "before"),
    ("catalog", "FinishMigration", 1, "after"),
]
"""Steps before or after which a worker is killed."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Indexed, list[str]]]:
    """A stack with an old library for each point."""
    folder = tmp_path_factory.mktemp("recordings")
    with start(tmp_path_factory.mktemp("migrating")) as running, opened(running) as indexed:
        names = [indexed.old_library() for _ in POINTS]
        for name in names:
            fill(indexed, name, folder, SHORTS, LONGS)
        yield indexed, names


def kill(stack: Indexed) -> None:
    """Ends the gateway as a crash would."""
    process = stack.running.stack._processes["gateway"]
    process.kill()
    process.wait(30)


def launch(stack: Indexed) -> None:
    """Starts another gateway in its place."""
    stack.running.stack.launch("gateway")
    stack.running.stack.wait("gateway")


@pytest.mark.parametrize("number", range(len(POINTS)), ids=lambda n: "-".join(map(str, POINTS[n])))
def test_another_worker_goes_on_where_one_has_ended(
    stack: tuple[Indexed, list[str]], number: int
) -> None:
    """Whatever the first was about to do, or had just done."""
    indexed, names = stack
    name, uid = names[number], indexed.library(names[number]).uid
    kill(indexed)
    module = [sys.executable, "-m", "tests.end_to_end.stopping_worker", name]
    environment = indexed.running.stack._environment("gateway")
    done = subprocess.run(
        [*module, *map(str, POINTS[number])],
        env={**environment, "PYTHONPATH": str(REPOSITORY)},
        cwd=REPOSITORY,
        timeout=180,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    launch(indexed)
    wait_for_the_end(indexed, name)
    assert indexed.library(name).generation == 1
    assert len(indexed.clips(name)) == SHORTS + LONGS
    assert indexed.differences(name) == []
    until(lambda: not indexed.has_index(uid))


def test_gateways_that_are_killed_lose_nothing(tmp_path: Path) -> None:
    """Three in a row, each a little further; searched meanwhile."""
    with start(tmp_path) as running, opened(running) as stack:
        name = stack.old_library()
        paths = fill(stack, name, tmp_path, shorts=30, longs=6)
        uid, done = stack.migrate(name).uid, 0

        def moved() -> bool:
            now = stack.library(name)
            return not now.HasField("migration") or now.migration.done_count > done

        for _ in range(3):
            until(moved)
            if stack.library(name).HasField("migration"):
                done = stack.library(name).migration.done_count
            os.kill(running.stack.pid("gateway"), signal.SIGKILL)
            os.waitpid(running.stack.pid("gateway"), 0)
            launch(stack)
        with searching(stack, name, paths) as wrong:
            wait_for_the_end(stack, name)
            until(lambda: not stack.has_index(uid))
        assert wrong == []
        assert stack.library(name).generation == 1
        assert len(stack.clips(name)) == 36
        assert stack.differences(name) == []
