"""A store is gone, frozen or overrun: the gateway says so soon, and recovers by itself."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from audiosearch.catalog.v1.clip_pb2 import GetClipRequest
from audiosearch.catalog.v1.library_pb2 import GetLibraryRequest
from audiosearch.gateway.v1.search_pb2 import SearchClipsRequest, SearchConfig
from audiosearch_client.client import AudiosearchClient
from pymilvus import MilvusClient, MilvusException

from deploy import example_sounds
from serving.errors import Reason, ServiceError
from tests.end_to_end.conftest import Running, start
from tests.end_to_end.test_services import health
from tools.servers.milvus_server import MilvusServer
from tools.servers.mysql_server import MysqlServer
from tools.servers.mysql_server import running as running_mysql
from tools.servers.processes import until
from tools.servers.stores import running_milvus, settings_for

pytestmark = pytest.mark.server

FAST = 1.0
"""Time-out of a small call in seconds; searches have ten times as long."""

LEASE_SECONDS = 15
"""A Milvus server that hangs for longer ends itself; one that was killed starts when it is over."""

QUEUE = 10
SHORT_QUEUE = {"AUDIOSEARCH_CATALOG_QUEUE": str(QUEUE)}
"""So few reads may wait for a connection that any machine overruns them."""


@dataclass(frozen=True)
class Stack:
    """The stack on two real servers, with one clip in it."""

    running: Running
    milvus: MilvusServer
    mysql: MysqlServer
    library: str
    clip: str
    sound: Path
    client: AudiosearchClient
    """Has little patience: a call that is not answered soon fails with DEADLINE_EXCEEDED."""

    def search(self) -> None:
        """Needs the index and the catalog."""
        config = SearchConfig(parent=f"libraries/{self.library}")
        request = SearchClipsRequest(config=config, clip=self.clip)
        self.client.call(self.client.stubs.search.SearchClips, request, patience=10)

    def read(self) -> None:
        """Needs the catalog."""
        request = GetClipRequest(name=self.clip)
        self.client.call(self.client.stubs.clips.GetClip, request, patience=10)

    def embed(self) -> None:
        """Needs neither."""
        self.client.embed(self.sound)

    def serving(self) -> bool:
        """The gateway's health."""
        return health(self.running.stack.target) == "SERVING"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Started once; each test leaves it as it was."""
    folder = tmp_path_factory.mktemp("brownouts")
    with (
        running_mysql() as mysql,
        running_milvus(folder / "milvus", LEASE_SECONDS) as milvus,
        start(folder, **SHORT_QUEUE, **settings_for(milvus, mysql)) as running,
        AudiosearchClient(running.stack.target, FAST) as client,
    ):
        yield filled(running, milvus, mysql, client)


def filled(
    running: Running, milvus: MilvusServer, mysql: MysqlServer, client: AudiosearchClient
) -> Stack:
    """The stack with a library of one clip."""
    library, folder = running.library(), running.folder()
    sound = example_sounds.write(folder / "bell.wav", example_sounds.make("bronze_bell", 1))
    clip = running.client.upload(library, sound).clip.name
    return Stack(running, milvus, mysql, library, clip, sound, client)


def refused(call: Callable[[], None], *reasons: Reason) -> None:
    """The call fails for one of these reasons."""
    with pytest.raises(ServiceError) as raised:
        call()
    assert raised.value.reason in reasons, raised.value.message


def works(call: Callable[[], None]) -> bool:
    """Returns True if a call succeeds."""
    try:
        call()
    except ServiceError:
        return False
    return True


@contextmanager
def frozen(send: Callable[[signal.Signals], None]) -> Iterator[None]:
    """A server that is there and does nothing, for the block."""
    send(signal.SIGSTOP)
    try:
        yield
    finally:
        send(signal.SIGCONT)


def back(stack: Stack) -> None:
    """Everything works again, without a restart."""
    until(lambda: stack.serving() and works(stack.search))


def reads(milvus: MilvusServer) -> bool:
    """True when Milvus itself is back: once it is up it first reads what it had in memory."""
    try:
        client = MilvusClient(f"http://127.0.0.1:{milvus.port}", timeout=3)
        for name in client.list_collections(timeout=3):
            client.query(name, output_fields=["count(*)"], timeout=3)
    except (MilvusException, grpc.RpcError):
        return False
    return True


def test_mysql_gone(stack: Stack) -> None:
    """CATALOG_UNAVAILABLE and NOT_SERVING; what needs no catalog goes on."""
    stack.mysql.stop(signal.SIGKILL)
    try:
        until(lambda: not stack.serving())
        refused(stack.search, Reason.CATALOG_UNAVAILABLE)
        refused(stack.read, Reason.CATALOG_UNAVAILABLE)
        stack.embed()
    finally:
        stack.mysql.start()
    back(stack)


def test_milvus_hangs(stack: Stack) -> None:
    """Searches fail at once when that is known; the others do not wait with them."""
    with frozen(stack.milvus.signal):
        with ThreadPoolExecutor(8) as pool:
            waiting = [pool.submit(works, stack.search) for _ in range(8)]
            stack.read()
            stack.embed()
            assert not any(each.result() for each in waiting)
        until(lambda: not stack.serving())
        refused(stack.search, Reason.INDEX_UNAVAILABLE)

    def lives() -> bool:
        if stack.milvus.ended():  # on a slow machine its lease runs out
            stack.milvus.stop()
            stack.milvus.start()
        return reads(stack.milvus) and stack.serving() and works(stack.search)

    until(lives)


def test_mysql_hangs(stack: Stack) -> None:
    """Reads fail at once when that is known; what needs no catalog does not wait with them."""
    with frozen(stack.mysql.send):
        with ThreadPoolExecutor(8) as pool:
            waiting = [pool.submit(works, stack.read) for _ in range(8)]
            stack.embed()
            assert not any(each.result() for each in waiting)
        until(lambda: not stack.serving())
        refused(stack.read, Reason.CATALOG_UNAVAILABLE)
    back(stack)


def test_overload_is_shed(stack: Stack) -> None:
    """More calls than the catalog's queue holds: told at once, and not by a time-out."""
    request = GetLibraryRequest(name=f"libraries/{stack.library}")

    def ask(_: int) -> str:
        try:
            stack.client.call(stack.client.stubs.libraries.GetLibrary, request, patience=30)
        except ServiceError as error:
            return error.reason.value
        return "OK"

    with frozen(stack.mysql.send), ThreadPoolExecutor(10 * QUEUE) as pool:
        answers = Counter(pool.map(ask, range(10 * QUEUE)))
    assert answers.keys() <= {"CATALOG_BUSY", "CATALOG_UNAVAILABLE"}, answers
    assert answers["CATALOG_BUSY"] > 0
    back(stack)


def test_milvus_gone(stack: Stack) -> None:
    """INDEX_UNAVAILABLE and NOT_SERVING; what needs no index goes on."""
    stack.milvus.stop()
    try:
        until(lambda: not stack.serving())
        refused(stack.search, Reason.INDEX_UNAVAILABLE)
        stack.read()
        stack.embed()
    finally:
        stack.milvus.start()
    until(lambda: reads(stack.milvus), 90)
    back(stack)
