"""The layout of the code: small rooms, a thin gateway, no circle of files."""

from __future__ import annotations

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

from tests.conftest import REPOSITORY

PRODUCT = [
    *("audiosearch_bulk", "audiosearch_cli", "audiosearch_client", "audiosearch_evaluation"),
    "audiosearch_web",
    *("catalog_service", "deploy", "embedding_service", "gateway", "index_service", "scoring"),
    *("serving", "tools"),
]
ROOMS = [
    *("catalog_service", "clients", "deploy", "embedding_service", "gateway", "index_service"),
    *("scoring", "serving", "tools"),
]
MOST_FILES = 25
MOST_LINES = {"gateway without REST": 12_700, "gateway": 17_200}


def files(folder: Path) -> Iterator[Path]:
    """Files of the checkout below a folder, without what Python or a test wrote there."""
    for path in folder.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path


def test_no_folder_is_crowded() -> None:
    """A room of more files is two rooms; migrations are a list that only grows."""
    counts: dict[Path, int] = {}
    for room in ROOMS:
        for path in files(REPOSITORY / room):
            counts[path.parent] = counts.get(path.parent, 0) + 1
    crowded = {
        folder.relative_to(REPOSITORY).as_posix(): count
        for folder, count in counts.items()
        if count > MOST_FILES and folder.name != "versions"
    }
    assert len(counts) > 30
    assert crowded == {}


def test_the_gateway_is_thin() -> None:
    """Clients, scores and evaluation live elsewhere."""
    gateway = REPOSITORY / "gateway"
    lines = {
        path: len(path.read_text(encoding="utf-8").splitlines()) for path in gateway.rglob("*.py")
    }
    inner = sum(count for path, count in lines.items() if gateway / "rest" not in path.parents)
    assert 1_000 < inner < MOST_LINES["gateway without REST"]
    assert inner < sum(lines.values()) < MOST_LINES["gateway"]


def imports() -> dict[str, set[str]]:
    """Every file of the product and of the tools with the files that it imports at run time."""
    graph = grimp.build_graph(
        *PRODUCT,
        cache_dir=None,
        exclude_type_checking_imports=True,
        include_external_packages=False,
    )
    return {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}


def test_no_circle_of_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file can be read, and imported, after those that it stands on."""
    monkeypatch.syspath_prepend(str(REPOSITORY / "clients"))
    found = imports()
    assert len(found) > 200
    try:
        TopologicalSorter(found).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))
