"""Runs the four services on real servers or embedded stores, for the benchmark."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from audiosearch.embedding.v1.embedding_service_pb2_grpc import EmbeddingServiceStub
from audiosearch.index.v1.index_service_pb2_grpc import IndexServiceStub
from audiosearch_client.client import AudiosearchClient
from pymilvus import MilvusClient

from catalog_service.settings import CatalogSettings
from deploy.local_stack import SERVICES, Addresses
from tools import REPOSITORY
from tools.benchmarks.catalog_database import MARIADB
from tools.benchmarks.experiment import machine
from tools.benchmarks.experiment.results import LeftOutError
from tools.benchmarks.index_recall import say
from tools.servers.catalog_stubs import CatalogStubs
from tools.servers.debian import MissingError
from tools.servers.milvus_server import MilvusServer
from tools.servers.mysql_server import MysqlServer
from tools.servers.mysql_server import running as running_mysql
from tools.servers.processes import children
from tools.servers.services import Services
from tools.servers.stores import running_milvus, settings_for

LEASE_SECONDS = 120
DATABASE = "benchmark"
CHECKPOINT = "checkpoint"
"""Folder of the encoder's checkpoint in that of a stack; without it the bundled one runs."""

LARGE = [("grpc.max_receive_message_length", 64 * 2**20)]


@dataclass(frozen=True)
class Servers:
    """A real Milvus and a real MariaDB, and the settings of our services for them."""

    folder: Path
    milvus: MilvusServer
    mysql: MysqlServer
    settings: Mapping[str, str]

    def client(self) -> MilvusClient:
        """Returns a client of Milvus that bypasses our services."""
        return MilvusClient(f"http://127.0.0.1:{self.milvus.port}", timeout=600)


@dataclass(frozen=True)
class Stack:
    """The running services, with clients of each."""

    services: Services
    client: AudiosearchClient
    imports: Path
    servers: Servers | None
    catalog: CatalogStubs
    index: IndexServiceStub
    embedding: EmbeddingServiceStub
    _read: dict[str, int] = field(default_factory=dict)

    def catalog_settings(self) -> CatalogSettings:
        """Returns the settings of the catalog service, for statements that bypass it."""
        place = {
            name.lower(): value
            for name, value in (self.servers.settings if self.servers else {}).items()
            if name.startswith("MYSQL")
        }
        return CatalogSettings(data_dir=self.services.data_dir, **{"mysql_host": None} | place)

    def memory(self) -> dict[str, float]:
        """Returns the resident MiB of each service and server, with the decoders in theirs."""
        pids = {name: [self.services.pid(name)] for name in SERVICES}
        pids["embedding"] += children(self.services.pid("embedding"), b"spawn_main")
        if self.servers:
            assert self.servers.mysql._process
            pids["mariadb"] = [self.servers.mysql._process.pid]
        found = {name: machine.memory_mib(*each) for name, each in pids.items()}
        if self.servers:
            found["milvus"] = self.servers.milvus.memory_bytes() / 2**20
        return found

    def events(self, service: str) -> list[dict[str, Any]]:
        """Returns the lines of a service's log since the last call."""
        with (self.services.data_dir / f"{service}.log").open("rb") as log:
            log.seek(self._read.get(service, 0))
            data = log.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._read[service] = self._read.get(service, 0) + len(whole)
        return [json.loads(line) for line in whole.splitlines() if line.startswith(b"{")]


@contextmanager
def running_servers(folder: Path) -> Iterator[Servers]:
    """Runs the servers on the files in a folder, which are whole again after the block.

    Raises:
        LeftOutError: The servers can't be started.
    """
    with ExitStack() as stack:
        try:
            milvus = stack.enter_context(running_milvus(folder / "milvus", LEASE_SECONDS))
            stack.callback(milvus.end_sessions)
            mysql = stack.enter_context(running_mysql(*MARIADB, data=folder / "mariadb"))
        except MissingError as error:
            why = f"{error}; --stores embedded does without"
            raise LeftOutError(why) from None
        settings = settings_for(milvus, mysql) | {"MYSQL_DB": DATABASE}
        yield Servers(folder, milvus, mysql, settings)


@contextmanager
def running(stores: str, folder: Path, also: Mapping[str, str] | None = None) -> Iterator[Stack]:
    """Runs a stack for the time of the block, on what an earlier one left in its folder.

    Args:
        stores: `servers` or `embedded`.
        folder: Folder of all its files.
        also: Settings of the services that go before the usual ones.

    Raises:
        LeftOutError: The servers can't be started.
    """
    with ExitStack() as stack:
        servers = stack.enter_context(running_servers(folder)) if stores == "servers" else None
        imports, checkpoint, data = folder / "imports", folder / CHECKPOINT, folder / "data"
        imports.mkdir(exist_ok=True)
        for log in data.glob("*.log"):
            log.unlink()
        settings = {
            "AUDIOSEARCH_IMPORT_ROOTS": str(imports),
            "AUDIOSEARCH_OFFLINE": "1",
            "AUDIOSEARCH_MODELS": "voices",
            "PPSPEECH_HOME": str(folder / "none"),
            "AUDIOSEARCH_ENCODER_CACHE": str(REPOSITORY / ".cache" / "encoder"),
            "AUDIOSEARCH_SWEEP_SECONDS": "0",  # a sweep would write what rows without audio lack
            "AUDIOSEARCH_LOG_LEVEL": "info",
            "AUDIOSEARCH_LOG_FORMAT": "json",
            "AUDIOSEARCH_STORE_TIMEOUT_SECONDS": "120",
            "AUDIOSEARCH_CATALOG_STATEMENT_SECONDS": "60",
            **({"AUDIOSEARCH_CHECKPOINT": str(checkpoint)} if checkpoint.exists() else {}),
            **(servers.settings if servers else {}),
            **(also or {}),
        }
        services = Services(data, Addresses.free(), settings)
        stack.callback(services.stop)
        services.start()
        say("four services are up")
        channels = {
            name: stack.enter_context(grpc.insecure_channel(services.addresses.target(name), LARGE))
            for name in SERVICES
        }
        yield Stack(
            services,
            stack.enter_context(AudiosearchClient(services.target)),
            imports,
            servers,
            CatalogStubs(channels["catalog"]),
            IndexServiceStub(channels["index"]),
            EmbeddingServiceStub(channels["embedding"]),
        )
