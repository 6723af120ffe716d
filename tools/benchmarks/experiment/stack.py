"""The four services over real servers or embedded stores, as the benchmark runs them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from audiosearch.catalog.v1.catalog_service_pb2_grpc import CatalogServiceStub
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
from tools.servers.debian import MissingError
from tools.servers.milvus_server import MilvusServer
from tools.servers.mysql_server import MysqlServer
from tools.servers.mysql_server import running as running_mysql
from tools.servers.processes import children
from tools.servers.services import Services
from tools.servers.stores import running_milvus, settings_for

LEASE_SECONDS = 120
LARGE = [("grpc.max_receive_message_length", 64 * 2**20)]


@dataclass(frozen=True)
class Servers:
    """A real Milvus and a real MariaDB, and what points our services at them."""

    milvus: MilvusServer
    mysql: MysqlServer
    settings: Mapping[str, str]

    def client(self) -> MilvusClient:
        """A client of Milvus, past our services."""
        return MilvusClient(f"http://127.0.0.1:{self.milvus.port}", timeout=600)


@dataclass(frozen=True)
class Stack:
    """What runs."""

    services: Services
    client: AudiosearchClient
    imports: Path
    servers: Servers | None
    catalog: CatalogServiceStub
    index: IndexServiceStub
    embedding: EmbeddingServiceStub
    _read: dict[str, int] = field(default_factory=dict)

    def catalog_settings(self) -> CatalogSettings:
        """What the catalog service was told, for statements past it."""
        place = {
            name.lower(): value
            for name, value in (self.servers.settings if self.servers else {}).items()
            if name.startswith("MYSQL")
        }
        return CatalogSettings(data_dir=self.services.data_dir, **{"mysql_host": None} | place)

    def memory(self) -> dict[str, float]:
        """Resident MiB of each process; the decoders count with their service."""
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
        """Lines of a service's log that were not read yet."""
        with (self.services.data_dir / f"{service}.log").open("rb") as log:
            log.seek(self._read.get(service, 0))
            data = log.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._read[service] = self._read.get(service, 0) + len(whole)
        return [json.loads(line) for line in whole.splitlines() if line.startswith(b"{")]


@contextmanager
def _servers(folder: Path) -> Iterator[Servers]:
    with ExitStack() as stack:
        try:
            milvus = stack.enter_context(running_milvus(folder / "milvus", LEASE_SECONDS))
            mysql = stack.enter_context(running_mysql(*MARIADB))
        except MissingError as error:
            why = f"{error}; --stores embedded does without"
            raise LeftOutError(why) from None
        yield Servers(milvus, mysql, settings_for(milvus, mysql))


@contextmanager
def running(stores: str, checkpoint: Path | None) -> Iterator[Stack]:
    """The stack for the block, with nothing in it; LeftOutError where its servers can't be had.

    Args:
        stores: `servers` or `embedded`.
        checkpoint: of the encoder; the one that comes with Audiosearch if there is none.
    """
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="audiosearch-bench-")))
        servers = stack.enter_context(_servers(work)) if stores == "servers" else None
        imports = work / "imports"
        imports.mkdir()
        settings = {
            "AUDIOSEARCH_IMPORT_ROOTS": str(imports),
            "AUDIOSEARCH_OFFLINE": "1",
            "PPSPEECH_HOME": str(work / "none"),
            "AUDIOSEARCH_ENCODER_CACHE": str(REPOSITORY / ".cache" / "encoder"),
            "AUDIOSEARCH_SWEEP_SECONDS": "86400",  # rows and vectors have no audio to go with them
            "AUDIOSEARCH_LOG_LEVEL": "info",
            "AUDIOSEARCH_LOG_FORMAT": "json",
            "AUDIOSEARCH_STORE_TIMEOUT_SECONDS": "120",
            "AUDIOSEARCH_CATALOG_STATEMENT_SECONDS": "60",
            **({"AUDIOSEARCH_CHECKPOINT": str(checkpoint)} if checkpoint else {}),
            **(servers.settings if servers else {}),
        }
        services = Services(work / "data", Addresses.free(), settings)
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
            CatalogServiceStub(channels["catalog"]),
            IndexServiceStub(channels["index"]),
            EmbeddingServiceStub(channels["embedding"]),
        )
