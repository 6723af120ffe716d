"""The processor cores that this process may use, and the runs of a network that share them."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_RUNS = 8
"""Most runs of a network at a time: each keeps what OpenVINO prepares, some 50 MB and model."""

_FEW = 2
_OWN_GROUPS = Path("/proc/self/cgroup")
_GROUPS = Path("/sys/fs/cgroup")


def usable_cores() -> int:
    """Returns the number of cores by affinity, or by a container's quota where that is less."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return max(1, math.ceil(min(cores, quota())))


def quota(own: Path = _OWN_GROUPS, groups: Path = _GROUPS) -> float:
    """Returns the cores that the control groups of this process allow; infinity without a limit.

    Args:
        own: Names the groups, as /proc/self/cgroup does, of version 1 or 2.
        groups: The folder that they are mounted in.
    """
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return math.inf
    return min((each for line in lines for each in _quotas(line, groups)), default=math.inf)


def runs_by_rule(threads: int) -> int:
    """Returns the number of runs at a time, if much audio waits, that share so many threads.

    Two threads are as quick in one run, which takes less memory.
    """
    return 1 if threads <= _FEW else min(threads, MOST_RUNS)


def _quotas(line: str, groups: Path) -> Iterator[float]:
    """The quotas of a group and of those around it, as far as they are visible here."""
    _, kinds, path = line.split(":", 2) if line.count(":") > 1 else ("", "none", "")
    if kinds and "cpu" not in kinds.split(","):
        return
    top = groups / kinds if kinds else groups
    inner = Path(path.lstrip("/"))
    for folder in (inner, *inner.parents):
        found = _read(top / folder / "cpu.max") or [
            *_read(top / folder / "cpu.cfs_quota_us"),
            *_read(top / folder / "cpu.cfs_period_us"),
        ]
        if len(found) == 2 and min(found) > 0:
            yield found[0] / found[1]


def _read(path: Path) -> list[float]:
    """The numbers in a file; none where there is no file, or no limit."""
    try:
        return [float(each) for each in path.read_text(encoding="utf-8").split()]
    except (OSError, ValueError):
        return []
