"""The calls of clients, phase by phase."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from tests.chaos.clients import INCOMPLETE
from tests.chaos.ledger import DONE, Call, Ledger
from tests.chaos.report import SHOWN

LOST = {
    "acknowledged clips are there",
    "acknowledged speakers are there",
    "no clip failed",
    "no row without its vectors",
    "no speaker without its voiceprint",
    "stored audio is intact",
}
"""Checks that find something lost."""

ORPHANED = {
    "no clip stuck on its way",
    "no speaker stuck on its way",
    "no vector without a row",
    "no voiceprint without a speaker",
    "no clip that nobody sent",
    "old indexes are dropped",
}
"""Checks that find something left over. All others find something wrong."""


@dataclass
class Seen:
    """The answers that some clients got in one phase, and how long they waited for them."""

    phase: str
    callers: str
    outcomes: Counter[str] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)
    note: str = ""

    @classmethod
    def of(cls, phase: str, callers: str, calls: Iterable[Call], begin: float, end: float) -> Seen:
        """Counts the calls that began within a time."""
        made = cls(phase, callers)
        for call in list(calls):
            if begin <= call.began < end:
                made.outcomes[call.outcome] += 1
                made.waits.append(call.seconds)
        return made

    @property
    def refused(self) -> Counter[str]:
        """Refusals by reason."""
        return Counter({name: count for name, count in self.outcomes.items() if name != DONE})

    def wait(self, share: float) -> float:
        """The time within which a share of the calls was answered; 0 without calls."""
        waits = sorted(self.waits)
        return waits[max(0, math.ceil(share * len(waits)) - 1)] if waits else 0.0


def show(console: Console, seen: Iterable[Seen]) -> None:
    """Prints the table of phases."""
    names = ("phase", "callers", "calls", "refused", "p50", "p99", "longest", "remarks")
    table = Table(*names, title="seen, in seconds", title_justify="left")
    for row in seen:
        refused = "\n".join(f"{count} {name}" for name, count in row.refused.most_common())
        waits = [f"{wait:.2f}" for wait in (row.wait(0.5), row.wait(0.99), row.wait(1.0))]
        waits = waits if any(row.waits) else [""] * 3
        calls = str(row.outcomes.total())
        table.add_row(row.phase, row.callers, calls, refused, *waits, row.note)
    console.print(table)


def verdict(console: Console, wrong: Counter[str], ledgers: Iterable[Ledger]) -> Counter[str]:
    """Prints and counts what is lost, orphaned and wrong: of all checks, and while under way."""
    violations = [each for ledger in ledgers for each in ledger.violations]
    incomplete = sum(ledger.counts["search", INCOMPLETE] for ledger in ledgers)
    lost = sum(wrong[name] for name in LOST)
    orphaned = sum(wrong[name] for name in ORPHANED)
    found = Counter(lost=lost, orphaned=orphaned, wrong=len(violations) - lost - orphaned)
    for violation in violations[:SHOWN]:
        console.print(f"VIOLATION {violation}", markup=False)
    console.print(f"{incomplete} searches of the harmed library told that it is incomplete")
    console.print(", ".join(f"{count} {name}" for name, count in found.items()))
    return found
