"""The catalog service behind its contract, on SQLite and on a real MySQL-compatible server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from catalog_service.settings import CatalogSettings
from tools.servers.catalog import Catalog, serving
from tools.servers.disk import disk
from tools.servers.mysql_server import MysqlServer, running
from tools.servers.seaweedfs import SeaweedFS, variables
from tools.servers.seaweedfs import running as seaweed_running

BACKENDS = ["sqlite", pytest.param("mysql", marks=pytest.mark.server)]
AUDIO_STORES = [*BACKENDS, pytest.param("s3", marks=pytest.mark.server)]
"""For tests of the audio: SQLite with an object store beside the two."""


def settings_for(
    backend: str, folder: Path, request: pytest.FixtureRequest, **changes: Any
) -> CatalogSettings:
    """Settings of a service with a fresh database."""
    values: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": 0,
        "data_dir": folder,
        "drain_seconds": 0,
        "grace_seconds": 0,
        "max_audio_bytes": 2**20,
        "mysql_host": None,
        "mysql_user": "root",
    }
    if backend == "s3":
        weed: SeaweedFS = request.getfixturevalue("seaweedfs")
        values["audio_url"] = f"s3://{weed.new_bucket()}/some/where"
    if backend == "mysql":
        server: MysqlServer = request.getfixturevalue("mysql")
        values |= {
            "mysql_host": "127.0.0.1",
            "mysql_port": server.port,
            "mysql_db": server.new_database_name(),
        }
    return CatalogSettings(**{**values, **changes})


@pytest.fixture(scope="session")
def mysql() -> Iterator[MysqlServer]:
    """A real server, started once, gone with the tests."""
    with running() as server:
        yield server


@pytest.fixture(scope="session")
def seaweedfs() -> Iterator[SeaweedFS]:
    """A real S3 server, started once, with the variables that lead to it."""
    with seaweed_running() as server, variables(server.environment()):
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=BACKENDS)
async def catalog(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Catalog]:
    """A service with a fresh database for each module of tests, on each backend."""
    settings = settings_for(request.param, tmp_path_factory.mktemp("catalog"), request)
    async with serving(settings) as served:
        yield served


@pytest.fixture(params=BACKENDS)
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> CatalogSettings:
    """Settings of a service of one's own, on each backend."""
    return settings_for(request.param, tmp_path, request)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[CatalogSettings]:
    """Settings of a service whose audio is on a disk of 600 KB."""
    with disk(tmp_path / "small", "600k") as folder:
        yield CatalogSettings(
            port=0,
            data_dir=tmp_path,
            upload_path=folder,
            drain_seconds=0,
            grace_seconds=0,
            mysql_host=None,
        )


@pytest.fixture
def disk_of_data(tmp_path: Path) -> Iterator[CatalogSettings]:
    """Settings of a service whose data is on a disk of 48 MiB."""
    with disk(tmp_path / "small", "48m") as folder:
        yield CatalogSettings(
            host="127.0.0.1",
            port=0,
            data_dir=folder / "data",
            drain_seconds=0,
            grace_seconds=0,
            mysql_host=None,
        )
