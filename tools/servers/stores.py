"""Runs real servers for the time of a block, and makes the services' settings for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.servers.milvus_server import MilvusServer
from tools.servers.mysql_server import MysqlServer


@contextmanager
def running_milvus(folder: Path, lease_seconds: int = 5) -> Iterator[MilvusServer]:
    """Runs a Milvus server for the time of the block. Raises MissingError if it can't run."""
    server = MilvusServer(folder, lease_seconds)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def settings_for(milvus: MilvusServer, mysql: MysqlServer) -> dict[str, str]:
    """Returns settings of index and catalog for these servers, with a new database."""
    return {
        "MILVUS_HOST": "127.0.0.1",
        "MILVUS_PORT": str(milvus.port),
        "MYSQL_HOST": "127.0.0.1",
        "MYSQL_PORT": str(mysql.port),
        "MYSQL_DB": mysql.new_database_name(),
    }
