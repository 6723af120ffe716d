"""The table at the end of a run."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from tests.chaos.checks import Checks
from tests.chaos.ledger import Fate, Ledger
from tests.chaos.processes import Keeper

SHOWN = 30


def report(console: Console, keepers: Mapping[str, Keeper], ledger: Ledger, checks: Checks) -> bool:
    """Prints kills, operations and checks; True if nothing that was promised was broken."""
    kills = Table("process", "kills", "ended by itself", title="killed", title_justify="left")
    for name, keeper in keepers.items():
        kills.add_row(name, str(keeper.kills), str(keeper.ended_by_itself))
    kills.add_row("all", str(sum(each.kills for each in keepers.values())), "", style="bold")
    console.print(kills)
    operations = Table("operation", "answer", "times", title="asked", title_justify="left")
    for (operation, outcome), count in sorted(ledger.counts.items()):
        operations.add_row(operation, outcome, str(count))
    console.print(operations)
    fates = {fate.value: len(ledger.with_fate(fate)) for fate in Fate}
    console.print(f"sounds: {fates}")
    table = Table("check", "looked at", "wrong", title="checked", title_justify="left")
    for name, looked in checks.looked.items():
        table.add_row(name, str(looked), str(checks.wrong[name]))
    console.print(table)
    for violation in ledger.violations[:SHOWN]:
        console.print(f"VIOLATION {violation}", markup=False)
    console.print(f"{len(ledger.violations)} violations")
    return not ledger.violations
