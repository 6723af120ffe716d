"""Real servers for the length of a block, and what points the services at them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.servers.milvus_server import MilvusServer
from tools.servers.mysql_server import MysqlServer


@contextmanager
def running_milvus(folder: Path, lease_seconds: int = 5) -> Iterator[MilvusServer]:
    """A Milvus server for the block; MissingError where there can be none."""
    server = MilvusServer(folder, lease_seconds)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def settings_for(milvus: MilvusServer, mysql: MysqlServer) -> dict[str, str]:
    """Settings of index and catalog for these servers, with a database of its own."""
    return {
        "MILVUS_HOST": "127.0.0.1",
        "MILVUS_PORT": str(milvus.port),
        "MYSQL_HOST": "127.0.0.1",
        "MYSQL_PORT": str(mysql.port),
        "MYSQL_DB": mysql.new_database_name(),
    }
