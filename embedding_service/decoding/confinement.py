"""Bounds what a decoder process may use."""

from __future__ import annotations

_MEMORY_BYTES = 2**30
"""Address space that decoding may take, beyond what the process has when it starts."""


def bound_resources() -> None:
    """Bounds the memory of this process, and lets it leave no core dump."""
    try:
        import resource  # noqa: PLC0415  only where there is one

        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
            used = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + _MEMORY_BYTES, resource.RLIM_INFINITY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, OSError, ValueError):
        return  # not Linux: decoding runs without the limit
