"""`python -m tests.chaos`: kills every process again and again, and checks that nothing is lost."""

from __future__ import annotations

import argparse
import signal
import sys

from tests.chaos.run import Options, run


def _end(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """Reads the options and runs; 0 if all that was promised held."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="kills in all (200)")
    parser.add_argument("--seed", type=int, default=1, help="of sounds and order of kills (1)")
    parser.add_argument("--seconds", type=float, default=1800, help="limit for killing (1800)")
    parser.add_argument("--stores", choices=["real", "embedded"], default="real")
    parser.add_argument("--keep", action="store_true", help="keep data and logs")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, _end)
    right = run(Options(asked.kills, asked.seed, asked.seconds, asked.stores == "real", asked.keep))
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
