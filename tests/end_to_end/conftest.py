"""A running stack: four services as processes of their own, on embedded stores."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from audiosearch.catalog.v1 import library_pb2
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch_client.client import AudiosearchClient

from deploy.local_stack import SERVICES, LocalStack, running
from serving.retry import patiently
from tests.end_to_end.guarded import Guarded, guarded_stack
from tests.vowels import record
from tools.servers.ports import free_ports

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Running:
    """A stack, a client of it, and the folder that it may import from."""

    stack: LocalStack
    client: AudiosearchClient
    imports: Path

    def library(self) -> str:
        """Makes a library nobody else uses and gives its short name."""
        name = f"test-{next(_numbers)}"
        request = library_pb2.CreateLibraryRequest(library_id=name)
        create = self.client.stubs.libraries.CreateLibrary
        patiently(lambda: self.client.call(create, request))  # a busy machine may be late
        return name

    def folder(self) -> Path:
        """Makes an empty folder that may be imported."""
        path = self.imports / f"folder-{next(_numbers)}"
        path.mkdir()
        return path


@contextmanager
def start(base: Path, **settings: str) -> Iterator[Running]:
    """Runs a stack that never tries the network."""
    imports = base / "imports"
    imports.mkdir(exist_ok=True)
    settings = {
        "AUDIOSEARCH_IMPORT_ROOTS": str(imports),
        "AUDIOSEARCH_OFFLINE": "1",
        "PPSPEECH_HOME": str(base / "no-cache"),
        **settings,
    }
    with running(base / "data", settings) as stack, AudiosearchClient(stack.target) as client:
        yield Running(stack, client, imports)


@pytest.fixture(scope="package")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The stack that most tests share; each works in a library of its own."""
    metrics = str(free_ports(1)[0])  # the three beside it are free too
    with start(tmp_path_factory.mktemp("stack"), AUDIOSEARCH_METRICS_PORT=metrics) as started:
        yield started


@pytest.fixture(scope="package")
def breakable_temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder for temporary files of `breakable`."""
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="package")
def breakable(
    tmp_path_factory: pytest.TempPathFactory, breakable_temporary: Path
) -> Iterator[Running]:
    """The stack behind `fragile`."""
    with start(tmp_path_factory.mktemp("fragile"), TMPDIR=str(breakable_temporary)) as started:
        yield started


@pytest.fixture
def fragile(breakable: Running) -> Iterator[Running]:
    """The stack whose services tests end, freeze and replace. Dead services are started again."""
    yield breakable
    stack = breakable.stack
    for service in SERVICES:
        if stack._processes[service].poll() is not None:
            stack.launch(service)
            stack.wait(service)


@pytest.fixture
def library(shared: Running) -> str:
    """An empty library of the shared stack."""
    return shared.library()


@pytest.fixture
def take(tmp_path: Path) -> Callable[..., Path]:
    """Records a take of a voice: `take(voice, number)`, 2 s of it."""
    return partial(record, tmp_path, seconds=2.0)


@pytest.fixture(scope="package")
def filled(shared: Running, sounds: Path) -> Library:
    """A library of the shared stack that holds the 20 example clips and is not changed."""
    name = shared.library()
    for path in sorted(sounds.iterdir()):
        shared.client.upload(name, path)
    return shared.client.call(
        shared.client.stubs.libraries.GetLibrary,
        library_pb2.GetLibraryRequest(name=f"libraries/{name}"),
    )


@pytest.fixture(scope="package")
def guarded(tmp_path_factory: pytest.TempPathFactory, sounds: Path) -> Iterator[Guarded]:
    """The stack that the tests of keys, TLS and logs share."""
    with guarded_stack(tmp_path_factory.mktemp("guarded"), sounds) as made:
        yield made
