"""Client programs in other languages, built from protos/, and a deployment to talk to.

Missing tools are installed if that is allowed, and kept in build/clients. Otherwise the tests name
what they skip and, with CI=true, fail.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from protos import generate
from tests.conftest import REPOSITORY
from tests.deploy.deployment import Deployment, deployed
from tools.servers.debian import MissingError, program, require

SOURCES = Path(__file__).parent
BUILD = REPOSITORY / "build" / "clients"
NODE_MAJOR = 20
BUILD_SECONDS = 1200
Client = Callable[..., "subprocess.CompletedProcess[str]"]


@contextmanager
def alone(folder: Path) -> Iterator[Path]:
    """Makes a folder of build/clients, which one test run at a time may change."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def run(
    *command: str | Path, folder: Path = REPOSITORY, seconds: int = 120, **settings: str
) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end."""
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def build(*command: str | Path, folder: Path) -> None:
    """Runs a step of a build. Shows its output if it fails."""
    done = run(*command, folder=folder, seconds=BUILD_SECONDS)
    assert done.returncode == 0, f"{command}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


@functools.cache
def _node_version() -> int:
    done = run(program("node"), "--version")
    found = re.match(r"v(\d+)", done.stdout)
    return int(found[1]) if found else 0


def _same(file: Path, content: str) -> bool:
    return file.exists() and file.read_text() == content


@pytest.fixture(scope="session")
def node() -> Path:
    """Folder of the Node clients with their packages and their generated stubs."""
    if not (shutil.which("node") and shutil.which("npm")) or _node_version() < NODE_MAJOR:
        raise MissingError(f"the clients in Node need Node {NODE_MAJOR} or newer and npm")
    with alone(BUILD / "node") as folder:
        lock = (SOURCES / "node" / "package-lock.json").read_text()
        for source in (SOURCES / "node").iterdir():
            if source.is_file():
                shutil.copyfile(source, folder / source.name)
        installed = folder / ".installed"
        if not _same(installed, lock):
            done = run(program("npm"), "ci", "--no-audit", folder=folder, seconds=BUILD_SECONDS)
            if done.returncode != 0:
                raise MissingError(f"npm can't install the clients' packages: {done.stderr[-500:]}")
            installed.write_text(lock)
        image = folder / "image.binpb"
        generate.make_image(image)
        made_of = (image, folder / "buf.gen.yaml", folder / "package-lock.json")
        contracts = hashlib.sha256(b"".join(file.read_bytes() for file in made_of)).hexdigest()
        if not _same(folder / ".generated", contracts):
            build(program("buf"), "generate", image, folder=folder)
            (folder / ".generated").write_text(contracts)
    return folder


@pytest.fixture(scope="session")
def cpp() -> Path:
    """The C++ client, built."""
    packages = ("libgrpc++-dev", "libprotobuf-dev", "protobuf-compiler-grpc")
    require(
        {
            "g++": "g++",
            "make": "make",
            "pkg-config": "pkg-config",
            "protoc": "protobuf-compiler",
            "grpc_cpp_plugin": "protobuf-compiler-grpc",
        },
        *packages,
    )
    google = generate.google_files()
    with alone(BUILD / "cpp") as folder:
        options = [f"OUT={folder}", f"PROTOS={generate.PROTOS}", f"GOOGLE={google}"]
        build(program("make"), "-j2", *options, folder=SOURCES / "cpp")
    return folder / "client"


@pytest.fixture(scope="package")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Four services and Envoy; the gateway asks for a key."""
    with deployed(tmp_path_factory.mktemp("deployment"), keys=True) as running:
        yield running


@pytest.fixture(autouse=True)
def key(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clients find the key set."""
    monkeypatch.setenv("AUDIOSEARCH_API_KEY", deployment.key or "")
