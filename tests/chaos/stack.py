"""The processes of a run, kept running, in a folder that goes away when all was right."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from grpc_health.v1 import health_pb2
from rich.console import Console

from deploy.local_stack import SERVICES
from tests.chaos.processes import (
    Keeper,
    MilvusProcess,
    MysqlProcess,
    Process,
    ServiceProcess,
    health,
    services,
)
from tests.conftest import REPOSITORY
from tools.servers.milvus_server import MilvusServer
from tools.servers.mysql_server import running as running_mysql
from tools.servers.services import Services
from tools.servers.stores import settings_for

START_SECONDS = 180.0

SETTINGS = {
    "AUDIOSEARCH_OFFLINE": "1",
    "AUDIOSEARCH_LOG_LEVEL": "info",
    "AUDIOSEARCH_ENCODER_CACHE": str(REPOSITORY / ".cache" / "encoder"),
    "AUDIOSEARCH_MAX_CALL_SECONDS": "12",
    "AUDIOSEARCH_UPSTREAM_SECONDS": "10",
    "AUDIOSEARCH_STALE_SECONDS": "15",
    "AUDIOSEARCH_RECONCILE_SECONDS": "2",
    "AUDIOSEARCH_SWEEP_SECONDS": "5",
}


@contextlib.contextmanager
def _processes(
    work: Path, settings: Mapping[str, str], *, real: bool
) -> Iterator[tuple[Services, dict[str, Process]]]:
    """The four services and, if asked for, two real servers: none but MySQL runs yet."""
    settings = {
        **SETTINGS,
        "AUDIOSEARCH_IMPORT_ROOTS": str(work / "sounds"),
        "PPSPEECH_HOME": str(work / "none"),
        **settings,
    }
    with contextlib.ExitStack() as stack:
        servers: dict[str, Process] = {}
        if real:
            milvus, mysql = MilvusServer(work / "milvus"), stack.enter_context(running_mysql())
            servers = {"mysql": MysqlProcess(mysql), "milvus": MilvusProcess(milvus)}
            settings |= settings_for(milvus, mysql)
        ours = services(work / "data", settings)
        yield ours, servers | {name: ServiceProcess(ours, name) for name in SERVICES}


@contextlib.contextmanager
def kept(
    work: Path, settings: Mapping[str, str] | None = None, *, real: bool
) -> Iterator[tuple[Services, dict[str, Keeper]]]:
    """Runs everything for the block, once it is SERVING, with data below `work`."""
    with _processes(work, settings or {}, real=real) as (ours, each):
        keepers = {name: Keeper(name, process) for name, process in each.items()}
        try:
            for keeper in keepers.values():
                keeper.start()
            wait_until_serving(ours, keepers)
            yield ours, keepers
        finally:
            for keeper in reversed(keepers.values()):
                if keeper.is_alive() or keeper.up.is_set():
                    keeper.finish()


def wait_until_serving(ours: Services, keepers: Mapping[str, Keeper]) -> None:
    """Waits until the gateway is SERVING; RuntimeError if that takes too long."""
    until = time.monotonic() + START_SECONDS
    while health(ours.target) != health_pb2.HealthCheckResponse.SERVING:
        for keeper in keepers.values():
            if keeper.failure:
                raise RuntimeError(f"{keeper.what} can't be kept") from keeper.failure
        if time.monotonic() > until:
            down = [name for name, keeper in keepers.items() if not keeper.up.is_set()]
            state = {name: health(ours.addresses.target(name)) for name in SERVICES}
            raise RuntimeError(f"the gateway is not SERVING; not up: {down}; health: {state}")
        time.sleep(0.2)


@dataclass
class Made:
    """A folder, and whether the run in it was right."""

    path: Path
    console: Console
    right: bool = False


@contextlib.contextmanager
def folder(name: str, *, keep: bool) -> Iterator[Made]:
    """A folder for the block, removed if the run was right and it is not to be kept."""
    console = Console(width=140, highlight=False)
    made = Made(Path(tempfile.mkdtemp(prefix=f"{name}-")), console)
    try:
        yield made
    finally:
        if made.right and not keep:
            shutil.rmtree(made.path, ignore_errors=True)
        else:
            console.print(f"data and logs are in {made.path}")
