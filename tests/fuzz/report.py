"""The ends of all inputs, counted, and what must not have happened."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.fuzz.outcomes import Input, Outcome
from tests.fuzz.processes import MEBIBYTE, Sample


@dataclass
class Report:
    """The counts and findings of a run."""

    seed: int
    output: Path
    ends: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")

    def note(self, index: int, kind: str, sent: Input, outcome: Outcome, seconds: float) -> None:
        """Counts an end. An input with a fault is written into a file."""
        self.ends[kind, outcome.status, outcome.reason] += 1
        self.slowest = max(self.slowest, (seconds, f"{index}, {sent.what}"))
        if outcome.fault:
            self.output.mkdir(parents=True, exist_ok=True)
            (self.output / f"{self.seed}-{index}.bin").write_bytes(sent.data)
            again = f"--seed {self.seed} --first {index} --inputs 1"
            self.fault(f"{again}: {kind}, {sent.what}: {outcome.fault}")

    def fault(self, what: str) -> None:
        """Notes a finding."""
        self.faults.append(what)

    def show(self, console: Console, before: Sample, warm: Sample, after: Sample) -> None:
        """Prints all of it, and writes the findings into a file."""
        table = Table("kind", "status", "reason", "inputs")
        for (kind, status, reason), count in sorted(self.ends.items()):
            table.add_row(kind, status, reason, f"{count:,}")
        console.print(table)
        memory = Table("memory, MiB", "before", "warm", "after")
        for name in warm.memory:
            values = [sample.memory[name] // MEBIBYTE for sample in (before, warm, after)]
            memory.add_row(name, *map(str, values))
        console.print(memory)
        seconds, what = self.slowest
        console.print(f"slowest: {seconds:.1f} s, input {what[:200]}", markup=False)
        for fault in self.faults[:20]:
            console.print(f"fault: {fault}", markup=False)
        if self.faults:
            self.output.mkdir(parents=True, exist_ok=True)
            path = self.output / f"{self.seed}-faults.txt"
            path.write_text("\n\n".join(self.faults))
            console.print(f"{len(self.faults)} faults; they are in {path}", markup=False)
