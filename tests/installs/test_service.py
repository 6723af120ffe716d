"""`pip install audiosearch[index]`: one service by itself."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.installs.conftest import Environment
from tools.servers.ports import free_ports
from tools.servers.processes import until

OTHERS = {"paddlepaddle", "openvino", "fastapi", "uvicorn", "sqlalchemy", "alembic", "typer"}


def test_the_index_runs_by_itself(install: Callable[[str], Environment], tmp_path: Path) -> None:
    """It starts, and answers the health check of its container."""
    index = install("index")
    assert "pymilvus" in index.packages()
    assert not index.packages() & OTHERS
    (port,) = map(str, free_ports(1))
    settings = {
        "SERVICE": "index",
        "AUDIOSEARCH_INDEX_PORT": port,
        "AUDIOSEARCH_DATA_DIR": str(tmp_path),
        "AUDIOSEARCH_DRAIN_SECONDS": "0",
    }
    start, health = ("-m", "deploy.container", "start"), ("-m", "deploy.container", "health")

    def healthy() -> bool:
        return index.run(*health, **settings).returncode == 0

    assert not healthy()
    with subprocess.Popen(
        [index.python, *start], cwd=tmp_path, env={**os.environ, **settings}
    ) as process:
        try:
            until(lambda: process.poll() is not None or healthy())
            assert process.poll() is None
        finally:
            process.terminate()
        assert process.wait(60) == 0
