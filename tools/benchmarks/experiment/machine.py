"""Describes the machine of a measurement."""

from __future__ import annotations

import contextlib
import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

from tools.servers.milvus_server import VERSION

PACKAGES = ("pymilvus", "grpcio", "paddlepaddle", "openvino", "faiss-cpu", "hnswlib")


def describe() -> dict[str, Any]:
    """Returns the properties that must be equal for two figures to be comparable."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(pages / 2**30),
        "system": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        "python": platform.python_version(),
    }


def versions() -> dict[str, str]:
    """Returns the versions of the installed packages that affect the figures."""
    found = {"Milvus server": VERSION}
    for name in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def memory_mib(*pids: int) -> float:
    """Returns the present resident memory of all these processes together, MiB."""
    files = [Path(f"/proc/{pid}/statm").read_text(encoding="ascii") for pid in pids]
    return sum(int(text.split()[1]) for text in files) * os.sysconf("SC_PAGE_SIZE") / 2**20
