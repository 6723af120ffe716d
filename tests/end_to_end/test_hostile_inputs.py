"""Seconds of what `make fuzz` does at length: hostile inputs, and nothing comes of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from tests.end_to_end.conftest import Running
from tests.fuzz.run import Options, Run

pytestmark = pytest.mark.timeout(600)  # of which half a minute is used, where nothing else runs


def test_hostile_inputs_are_refused_and_leave_nothing(
    fragile: Running, breakable_temporary: Path, tmp_path: Path
) -> None:
    """No INTERNAL, UNKNOWN or 500, no trace in the logs, no restart, no hang, flat memory."""
    options = Options(inputs=800, seed=1, seconds=12, output=tmp_path)
    console = Console(width=100, highlight=False)
    run = Run(fragile.stack, breakable_temporary, fragile.folder(), options, console)
    assert run.run(), run.report.faults
    assert run.report.ends.total() >= 200
    assert {kind for kind, _, _ in run.report.ends} == set(options.kinds)
