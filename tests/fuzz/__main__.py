"""`python -m tests.fuzz`: sends hostile inputs to a running stack, and counts how they end."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from tests.fuzz.kinds import KINDS
from tests.fuzz.run import Options, run


def _end(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """Reads the options and runs; 0 if nothing was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=10_000, help="inputs in all (10000)")
    parser.add_argument("--seed", type=int, default=1, help="of all inputs (1)")
    parser.add_argument("--seconds", type=float, default=1800, help="limit for sending (1800)")
    parser.add_argument("--first", type=int, default=0, help="index of the first input (0)")
    parser.add_argument("--kind", choices=[*KINDS], action="append", help="only these kinds")
    parser.add_argument("--output", type=Path, default=Path("build/fuzz"), help="for what failed")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, _end)
    kinds = tuple(asked.kind or KINDS)
    options = Options(
        asked.inputs, asked.seed, asked.seconds, asked.output, first=asked.first, kinds=kinds
    )
    return 0 if run(options) else 1


if __name__ == "__main__":
    sys.exit(main())
