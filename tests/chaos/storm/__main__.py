"""`python -m tests.chaos.storm`: harms the stack, and tells what its clients saw meanwhile.

64 clients upload, search, delete, enroll and import meanwhile. Each phase is one kind of harm. The
table tells what clients saw in it, and the end what was lost, orphaned or wrong.
"""

from __future__ import annotations

import argparse
import signal
import sys

from tests.chaos.storm.run import PHASES, Options, run


def _end(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """Reads the options and runs; 0 if nothing was lost, orphaned or wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.storm", description=__doc__)
    parser.add_argument("--clients", type=int, default=64, help="clients at a time (64)")
    parser.add_argument("--seconds", type=float, default=30, help="of each phase (30)")
    parser.add_argument("--seed", type=int, default=1, help="of sounds and clients (1)")
    parser.add_argument("--phases", nargs="+", choices=PHASES, default=PHASES, metavar="PHASE")
    parser.add_argument("--keep", action="store_true", help="keep data and logs")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, _end)
    options = Options(asked.clients, asked.seconds, asked.seed, tuple(asked.phases))
    return 0 if run(options, keep=asked.keep) else 1


if __name__ == "__main__":
    sys.exit(main())
