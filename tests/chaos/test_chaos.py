"""A short run of the harness that `make chaos` runs at length."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from tests.chaos.run import Options, Run

pytestmark = pytest.mark.timeout(600)  # of which a minute is used, where nothing else runs


def run(work: Path, options: Options) -> tuple[Run, bool]:
    """A run whose report is printed, and whether all that was promised held."""
    made = Run(work, options, Console(width=100, highlight=False))
    return made, made.run()


def test_nothing_is_lost_when_services_are_killed(tmp_path: Path) -> None:
    """On the embedded stores, acknowledged clips are there, and deleted ones are not."""
    made, right = run(tmp_path, Options(kills=8, seed=3, seconds=120, real=False))
    assert right, made.ledger.violations
    assert all(keeper.kills for keeper in made.keepers.values())
    assert made.ledger.counts["upload", "acknowledged"]


@pytest.mark.server
def test_nothing_is_lost_when_servers_are_killed(tmp_path: Path) -> None:
    """The same with a Milvus and a MySQL or MariaDB server, which die as well."""
    made, right = run(tmp_path, Options(kills=8, seed=4, seconds=120))
    assert right, made.ledger.violations
    assert made.ledger.counts["upload", "acknowledged"]
