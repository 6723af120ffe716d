"""Fixtures and helpers of all tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from deploy import example_sounds, local_stack
from tests import parallel
from tools.servers.debian import MissingError
from tools.servers.ports import free_ports

REPOSITORY = Path(__file__).parents[1]
WORKER = "PYTEST_XDIST_WORKER" in os.environ
"""True in each of several processes that run tests for another one."""

# One conversion of the bundled model for all tests, and none in the user's own cache.
# Only the model for voices where a test does not ask for more: a second one slows down every start.
os.environ.setdefault("AUDIOSEARCH_MODELS", "voices")
os.environ.setdefault("AUDIOSEARCH_ENCODER_CACHE", str(REPOSITORY / ".cache" / "encoder"))

# Threads of numpy and Paddle wait for each other by spinning, which takes more from the tests
# beside them than it gives. Processes that tests start inherit it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A stack's ports are kept for it until its services listen, also when other tests run beside.
local_stack.free_ports = free_ports


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """The number of processes that `-n auto` starts."""
    return parallel.processes()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Shares the tests out, in each of several processes that run them."""
    if WORKER:
        parallel.plan(items)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Tells of tests by the names that they can be run again with."""
    if not WORKER:
        report.nodeid = parallel.without_group(report.nodeid)


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Folder of real recordings, kept outside the project; skips the test where it is absent."""
    path = Path(os.environ.get("AUDIOSEARCH_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"no real recordings at {path}: set AUDIOSEARCH_TEST_DATA to have this tested")
    return path


@pytest.fixture(scope="session")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the 20 example clips; only for reading."""
    folder = tmp_path_factory.mktemp("sounds")
    example_sounds.write_all(folder)
    return folder


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Iterator[None]:
    """Skips a test whose fixtures need a program that can't be had here; CI=true fails it."""
    with _left_out():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    """The same for the test itself."""
    with _left_out():
        return (yield)


@contextmanager
def _left_out() -> Iterator[None]:
    try:
        yield
    except MissingError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"left out with CI=true: {error}", pytrace=False)
        pytest.skip(str(error))


STORES = {
    "index: in memory": "tests/conformance/index/*[[]memory*",
    "index: Milvus Lite": "tests/conformance/index/*[[]lite*",
    "index: a Milvus server": "tests/conformance/index/*[[]server*",
    "index: a Milvus server that grows, hangs, dies": "tests/conformance/index/test_[go][ru]*",
    "catalog: SQLite": "tests/conformance/catalog/*[[]sqlite*",
    "catalog: MySQL or MariaDB": "tests/conformance/catalog/*[[]mysql*",
    "audio in an object store: SeaweedFS": "tests/conformance/catalog/*s3[]]",
    "bulk imports from a bucket: SeaweedFS": "tests/conformance/bulk/*",
    "all services on real servers": "tests/end_to_end/test_real_servers.py*",
    "scraped by Prometheus": "tests/end_to_end/test_monitoring.py*",
    "killed at random, and brown-outs": "tests/chaos/*",
    "behind Envoy": "tests/deploy/*",
    "clients in other languages": "tests/clients/*",
    "the web client in Chromium": "tests/browser/*",
}
"""Programs that tests skip if they can't be installed, with the tests that need them."""


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Says in the last lines what the run cost, and which stores and programs were tested."""
    ran = [r.nodeid for kind in ("passed", "failed") for r in terminalreporter.getreports(kind)]
    skipped = terminalreporter.getreports("skipped")
    lines = []
    for name, pattern in STORES.items():
        count = sum(fnmatchcase(nodeid, pattern) for nodeid in ran)
        why = {r.longrepr[2] for r in skipped if fnmatchcase(r.nodeid, pattern)}
        if count or why:
            lines.append(f"{name}: {count} ran" + "".join(f"; left out: {word}" for word in why))
    spent = os.times()
    terminalreporter.section("cost")
    terminalreporter.write(f"processor time: {sum(spent[:4]):,.0f} s, of all processes together\n")
    if lines:
        terminalreporter.section("stores and programs")
        terminalreporter.write("\n".join(lines) + "\n")
