"""A short form of the storm that `make storm` runs at length."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from tests.chaos.ledger import DONE
from tests.chaos.storm.run import GREEDY, HARMED, HEALTH, OTHERS, Options, Storm

pytestmark = pytest.mark.timeout(600)  # of which a minute is used, where nothing else runs

SECONDS = 4.0
PHASES = ("strangers", "greedy", "hang index", "damaged", "lost")
"""Kills are those of test_chaos; the others that hang are those of test_hung."""


def test_others_are_served_in_a_storm(tmp_path: Path) -> None:
    """Nothing is lost, orphaned or wrong, and in each phase others get answers."""
    options = Options(clients=8, seconds=SECONDS, seed=5, phases=PHASES, call_seconds=12, filled=12)
    storm = Storm(tmp_path, options, Console(width=140, highlight=False))
    assert storm.run(), [ledger.violations for ledger in storm.ledgers.values()]
    seen = {(row.phase, row.callers): row for row in storm.seen}
    assert all(seen[phase, OTHERS].outcomes[DONE] for phase in PHASES)
    assert all(seen[phase, HARMED].outcomes[DONE] for phase in ("damaged", "lost"))
    assert seen["greedy", GREEDY].outcomes.total()
    assert not seen["strangers", OTHERS].refused
    assert not seen["strangers", HEALTH].refused
