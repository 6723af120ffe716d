"""Limits the resources of a decoder process."""

from __future__ import annotations

_MEMORY_BYTES = 2**30
"""Address space that decoding may take in addition to that of the process at its start."""


def bound_resources() -> None:
    """Limits the memory of this process and turns off core dumps. Does nothing outside Linux."""
    try:
        import resource  # noqa: PLC0415  Windows has none

        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
            used = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + _MEMORY_BYTES, resource.RLIM_INFINITY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, OSError, ValueError):
        return  # not Linux: decoding runs without limits
